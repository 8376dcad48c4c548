"""Wingert 2026: ferret auditory cortex, thousands of units at 64 sites, natural sounds (Wingert et al. 2026)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from builders.wingert2026.cells import CELL_LIST
from builders.wingert2026.columns import NEURON_COLUMNS, STIMULUS_COLUMNS
from builders.wingert2026.config import Wingert2026Config
from builders.wingert2026.release import RECORDINGS, archive_files, read_release, select
from builders.wingert2026.session import N_BANDS
from builders.wingert2026.sounds import WAV, wav_files
from builders.wingert2026.walk import walk
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.corpus import Archive, Cohort, Corpus, Licence, Redistribution, Unpack
from deepstrf_hf.features.scaling import LogCompress, ScaleBands
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.published_split import RecordedSplit
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.scaling import ScaleResponses

FILES_URL = "https://zenodo.org/api/records/18331549/files"
BANDS_HZ = (200.0, 20_000.0)
"""Lowest and highest band of the published spectrograms; the others lie between at equal ratios."""


def _cohort(name: str, description: str, counts: Mapping[str, int]) -> Cohort:
    return Cohort(
        name=name,
        description=f"{description}; natural sounds, spikes per 10 ms bin, 32 gammatone bands",
        signal_type="spikes",
        response_dtype="uint8",
        response_unit="spikes per bin",
        spectrogram_unit="linear amplitude of a gammatone filter bank, in the lab's units",
        audio_fs=44_100,
        splits=RecordedSplit(
            {"est": "train", "val": "test"},
            "the lab's names of the sounds: those that begin with 00 are for validation (Wingert et al. 2026)",
        ),
        counts=counts,
        preprocessing=(LogCompress(-1), ScaleBands("recording"), ScaleResponses("response_min", "recording_max")),
        deepstrf_preprocessing=(LogCompress(-1), ScaleBands("tiles", over="cohort"), ScaleResponses()),
        stimulus="reference",
        baseline=LinearBaseline(source="bins and division of Wingert et al. 2026; the library's window"),
        band_ranges={
            "recording": "the whole recording of the session, silence between the sounds included",
            "tiles": "all spectrograms of the session",
        },
    )


def _archive(name: str, md5: str, note: str, **fields: Any) -> Archive:
    """Return a file of the deposit; its MD5 is from the list of somebody who fetched it."""
    return Archive(name, f"{FILES_URL}/{name}/content", checksum=f"md5:{md5}", note=note, **fields)


class Wingert2026(CorpusBuilder):
    """Ferret A1, PEG and other areas, 3259 units, some hundred natural sounds per site."""

    BUILDER_CONFIG_CLASS = Wingert2026Config
    LANDMARKS = (CELL_LIST, RECORDINGS)
    CORPUS = Corpus(
        name="wingert2026",
        title="Wingert 2026: natural sounds in ferret auditory cortex",
        version="1.0.0",
        species="ferret",
        behavioural_state="awake, passive",
        areas=("A1", "PEG", "AC", "HC"),
        hearing_range_hz=(200, 40_000),
        citation="""\
@article{wingert2026convolutional,
  title = {Convolutional neural network models describe the encoding subspace of local circuits in auditory cortex},
  author = {Wingert, Jereme C. and Parida, Satyabrata and Norman-Haignere, Sam V. and David, Stephen V.},
  journal = {Nature Neuroscience}, year = {2026}, doi = {10.1038/s41593-026-02216-0}
}""",
        dois=("10.1038/s41593-026-02216-0", "10.5281/zenodo.18331549"),
        homepage="https://doi.org/10.5281/zenodo.18331549",
        download_size="4.4 GB, sounds 3.7 GB",
        licence=Licence(
            name="open access, licence not verified",
            hub_identifier="unknown",
            url="https://doi.org/10.5281/zenodo.18331549",
            terms="The data can be fetched by anybody; which licence they are under has not been verified. Cite the "
            "paper and the data.",
        ),
        redistribution=Redistribution.UNVERIFIED,
        archives=(
            _archive(
                f"{RECORDINGS}.zip",
                "3c5f5b785bc31f2cab561dfc52fee101",
                "one archive per session, 4.35 GB",
                unpack=Unpack(
                    into=RECORDINGS,
                    strip=(RECORDINGS,),
                    contains={"*.tgz": 68},
                    about_bytes=4_350_000_000,
                    largest_bytes=20_000_000_000,
                    most_members=1000,
                ),
            ),
            _archive(CELL_LIST, "301e93a36f2fc00197e92cf7ef6718c7", "the list of cells, 5.4 MB"),
            _archive(
                f"{WAV}.zip",
                "e8047588ad8b47726ade7621ab17abe8",
                "the sounds, for waveforms, 3.7 GB",
                optional=True,
                waveforms=True,
                unpack=Unpack(
                    into=WAV,
                    strip=(WAV,),
                    contains={"*.wav": None},
                    about_bytes=8_000_000_000,
                    largest_bytes=40_000_000_000,
                    most_members=50_000,
                ),
            ),
        ),
        stimulus_columns=STIMULUS_COLUMNS,
        neuron_columns=NEURON_COLUMNS,
        cohorts=(
            _cohort("a1", "primary auditory cortex", {"neurons": 2128, "sessions": 50}),
            _cohort("peg", "posterior ectosylvian gyrus, a secondary field", {"neurons": 746}),
            _cohort(
                "a1_peg",
                "primary auditory cortex and posterior ectosylvian gyrus, the neurons of the paper",
                {"neurons": 2874, "layer_13": 1046, "layer_44": 744, "layer_56": 1084, "narrow": 477},
            ),
            _cohort("ac", "area AC", {"neurons": 217}),
            _cohort("hc", "area HC", {"neurons": 37}),
            _cohort("unlabeled", "units whose area the list of cells does not tell", {"neurons": 131}),
        ),
    )

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: Wingert2026Config) -> Sequence[Part]:
        """Return one part per session, and one per broken archive that may hold a session that is needed."""
        selection = select(read_release(raw), cohort.name, config)
        return [Part(name) for name in (*selection.sessions, *selection.suspects)]

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: Wingert2026Config) -> Sequence[float]:
        """Return the bands' frequencies as the documents of the corpus state them: 200 Hz to 20 kHz, logarithmic."""
        return np.geomspace(*BANDS_HZ, N_BANDS).tolist()

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: Wingert2026Config) -> Sequence[str]:
        """Return the list of cells, the archives of the sessions that are built, and all sounds."""
        release = read_release(raw)
        sessions = select(release, cohort.name, config).sessions
        archives = [archive for session in sessions for archive in release.sessions[session]]
        return [CELL_LIST, *archive_files(raw, archives), *wav_files(raw).values()]

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: Wingert2026Config, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield one session's recordings, sound by sound."""
        return walk(raw, cohort.name, config, part.name, log)
