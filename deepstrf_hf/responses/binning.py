"""Spike times to counts per bin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

EDGE_TOLERANCE_MS = 1e-6
"""A time this close to the edge between two bins lies on it, ms: far below a sample, far above rounding error."""


class BinnedSpikes(NamedTuple):
    """Counts of `bin_spikes`.

    Parameters
    ----------
    counts : ndarray of int64, shape (trials, bins)
        Spikes per bin.
    before : int
        Spikes before the first bin, left out.
    after : int
        Spikes after the last bin, left out.
    """

    counts: NDArray[np.int64]
    before: int
    after: int


def bin_spikes(
    times_ms: NDArray[np.float64], trials: NDArray[np.integer], n_trials: int, n_bins: int, dt_ms: float
) -> BinnedSpikes:
    """Count spikes per bin: a spike at time t falls into bin floor(t / dt), and every spike counts.

    A time within `EDGE_TOLERANCE_MS` of an edge is on it: 0.3 ms falls into bin 3 of 0.1 ms, though 0.3 / 0.1 < 3 in
    floating point.

    Parameters
    ----------
    times_ms : ndarray of float64, shape (spikes,)
        Spike times from stimulus onset, ms, in any order.
    trials : ndarray of int, shape (spikes,)
        Trial of each spike, from 0.
    n_trials, n_bins : int
        Shape of the result; a trial without spikes is a trial.
    dt_ms : float
        Bin width, ms.

    Returns
    -------
    BinnedSpikes
        The counts, and how many spikes lay outside the bins.

    Raises
    ------
    ParameterError
        A bin width that is not positive.
    """
    if not dt_ms > 0:
        raise ParameterError("A bin width must be positive", field="dt_ms", found=dt_ms, expected="> 0 ms")
    edges = np.round(times_ms / dt_ms)
    on_edge = np.abs(times_ms - edges * dt_ms) < EDGE_TOLERANCE_MS
    bins = np.where(on_edge, edges, np.floor(times_ms / dt_ms)).astype(np.int64)
    before, after = bins < 0, bins >= n_bins
    inside = ~(before | after)
    flat = trials[inside].astype(np.int64) * n_bins + bins[inside]
    counts = np.bincount(flat, minlength=n_trials * n_bins).reshape(n_trials, n_bins)
    return BinnedSpikes(counts, int(before.sum()), int(after.sum()))


def bin_spikes_one_per_ms(
    times_ms: NDArray[np.float64], trials: NDArray[np.integer], n_trials: int, n_bins: int, dt_ms: float
) -> BinnedSpikes:
    """Count milliseconds that hold a spike, the rule of deepSTRF 0.1.0, for comparison with scores published with it.

    Times are rounded to whole milliseconds (half to even), spikes that meet in one millisecond are one, and
    millisecond k falls into bin k // dt. Spikes are lost: 2.6 % of those of NS1.

    Parameters, returns and errors as in `bin_spikes`; `dt_ms` must be a whole number.
    """
    if dt_ms != int(dt_ms):
        raise ParameterError(
            "Counting one spike per millisecond needs whole milliseconds", field="dt_ms", found=dt_ms, expected="1, 2 …"
        )
    length = n_bins * int(dt_ms)
    milliseconds = np.round(times_ms)
    inside = (milliseconds >= 0) & (milliseconds < length)
    occupied = np.unique(trials[inside].astype(np.int64) * length + milliseconds[inside].astype(np.int64))
    merged = (occupied // length).astype(np.int64), (occupied % length).astype(np.float64)
    counts = bin_spikes(merged[1], merged[0], n_trials, n_bins, dt_ms).counts
    return BinnedSpikes(counts, int((milliseconds < 0).sum()), int((milliseconds >= length).sum()))
