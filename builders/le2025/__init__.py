"""Le 2025: zebra finch auditory pallium, songs with gaps and noise (Le, Bjoring & Meliza 2025)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from builders.le2025.columns import NEURON_COLUMNS, RECORDING_COLUMNS, STIMULUS_COLUMNS
from builders.le2025.config import Le2025Config
from builders.le2025.experiments import ARCHIVE, EXPERIMENTS, INNER_FOLDER, unit_files
from builders.le2025.lab_tables import BIRDS, SITES, SONGS
from builders.le2025.names import AREA_GROUPS
from builders.le2025.selections import critical_interval, restoration_quartet
from builders.le2025.sounds import sound_files
from builders.le2025.walk import divide, walk
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Corpus, Licence, Redistribution, Unpack
from deepstrf_hf.features.compression import LogPlusOne
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.preprocessing import HanningSmooth

HOMEPAGE = "https://doi.org/10.6084/m9.figshare.29203457"

UNITS = {
    "nat8a": {"nat8a-alpha-responses": 407, "nat8a-beta-responses": 387},
    "nat8b": {"nat8b-responses": 445},
    "synth8b": {"synth8b-responses": 476},
}
"""Units, one file each, by experiment and folder."""
SOUNDS = {"nat8a": 72, "nat8b": 96, "synth8b": 96}
"""Sounds by experiment: 8 motifs with 1 + 2 x 4, or 2 + 2 x 5, variants."""


def _cohort(name: str, description: str, counts: Mapping[str, int]) -> Cohort:
    return Cohort(
        name=name,
        description=f"{description}; spikes per 5 ms bin, 50 gammatone bands",
        signal_type="spikes",
        response_dtype="uint8",
        response_unit="spikes per bin",
        spectrogram_unit="root mean square amplitude of samples in ±1, gammatone bands",
        audio_fs=48_000,
        counts=counts,
        preprocessing=(LogPlusOne(scale=32_768.0, base="10"),),
        # All variants of a motif go together: they are the same sound but for gaps and noise.
        baseline=LinearBaseline(by="area_group", together="motif", source="the library's choice"),
        deepstrf_preprocessing=(LogPlusOne(), HanningSmooth(21)),
    )


class Le2025(CorpusBuilder):
    """Zebra finch NCM, field L and CM, 1715 units, song motifs with gaps, noise bursts and masks."""

    BUILDER_CONFIG_CLASS = Le2025Config
    LANDMARKS = ("metadata",)
    CORPUS = Corpus(
        name="le2025",
        title="Le 2025: auditory restoration in the zebra finch pallium",
        version="1.0.0",
        species="zebra finch",
        behavioural_state="anaesthetised",
        areas=tuple(AREA_GROUPS),
        hearing_range_hz=(250, 8000),
        citation="""\
@article{le2025zebra,
  title = {The zebra finch auditory cortex reconstructs occluded syllables in conspecific song},
  author = {Le, Bao and Bjoring, Margot C. and Meliza, C. Daniel},
  journal = {Nature Communications}, volume = {16}, pages = {8452}, year = {2025},
  doi = {10.1038/s41467-025-63182-y}
}""",
        dois=("10.1038/s41467-025-63182-y", "10.6084/m9.figshare.29203457"),
        homepage=HOMEPAGE,
        download_size="105 MB",
        licence=Licence(
            name="not verified",
            hub_identifier="unknown",
            url=HOMEPAGE,
            terms="Anybody can fetch the data; which licence they are under has not been verified. Look at the page of "
            "the deposit before handing them on, and cite the paper and the deposit.",
        ),
        redistribution=Redistribution.UNVERIFIED,
        archives=(
            Archive(
                ARCHIVE,
                "https://figshare.com/ndownloader/files/55083911",
                note="all of it: 105 MB, 720 unpacked",
                record="29203457",
                unpack=Unpack(
                    into=INNER_FOLDER,
                    strip=(INNER_FOLDER,),
                    contains={
                        **dict.fromkeys((BIRDS, SONGS, SITES), 1),
                        **{
                            f"{folder}/*.pprox": units
                            for units_of in UNITS.values()
                            for folder, units in units_of.items()
                        },
                        **{f"{EXPERIMENTS[name].sounds}/*.wav": number for name, number in SOUNDS.items()},
                    },
                    of_cohorts={
                        **{f"{folder}/*.pprox": (name,) for name, units_of in UNITS.items() for folder in units_of},
                        **{f"{EXPERIMENTS[name].sounds}/*.wav": (name,) for name in SOUNDS},
                    },
                    about_bytes=720_000_000,
                    largest_bytes=5_000_000_000,
                    most_members=20_000,
                    elsewhere=("",),
                ),
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        recording_columns=RECORDING_COLUMNS,
        selections={"critical_interval": critical_interval, "restoration_quartet": restoration_quartet},
        cohorts=(
            _cohort(
                "nat8a",
                "794 units of 24 birds, natural motifs with gaps and noise bursts, 72 stimuli",
                {"neurons": 794, "stimuli": 72, "birds": 24, "cohort_1_units": 407, "cohort_2_units": 387},
            ),
            _cohort(
                "nat8b",
                "445 units of 5 birds, natural motifs with gaps, noise bursts and masks, 96 stimuli",
                {"neurons": 445, "stimuli": 96, "birds": 5},
            ),
            _cohort(
                "synth8b",
                "476 units of 5 birds, scrambled motifs with gaps, noise bursts and masks, 96 stimuli",
                {"neurons": 476, "stimuli": 96, "birds": 5},
            ),
        ),
    )

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory: the folder of the archive, or the one it was unpacked in (errors as in the base)."""
        if data_dir is not None:
            inner = Path(data_dir) / INNER_FOLDER
            if not (Path(data_dir) / cls.LANDMARKS[0]).is_dir() and (inner / cls.LANDMARKS[0]).is_dir():
                return RawTree(inner, cls.CORPUS.name, cls.LANDMARKS)
        return super().open_raw(data_dir)

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Le2025Config) -> Sequence[Part]:
        """Return pieces of some birds each."""
        return list(divide(unit_files(raw, EXPERIMENTS[cohort.name])))

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: Le2025Config) -> Sequence[float]:
        """Return the centre frequencies of the gammatone bands."""
        return config.bands_hz.tolist()

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Le2025Config) -> Sequence[str]:
        """Return the lab's tables, and the sounds and units of the experiment."""
        experiment = EXPERIMENTS[cohort.name]
        sounds = [path.relative_to(raw.root).as_posix() for path in sound_files(raw, experiment)]
        return [BIRDS, SONGS, SITES, *sounds, *(unit.file for unit in unit_files(raw, experiment))]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: Le2025Config, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield the responses of the units of some birds, stimulus by stimulus."""
        return walk(raw, EXPERIMENTS[cohort.name], config, part, log)
