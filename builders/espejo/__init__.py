"""Espejo 2019: ferret primary auditory cortex, natural sounds and vocalisation-modulated noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from builders.espejo.catalogue import read_catalogue, recording_files
from builders.espejo.columns import NEURON_COLUMNS, RECORDING_COLUMNS, STIMULUS_COLUMNS
from builders.espejo.config import NAT, RELEASES, VMN, EspejoConfig, Release
from builders.espejo.sounds import sound_names
from builders.espejo.walk import AREA, walk
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Corpus, FileSet, Licence, Redistribution, Unpack
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.published_split import RecordedSplit
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording

HOMEPAGE = "https://zenodo.org/records/3445557"
FILES = "https://zenodo.org/api/records/3445557/files"
SPLIT = RecordedSplit(
    {"est": "train", "val": "test"},
    "the rule of the lab's models (NEMS, split_using_epoch_occurrence_counts), recording by recording: held out are "
    "sounds played more often than the mean of the distinct counts; where all counts are equal, the last fifth of the "
    "names",
)

SOUND_BANK = "https://bitbucket.org/lbhb/baphy/raw/master/Config/lbhb/SoundObjects/%40NaturalSounds"
SOUND_FOLDERS = (
    "sounds_set3", "sounds_set4", "sounds_set2", "sounds_set6", "sounds_set7", "sounds_set8", "sounds", "Sounds_set3",
)  # fmt: skip
"""In the order in which deepSTRF 0.1.0 looks for a sound."""


def _archive(release: Release, recordings: int, size: int, note: str) -> Archive:
    folder, _, inner = release.folder.partition("/")
    return Archive(
        release.archive,
        f"{FILES}/{release.archive}/content",
        note=note,
        cohorts=(release.cohort,),
        unpack=Unpack(
            into=folder,
            strip=(folder,),
            contains={f"{inner}/*.tgz": recordings},
            about_bytes=size,
            largest_bytes=10 * size,
            most_members=2000,
        ),
    )


BASELINE = LinearBaseline(by=None, source="bins and division of Lopez Espejo et al. 2019; the library's window")


class Espejo(CorpusBuilder):
    """Ferret A1, 540 neurons on natural sounds and 200 on modulated noise (Lopez Espejo et al. 2019)."""

    BUILDER_CONFIG_CLASS = EspejoConfig
    LANDMARKS = (NAT.folder, VMN.folder)
    CORPUS = Corpus(
        name="espejo",
        title="Espejo 2019: natural sounds and vocalisation-modulated noise in ferret primary auditory cortex",
        version="1.0.0",
        species="ferret",
        behavioural_state="awake, passive",
        areas=(AREA,),
        hearing_range_hz=(200, 40_000),
        citation="""\
@article{lopezespejo2019spectral,
  title = {Spectral tuning of adaptation supports coding of sensory context in auditory cortex},
  author = {Lopez Espejo, Mateo and Schwartz, Zachary P. and David, Stephen V.},
  journal = {PLoS Computational Biology}, volume = {15}, number = {10}, pages = {e1007430}, year = {2019},
  doi = {10.1371/journal.pcbi.1007430}
}""",
        dois=("10.1371/journal.pcbi.1007430", "10.5281/zenodo.3445557"),
        homepage=HOMEPAGE,
        download_size="660 MB",
        licence=Licence(
            name="not verified",
            hub_identifier="unknown",
            url=HOMEPAGE,
            terms="Published for research use; the licence of the deposit has not been checked. Look at its page "
            "before handing the data on, and cite the paper and the deposit.",
        ),
        redistribution=Redistribution.UNVERIFIED,
        archives=(
            _archive(NAT, 35, 638_000_000, "cohort nat, about 638 MB"),
            _archive(VMN, 103, 25_000_000, "cohort vmn, about 25 MB"),
            Archive(
                str(NAT.sounds),
                SOUND_BANK,
                optional=True,
                waveforms=True,
                note="the sounds of nat, some 686 single files, each in one of the folders "
                f"{', '.join(SOUND_FOLDERS)} of a mirror of the lab's sound bank; for waveforms",
                cohorts=(NAT.cohort,),
                file_set=FileSet(tuple(f"{SOUND_BANK}/{folder}" for folder in SOUND_FOLDERS), sound_names),
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        recording_columns=RECORDING_COLUMNS,
        cohorts=(
            Cohort(
                name=NAT.cohort,
                description="540 neurons at 35 sites, natural sounds of 3 to 4 s, 18-channel spectrograms",
                signal_type="spikes",
                response_dtype="uint8",
                response_unit="spikes per bin",
                spectrogram_unit="as published (ozgf), scale not stated",
                audio_fs=44_100,
                splits=SPLIT,
                baseline=BASELINE,
                counts={"neurons": 540, "recordings": 35, "sound_names": 686},
            ),
            Cohort(
                name=VMN.cohort,
                description="200 neurons in 103 recordings, noise in two bands modulated by vocalisations, 2 envelopes",
                signal_type="spikes",
                response_dtype="uint8",
                response_unit="spikes per bin",
                spectrogram_unit="as published (envelope), scale not stated",
                splits=SPLIT,
                baseline=BASELINE,
                counts={"neurons": 200, "recordings": 103, "sound_names": 75, "sound_names_most_repeated": 35},
            ),
        ),
    )

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory, which may hold one of the two releases only (errors as in the base)."""
        present = [name for name in cls.LANDMARKS if data_dir is not None and (Path(data_dir) / name).is_dir()]
        return RawTree(str(data_dir), cls.CORPUS.name, present) if present else super().open_raw(data_dir)

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: EspejoConfig) -> Sequence[Part]:
        """Return pieces of a few recordings that share no neuron."""
        return list(read_catalogue(raw, RELEASES[cohort.name]).parts())

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: EspejoConfig) -> Sequence[str]:
        """Return the recordings of the release, and the sounds that lie beside them."""
        release = RELEASES[cohort.name]
        sounds = sorted((raw.root / release.sounds).glob("*.wav")) if release.sounds else []
        return [*recording_files(raw, release), *(path.relative_to(raw.root).as_posix() for path in sounds)]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: EspejoConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield the responses of the neurons of a few recordings, stimulus by stimulus."""
        return walk(raw, RELEASES[cohort.name], config, part, log)
