"""Alice EEG: the first chapter of Alice in Wonderland, heard by 33 people (Bhattasali et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builders.alice_eeg.columns import NEURON_COLUMNS, RECORDING_COLUMNS, STIMULUS_COLUMNS
from builders.alice_eeg.config import AliceEegConfig
from builders.alice_eeg.release import RECORDING, STIMULI, WORDS, read_release
from builders.alice_eeg.segments import band_centres
from builders.alice_eeg.subject import AREA
from builders.alice_eeg.walk import chosen_subjects, walk
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Corpus, Licence, Redistribution, Unpack
from deepstrf_hf.features.compression import LogFloored
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording

LOGARITHM = LogFloored(1e-8, "add")
SUBJECTS = "eeg"
"""Folder of the subjects in each archive."""


def _archive(name: str, bitstream: str, md5: str, note: str, unpack: Unpack) -> Archive:
    url = f"https://drum.lib.umd.edu/bitstreams/{bitstream}/download"
    return Archive(name, url, checksum=f"md5:{md5}", note=note, unpack=unpack)


def _recordings(shard: str) -> Unpack:
    """Return where the subjects of an archive go; nobody has published which of the 33 are in which of the three."""
    return Unpack(
        into=shard,
        strip=(SUBJECTS,),
        contains={f"S*/S*{RECORDING}": None},
        about_bytes=1_000_000_000,
        largest_bytes=10_000_000_000,
        most_members=1000,
        elsewhere=(f"{shard}/{SUBJECTS}", SUBJECTS, ""),
    )


class AliceEeg(CorpusBuilder):
    """EEG of 33 people, 61 channels, twelve segments of an audiobook (Brennan & Hale 2019; Brodbeck et al. 2023)."""

    BUILDER_CONFIG_CLASS = AliceEegConfig
    LANDMARKS = (STIMULI,)
    CORPUS = Corpus(
        name="alice_eeg",
        title="Alice EEG: the first chapter of Alice in Wonderland",
        version="1.0.0",
        species="human",
        behavioural_state="awake, listening",
        areas=(AREA,),
        hearing_range_hz=(20, 20_000),
        citation="""\
@inproceedings{bhattasali2020alice,
  title = {The Alice Datasets: {fMRI} \\& {EEG} Observations of Natural Language Comprehension},
  author = {Bhattasali, Shohini and Brennan, Jonathan and Luh, Wen-Ming and Franzluebbers, Berta and Hale, John},
  booktitle = {Proceedings of the Twelfth Language Resources and Evaluation Conference}, pages = {120--125},
  year = {2020}
}
@article{brennan2019hierarchical,
  title = {Hierarchical structure guides rapid linguistic predictions during naturalistic listening},
  author = {Brennan, Jonathan R. and Hale, John T.},
  journal = {PLoS ONE}, volume = {14}, number = {1}, pages = {e0207741}, year = {2019},
  doi = {10.1371/journal.pone.0207741}
}
@article{brodbeck2023eelbrain,
  title = {Eelbrain, a {Python} toolkit for time-continuous analysis with temporal response functions},
  author = {Brodbeck, Christian and Das, Proloy and Gillis, Marlies and Kulasingham, Joshua P. and Bhattasali, Shohini
            and Gaston, Phoebe and Resnik, Philip and Simon, Jonathan Z.},
  journal = {eLife}, volume = {12}, pages = {e85012}, year = {2023}, doi = {10.7554/eLife.85012}
}""",
        dois=("10.1371/journal.pone.0207741", "10.7554/eLife.85012", "10.13016/pulf-lndn", "10.7302/Z29C6VNH"),
        homepage="https://doi.org/10.13016/pulf-lndn",
        download_size="2.7 GB",
        licence=Licence(
            name="CC BY 4.0",
            hub_identifier="cc-by-4.0",
            url="https://creativecommons.org/licenses/by/4.0/",
            terms="The data may be used and handed on if the papers and the data sets (the original one, doi "
            "10.7302/Z29C6VNH, and the restructured one, doi 10.13016/pulf-lndn) are cited and changes are named.",
        ),
        redistribution=Redistribution.PERMITTED,
        archives=(
            _archive(
                "eeg.0.zip",
                "264ca110-f7f4-4fd5-9b00-896102b841ad",
                "d63d96a6e5080578dbf71320ddbec0a0",
                "recordings, first part",
                _recordings("eeg.0"),
            ),
            _archive(
                "eeg.1.zip",
                "bef532d8-cf74-4b9d-9b4c-5c1f81610ce9",
                "bdc65f168db4c0f19bb0fed20eae129b",
                "recordings, second part",
                _recordings("eeg.1"),
            ),
            _archive(
                "eeg.2.zip",
                "25fc51ae-d1fa-4094-85af-65dd4cf30251",
                "3fb33ca1c4640c863a71bddd45006815",
                "recordings, third part",
                _recordings("eeg.2"),
            ),
            _archive(
                "stimuli.zip",
                "df241468-26ee-42df-b27f-3f438cfc5a3f",
                "4336a47bef7d3e63239c40c0623dc186",
                "sounds and words; about 2.5 GiB with the recordings",
                Unpack(
                    into=STIMULI,
                    strip=(STIMULI,),
                    contains={"*.wav": 12, WORDS.removeprefix(f"{STIMULI}/"): 1},
                    about_bytes=65_000_000,
                    largest_bytes=1_000_000_000,
                    most_members=200,
                ),
            ),
        ),  # fmt: skip
        raw_counts={f"**/S*{RECORDING}": 33},
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        recording_columns=RECORDING_COLUMNS,
        cohorts=(
            Cohort(
                name="all",
                description="33 subjects, 61 EEG channels each; 12 segments of an audiobook, 12 minutes in all, once",
                signal_type="eeg",
                response_dtype="float32",
                response_unit="V",
                spectrogram_unit="linear: power (gaussian) or RMS amplitude (heeris) of samples that are ±1 at full "
                "scale",
                audio_fs=44_100,
                counts={
                    "subjects": 33,
                    "channels": 33 * 61,
                    "bad_channels": 234,
                    "neurons": 33 * 61 - 234,
                    "subjects_without_segment_1": 4,
                    "stimuli": 12,
                    "rows": 21_136,
                },
                preprocessing=(LOGARITHM,),
                deepstrf_preprocessing=(LOGARITHM,),
                stimulus="reference",
                baseline=LinearBaseline(window_ms=500.0, by="subject", source="the library's choice"),
            ),
        ),
    )

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: AliceEegConfig) -> Sequence[Part]:
        """Return one part per subject."""
        return [Part(name) for name in chosen_subjects(read_release(raw), config)]

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: AliceEegConfig) -> Sequence[float]:
        """Return the centre of each band."""
        return band_centres(config.settings).tolist()

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: AliceEegConfig) -> Sequence[str]:
        """Return the subjects' recordings, the sounds, and the word table."""
        release = read_release(raw)
        return [*chosen_subjects(release, config).values(), *release.sounds.values(), WORDS]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: AliceEegConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield one subject's responses, segment by segment."""
        return walk(raw, config, part.name, log)
