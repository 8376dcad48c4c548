"""What a corpus builder yields: a stimulus, a neuron, and the neuron's response to the stimulus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Stimulus:
    """One sound.

    Build it once and use the same object for all neurons that heard it: it is encoded once per object.

    Parameters
    ----------
    stim_id : str
        Stable name, unique in the corpus, made from the lab's own names.
    spectrogram : ndarray of float32, shape (bands, bins)
        Lowest band first, on the bins of the responses.
    metadata : mapping
        Values of the corpus's stimulus columns, without the ``stim_`` prefix; absent values are None or left out.
    waveform : ndarray, shape (samples,) or (samples, channels), optional
        Sound pressure as recorded: integer PCM, or floating point of any range.
    sample_rate_hz : float, optional
        True sampling rate of the waveform, Hz; need not be an integer.
    audio_onset_ms : float
        When the waveform begins after the first bin does, ms: where responses begin with silence, how long that is;
        negative where the waveform began before.
    subset : str, optional
        The lab's own word for the division the stimulus belongs to, where the cohort declares a `RecordedSplit`; None
        where sites differ, and each recording says it.
    band_ranges : mapping of str to ndarray of float32, shape (bands, 2)
        Low and high of each band for every range that the cohort declares.
    """

    stim_id: str
    spectrogram: NDArray[np.float32]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    waveform: NDArray[Any] | None = None
    sample_rate_hz: float | None = None
    audio_onset_ms: float = 0.0
    subset: str | None = None
    band_ranges: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Neuron:
    """One neuron, recording channel or (subject, electrode) pair.

    Parameters
    ----------
    neuron_id : str
        Stable name, unique in the corpus, made from the lab's own names.
    metadata : mapping
        Values of the corpus's neuron columns, without the ``neuron_`` prefix; absent values are None or left out.
    """

    neuron_id: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Recording:
    """The response of one neuron to one stimulus.

    Parameters
    ----------
    stimulus : Stimulus
        What was heard.
    neuron : Neuron
        Who heard it.
    response : ndarray, shape (trials, bins)
        Least processed values on the bins of the spectrogram: spike counts, mV or V. NaN is a missing sample.
    metadata : mapping
        Values of the corpus's recording columns, without the ``recording_`` prefix; absent values are None or left out.
    subset : str, optional
        The lab's own word for the division this recording belongs to, where it is not that of the stimulus everywhere.
    """

    stimulus: Stimulus
    neuron: Neuron
    response: NDArray[Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    subset: str | None = None


@dataclass(frozen=True)
class Part:
    """A piece of a cohort that is built by itself: a site, an animal, a session, a run of stimuli.

    Parameters
    ----------
    name : str
        Unique in the cohort. Parts are numbered in the order the builder lists them.
    split : str, optional
        The split all its recordings belong to, where that is known beforehand.
    n_stimuli : int, optional
        How many stimuli it has, where that is known beforehand; for the progress bar.
    """

    name: str
    split: str | None = None
    n_stimuli: int | None = field(default=None, compare=False)
