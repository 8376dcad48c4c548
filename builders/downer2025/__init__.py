"""Downer 2025: squirrel monkey auditory cortex, multi-units, spoken sentences and calls (Ahmed et al. 2025)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from builders.downer2025.columns import NEURON_COLUMNS, STIMULUS_COLUMNS
from builders.downer2025.config import Downer2025Config
from builders.downer2025.members import needed_members
from builders.downer2025.release import SESSIONS, metadata_file, read_release
from builders.downer2025.stimuli import CLASSES, SPLIT
from builders.downer2025.walk import walk
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Corpus, Licence, Redistribution, Unpack
from deepstrf_hf.features.compression import LogFloored, StandardizeBands
from deepstrf_hf.features.kaldi import SMALLEST_ENERGY
from deepstrf_hf.linear_baseline import LinearBaseline, PublishedScore
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.preprocessing import HanningSmooth
from deepstrf_hf.where import Where

RECORD_URL = "https://zenodo.org/api/records/16175377"
INNER_DIRECTORY = "auditory_cortex_data"
"""What the archive unpacks to; the directory that holds it is as good."""
TUNED = {name: f"listed_well_tuned_{name}" for name in CLASSES}
"""Columns of the channels that deepSTRF 0.1.0 lists as well tuned."""
PUBLISHED = {
    "timit": (
        PublishedScore(
            "cc_norm of a ridge STRF, well-tuned channels",
            0.53,
            "documents of deepSTRF",
            "bins and lags are not stated; 0.40 with too long a Fourier window",
            group=TUNED["timit"],
        ),
    )
}
KALDI = (LogFloored(SMALLEST_ENERGY, "clip"), StandardizeBands("n_frames"))


def _cohort(
    name: str, description: str, counts: Mapping[str, int], forbidden: Redistribution | None = None, terms: str = ""
) -> Cohort:
    return Cohort(
        name=name,
        description=f"{description}; threshold crossings per 5 ms bin, 80 mel bands",
        signal_type="spikes",
        response_dtype="uint8",
        response_unit="threshold crossings per bin",
        spectrogram_unit="linear energy of a Kaldi mel filter bank, samples of 16 bits",
        audio_fs=16_000,
        splits=SPLIT,
        counts=counts,
        preprocessing=KALDI,
        deepstrf_preprocessing=(*KALDI, HanningSmooth(21)),
        stimulus="reference",
        audio_redistribution=forbidden,
        audio_terms=terms,
        baseline=LinearBaseline(
            window_ms=200.0,
            bin_ms=20.0,
            by="area_group",
            scored=TUNED[name],
            source="bins of 20 ms and division of Ahmed et al. 2025; the library's window",
            published=PUBLISHED.get(name, ()),
        ),
    )


class Downer2025(CorpusBuilder):
    """Squirrel monkey auditory cortex, 1718 multi-units, 499 sentences and 303 calls."""

    BUILDER_CONFIG_CLASS = Downer2025Config
    LANDMARKS = (SESSIONS, "stimuli")
    CORPUS = Corpus(
        name="downer2025",
        title="Downer 2025: sentences and calls in squirrel monkey auditory cortex",
        version="1.0.0",
        species="squirrel monkey",
        behavioural_state="awake, passive",
        areas=("A1", "R", "CL", "ML", "AL", "CPB", "RPB"),
        hearing_range_hz=(250, 43_000),
        citation="""\
@article{ahmed2025auditory,
  author = {Ahmed, Bilal and Downer, Joshua D. and Malone, Brian J. and Makin, Joseph G.},
  journal = {PLOS Computational Biology}, year = {2025}, volume = {21}, number = {8}, pages = {e1013334},
  doi = {10.1371/journal.pcbi.1013334}
}
@article{downer2021,
  author = {Downer, Joshua D. and Bigelow, James and Runfeldt, Melissa J. and Malone, Brian J.},
  journal = {Journal of Neurophysiology}, year = {2021}, doi = {10.1152/jn.00709.2020}
}""",
        dois=("10.1371/journal.pcbi.1013334", "10.1152/jn.00709.2020", "10.5281/zenodo.16175377"),
        homepage="https://doi.org/10.5281/zenodo.16175377",
        download_size="29 GB",
        licence=Licence(
            name="CC BY 4.0",
            hub_identifier="cc-by-4.0",
            url="https://creativecommons.org/licenses/by/4.0/",
            terms="Cite the paper and the data. The sentences are of the TIMIT corpus (LDC93S1), whose sound may not "
            "be handed on.",
        ),
        redistribution=Redistribution.PERMITTED,
        archives=(
            Archive(
                f"{INNER_DIRECTORY}.zip",
                f"{RECORD_URL}/files/{INNER_DIRECTORY}.zip/content",
                note="29 GB; the sessions and sounds that a build needs are read out of it where the server allows it",
                remote_members=True,
                unpack=Unpack(
                    into=INNER_DIRECTORY,
                    strip=(INNER_DIRECTORY,),
                    contains={
                        "session*_metadata.yml": 1,
                        f"{SESSIONS}/*/*_MUsp*.mat": 1718,
                        **{file: 1 for of_class in CLASSES.values() for file in of_class.files},
                    },
                    of_cohorts={file: (name,) for name, of_class in CLASSES.items() for file in of_class.files},
                    about_bytes=29_000_000_000,
                    largest_bytes=120_000_000_000,
                    most_members=20_000,
                    elsewhere=("",),
                ),
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        cohorts=(
            _cohort(
                "timit",
                "spoken sentences of TIMIT, 10 of them presented 11 times",
                {
                    "neurons": 1718, "stimuli": 499, "rows": 857_282, "sessions": 41,
                    "core": 909, "non_primary": 809, "a1": 813, "monkey_b": 212,
                },
                Redistribution.FORBIDDEN,
                "Sentences are of TIMIT (LDC93S1), which the Linguistic Data Consortium licenses to its users: the "
                "sound stays out of public repositories; spectrograms and responses may be there.",
            ),
            _cohort(
                "mvocs",
                "calls of squirrel monkeys, 11 of them presented 15 times",
                {"stimuli": 303, "rows": 482_982, "sessions": 39},
            ),
        ),
    )  # fmt: skip

    @classmethod
    def open_raw(cls, data_dir: str | None) -> RawTree:
        """Open the raw directory, or the one above it (errors as in the base)."""
        inner = Path(data_dir or "") / INNER_DIRECTORY
        return super().open_raw(str(inner) if data_dir is not None and inner.is_dir() else data_dir)

    @classmethod
    def archive_members(cls, archive: Archive, cohorts: Sequence[str], where: Where) -> Callable[[str], bool] | None:
        """Return which sounds and sessions are needed; None for all of them."""
        return needed_members(cohorts, where)

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Downer2025Config) -> Sequence[Part]:
        """Return one part per session with a channel that may be kept."""
        sessions = read_release(raw).sessions.values()
        return [Part(one.name) for one in sessions if any(channel.may_be_kept(config) for channel in one.channels)]

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: Downer2025Config) -> Sequence[float]:
        """Return the frequency at which each band is most sensitive."""
        return config.filter_bank().centres_hz

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Downer2025Config) -> Sequence[str]:
        """Return the metadata of sessions, the files of the stimuli, and those of the channels that may be kept."""
        sessions = read_release(raw).sessions.values()
        channels = [channel.file for one in sessions for channel in one.channels if channel.may_be_kept(config)]
        return [metadata_file(raw), *CLASSES[cohort.name].files, *channels]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: Downer2025Config, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield one session's recordings, stimulus by stimulus."""
        return walk(raw, config, part.name, log)
