"""When a sound begins in its spectrogram: found by comparing the two.

The documents of the corpus contradict each other. Spectrograms of 20 s are said to have no silence around the sound,
and waveforms to begin 1000 ms after the first bin everywhere; the sounds last 17.79 s. So it is found out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from builders.wingert2026.config import DT_MS

DOCUMENTED_MS = (0.0, 1000.0)
"""Onsets that the documents of the corpus and of deepSTRF 0.1.0 state."""
DEFAULT_MS = 1000.0
"""What deepSTRF 0.1.0 takes for every session."""
SURE = 0.6
"""Correlation from which on the best onset of one sound counts."""
AGREEMENT_BINS = 1
"""Onsets that differ by no more are one: windows of the spectrogram reach over the edges of bins."""
SMEAR_MS = 20.0
"""An onset this near to a documented one is that: the filters of the spectrogram delay and smear."""
FEWEST = 2
"""Sounds of a session that must agree."""


class Onset(NamedTuple):
    """When the sounds of a session begin.

    Parameters
    ----------
    onset_ms : float
        After the first bin, ms.
    n_agreeing, n_sounds : int
        How many sounds tell it, of how many.
    found : bool
        False where they do not agree, and `onset_ms` is what deepSTRF 0.1.0 takes.
    """

    onset_ms: float
    n_agreeing: int
    n_sounds: int
    found: bool


def envelope(samples: NDArray[np.float32], sample_rate_hz: float) -> NDArray[np.float64]:
    """Return the root of the mean square of a sound in bins of 10 ms.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        Sound.
    sample_rate_hz : float
        Samples per second.

    Returns
    -------
    ndarray of float64, shape (bins,)
        Of all whole bins.
    """
    per_bin = sample_rate_hz * DT_MS / 1000
    edges = np.round(np.arange(int(len(samples) / per_bin) + 1) * per_bin).astype(np.int64)
    if len(edges) < 2:
        return np.empty(0)
    power = np.add.reduceat(samples[: edges[-1]].astype(np.float64) ** 2, edges[:-1])
    return np.asarray(np.sqrt(power / np.diff(edges)))


def correlations(spectrogram: NDArray[np.float32], sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate a spectrogram with the envelope of a sound that begins in each of its bins.

    Both are compared as cube roots, so that one loud moment does not decide alone.

    Parameters
    ----------
    spectrogram : ndarray of float32, shape (bands, bins)
        Linear.
    sound : ndarray of float64, shape (sound bins,)
        Envelope of the sound.

    Returns
    -------
    ndarray of float64, shape (bins,)
        Pearson's r of the sum over bands and of silence, the sound from that bin on as far as the spectrogram goes,
        and silence; 0 where one of the two does not vary.
    """
    loudness = np.cbrt(spectrogram.sum(axis=0, dtype=np.float64))
    n_bins = len(loudness)
    template = np.cbrt(sound[:n_bins])
    if not len(template):
        return np.zeros(n_bins)
    deviation = loudness - loudness.mean()
    products = np.correlate(np.pad(deviation, (0, len(template))), template, mode="valid")[:n_bins]
    # Of a sound that begins in bin b, n_bins - b bins are heard at most.
    heard = np.minimum(n_bins - np.arange(n_bins), len(template))
    sums, squares = (np.concatenate([[0.0], np.cumsum(template**power)])[heard] for power in (1, 2))
    spread = np.sqrt(np.maximum(squares - sums**2 / n_bins, 0) * (deviation**2).sum())
    tiny = spread <= 1e-12 * max(1.0, float(spread.max()))
    return np.where(tiny, 0.0, products / np.where(tiny, 1.0, spread))


def session_onset(sounds: Iterable[tuple[NDArray[np.float32], NDArray[np.float64]]]) -> Onset:
    """Find when the sounds of a session begin.

    Parameters
    ----------
    sounds : iterable of (spectrogram, envelope)
        As in `correlations`.

    Returns
    -------
    Onset
        The onset that most sounds agree on, if more than half of them do, and two at least.
    """
    votes = []
    n_sounds = 0
    for spectrogram, sound in sounds:
        n_sounds += 1
        r = correlations(spectrogram, sound)
        if r.max(initial=0.0) >= SURE:
            votes.append(int(r.argmax()))
    if not votes:
        return Onset(DEFAULT_MS, 0, n_sounds, found=False)
    near = np.abs(np.subtract.outer(votes, votes)) <= AGREEMENT_BINS
    agreeing = near.sum(axis=1)
    best = min(range(len(votes)), key=lambda index: (-agreeing[index], votes[index]))
    if agreeing[best] < max(FEWEST, n_sounds // 2 + 1):
        return Onset(DEFAULT_MS, int(agreeing[best]), n_sounds, found=False)
    onset_ms = float(np.median(np.array(votes)[near[best]])) * DT_MS
    nearest = min(DOCUMENTED_MS, key=lambda documented: abs(documented - onset_ms))
    if abs(nearest - onset_ms) <= SMEAR_MS:
        onset_ms = nearest
    return Onset(onset_ms, int(agreeing[best]), n_sounds, found=True)
