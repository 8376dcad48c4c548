"""NAT4: ferret A1 and PEG, 593 natural sounds (Pennington & David 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from builders.nat4.auditory import table_name
from builders.nat4.columns import NEURON_COLUMNS, STIMULUS_COLUMNS
from builders.nat4.config import Nat4Config
from builders.nat4.population import recording_name
from builders.nat4.sites import directory_name
from builders.nat4.sounds import DIRECTORY, Sounds
from builders.nat4.walk import RANGE, walk
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Corpus, Licence, Redistribution, Unpack
from deepstrf_hf.features.scaling import LogCompress, ScaleBands
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.published_split import RecordedSplit
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.scaling import ScaleResponses

AREAS = {"a1": "A1", "peg": "PEG"}
"""Name of the area in the files, by cohort."""
SITE_FILES = {"a1": 22, "peg": 12}
"""Recordings in the archives of single sites; one of PEG (TNC022a) holds none of the cells of the study."""
EST_CLIPS, VAL_CLIPS, VAL_REPEATS = 575, 18, 20


def _cohort(name: str, description: str, cells: int, auditory: int, sites: int) -> Cohort:
    return Cohort(
        name=name,
        description=description,
        signal_type="spikes",
        response_dtype="uint8",
        response_unit="spikes per bin",
        spectrogram_unit="linear cochleagram",
        audio_fs=44_100,
        splits=RecordedSplit(
            {"est": "train", "val": "test"},
            "Pennington & David 2023, doi 10.1371/journal.pcbi.1011110: 18 clips, heard 20 times, are held out",
        ),
        counts={
            "neurons": cells,
            "auditory": auditory,
            "sites": sites,
            "stimuli": EST_CLIPS + VAL_CLIPS,
            "est_clips": EST_CLIPS,
            "val_clips": VAL_CLIPS,
            "rows": cells * (EST_CLIPS + VAL_CLIPS),
            "trials": cells * (EST_CLIPS + VAL_CLIPS * VAL_REPEATS),
            "with_val_responses": cells,
            "val_matches_population": cells,
        },
        baseline=LinearBaseline(
            by=None, scored="auditory", source="bins and division of Pennington & David 2023; the library's window"
        ),
        preprocessing=(
            LogCompress(-1),
            ScaleBands(RANGE),
            ScaleResponses("population_min", "population_max"),
        ),
        deepstrf_preprocessing=(
            LogCompress(0),
            ScaleBands(RANGE, bands="all", zero_below=0.0),
            ScaleResponses("area_min", "area_max", zero_below=0.0, subset="est"),
        ),
        stimulus="reference",
        band_ranges={RANGE: "the whole population recording"},
    )


def _archive(name: str, note: str, **fields: Any) -> Archive:
    return Archive(name, f"https://zenodo.org/api/records/8044773/files/{name}/content", note=note, **fields)


def _sites(cohort: str) -> Archive:
    area = AREAS[cohort]
    folder = directory_name(area)
    unpack = Unpack(
        into=folder,
        strip=(folder,),
        contains={f"{area}_*.tgz": SITE_FILES[cohort]},
        about_bytes=100_000_000,
        largest_bytes=5_000_000_000,
        most_members=1000,
    )
    return _archive(f"{folder}.zip", f"val trials of {area}", cohorts=(cohort,), unpack=unpack)


class Nat4(CorpusBuilder):
    """Ferret A1 (849 cells) and PEG (398 cells), 575 natural sounds heard once and 18 heard 20 times."""

    BUILDER_CONFIG_CLASS = Nat4Config
    LANDMARKS = tuple(f"{recording_name(area)}.tgz" for area in AREAS.values())
    CORPUS = Corpus(
        name="nat4",
        title="NAT4: natural sounds in ferret primary and secondary auditory cortex",
        version="1.0.0",
        species="ferret",
        behavioural_state="awake, passive",
        areas=("A1", "PEG"),
        hearing_range_hz=(200, 40_000),
        citation="""\
@article{pennington2023convolutional,
  title = {A convolutional neural network provides a generalizable model of natural sound coding by neural populations
           in auditory cortex},
  author = {Pennington, Jacob R. and David, Stephen V.}, journal = {PLoS Computational Biology}, volume = {19},
  number = {5}, pages = {e1011110}, year = {2023}, doi = {10.1371/journal.pcbi.1011110}
}
@misc{pennington2023data,
  title = {{NAT4}: responses of ferret auditory cortex to natural sounds, version 1.1.0},
  author = {Pennington, Jacob R. and David, Stephen V.}, publisher = {Zenodo}, year = {2023},
  doi = {10.5281/zenodo.8044773}
}""",
        dois=("10.1371/journal.pcbi.1011110", "10.5281/zenodo.8044773", "10.1101/2022.06.10.495698"),
        homepage="https://zenodo.org/records/8044773",
        download_size="160 MB",
        licence=Licence(
            name="CC BY 4.0",
            hub_identifier="cc-by-4.0",
            url="https://creativecommons.org/licenses/by/4.0/",
            terms="Share and adapt, with credit to the authors and a note of what was changed.",
        ),
        redistribution=Redistribution.PERMITTED,
        archives=(
            *(
                _archive(f"{recording_name(area)}.tgz", f"population recording of {area}", cohorts=(cohort,))
                for cohort, area in AREAS.items()
            ),
            *(_sites(cohort) for cohort in AREAS),
            *(
                _archive(table_name(area), f"which cells of {area} are auditory", cohorts=(cohort,))
                for cohort, area in AREAS.items()
            ),
            _archive(
                "wav.zip",
                "waveforms",
                optional=True,
                waveforms=True,
                unpack=Unpack(
                    into=DIRECTORY,
                    strip=(DIRECTORY,),
                    contains={"*.wav": EST_CLIPS + VAL_CLIPS},
                    about_bytes=52_000_000,
                    largest_bytes=2_000_000_000,
                    most_members=5000,
                ),
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        cohorts=(
            _cohort("a1", "849 single units of primary auditory cortex", 849, 777, 22),
            _cohort("peg", "398 single units of secondary auditory cortex (PEG)", 398, 339, 11),
        ),
    )

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory, which may hold one area only, packed or unpacked (errors as in the base)."""
        names = [name for area in AREAS.values() for name in (f"{recording_name(area)}.tgz", recording_name(area))]
        present = [name for name in names if data_dir is not None and (Path(data_dir) / name).exists()]
        return RawTree(str(data_dir), cls.CORPUS.name, present) if present else super().open_raw(data_dir)

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Nat4Config) -> Sequence[str]:
        """Return the population recording, the single-site recordings, the table of cells and the sounds."""
        area = AREAS[cohort.name]
        packed, unpacked = f"{recording_name(area)}.tgz", recording_name(area)
        by_hand = not (raw.root / packed).is_file() and (raw.root / unpacked).is_dir()
        folders = (unpacked, directory_name(area)) if by_hand else (directory_name(area),)
        below = [path for name in folders for path in (raw.root / name).rglob("*")]
        inside = [path.relative_to(raw.root).as_posix() for path in below if path.is_file() and path.name[0] != "."]
        sounds = [f"{DIRECTORY}/{name}" for name in Sounds(raw).names]
        return [*([] if by_hand else [packed]), *inside, table_name(area), *sounds]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: Nat4Config, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield the recordings of one area, clip by clip."""
        return walk(raw, config, AREAS[cohort.name], log)
