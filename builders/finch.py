"""What the declarations of the Theunissen lab share: the cohort (AA1, AA2 and AA4) and the walk (AA1 and AA2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.corpus import Cohort
from deepstrf_hf.features.mel import mel_band_frequencies
from deepstrf_hf.formats.theunissen import SAMPLE_RATE_HZ
from deepstrf_hf.formats.theunissen_corpus import FinchConfig, Release, walk
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from deepstrf_hf.responses.preprocessing import HanningSmooth

FINCH_BASELINE = LinearBaseline(
    window_ms=100.0,
    bin_ms=5.0,
    stratify=("type",),
    source="the library's choice; no division is published with the recordings",
)
"""Bins of 1 ms are finer than the smoothing of 21 ms that papers apply."""


def finch_cohort(
    description: str,
    counts: Mapping[str, int],
    *,
    stimulus: str,
    audio_fs: int = SAMPLE_RATE_HZ,
    baseline: LinearBaseline = FINCH_BASELINE,
) -> Cohort:
    """Return the one cohort of a release: all its cells, spike counts on mel spectrograms.

    Parameters
    ----------
    description, counts, stimulus, audio_fs, baseline
        As in `Cohort`.
    """
    return Cohort(
        name="all",
        description=description,
        signal_type="spikes",
        response_dtype="uint8",
        response_unit="spikes per bin",
        spectrogram_unit="cube root of power (samples are ±1 at full scale), unless compression says otherwise",
        audio_fs=audio_fs,
        counts=counts,
        preprocessing=(HanningSmooth(21.0),),
        deepstrf_preprocessing=(HanningSmooth(21.0),),
        stimulus=stimulus,
        baseline=baseline,
    )


class FinchWalk:
    """The coded half of a builder whose tree is read by `read_release`; to be inherited before `CorpusBuilder`."""

    read_release: ClassVar[Callable[[RawTree], Release]]
    """What lists the raw tree, as a static method."""

    @classmethod
    def parts(cls, raw: RawTree, cohort: Cohort, config: FinchConfig) -> Sequence[Part]:
        """Return runs of sounds of one class."""
        return cls.read_release(raw).parts()

    @classmethod
    def band_frequencies_hz(cls, cohort: Cohort, config: FinchConfig) -> Sequence[float]:
        """Return the frequencies at the peaks of the mel filters."""
        return mel_band_frequencies(SAMPLE_RATE_HZ, config.n_bands).tolist()

    @classmethod
    def raw_files(cls, raw: RawTree, cohort: Cohort, config: FinchConfig) -> Sequence[str]:
        """Return the stim and spike files, and the sounds that were heard."""
        return cls.read_release(raw).raw_files(config)

    @classmethod
    def recordings(
        cls, raw: RawTree, cohort: Cohort, config: FinchConfig, part: Part, log: BuildLog
    ) -> Iterator[Recording]:
        """Yield all cells' responses to a run of sounds."""
        return walk(cls.read_release(raw), config, part, log)
