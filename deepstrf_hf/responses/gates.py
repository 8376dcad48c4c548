"""Tests that a repeat of an intracellular recording must pass: range, steps, and likeness to the other repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.responses.detrend import running_median

GATES = ("range", "step", "cross_trial")
"""In the order in which they are applied."""
FEWEST_REPEATS = 3
"""Fewer repeats are not compared with each other."""


class Verdict(NamedTuple):
    """What the gates say of one repeat.

    Parameters
    ----------
    rejected_by : str or None
        The first gate that it fails.
    peak_mv : float
        Largest absolute value; NaN for an empty repeat.
    step_fraction : float
        Part of the samples that lie beyond a step; NaN where it was not tested.
    correlation : float
        With the median of the other repeats; NaN where it was not tested.
    """

    rejected_by: str | None
    peak_mv: float
    step_fraction: float
    correlation: float


@dataclass(frozen=True)
class RepeatGates:
    """Thresholds of the three gates; a gate whose threshold is None is off.

    The defaults are those that deepSTRF 0.1.0 publishes for CRCNS AC1 (Rançon et al. 2025, Commun Biol 8:1456).

    Parameters
    ----------
    range_mv : float or None
        A repeat whose largest absolute value exceeds it is rejected. An empty repeat is rejected in any case.
    step_mv : float or None
        With m the running median of the repeat over `step_window_ms`, a repeat is rejected if abs(m - median(m))
        exceeds this in more than `step_fraction` of the samples.
    step_window_ms : float
        Window of that median; a repeat that is shorter is taken as it is, and one of less than 3 samples is not tested.
    step_fraction : float
        See `step_mv`.
    cross_trial_r : float or None
        With three repeats or more, a repeat is rejected if its Pearson correlation with the sample-wise median of the
        others, rejected ones included, is below this. All are cut to the shortest.
    """

    range_mv: float | None = 150.0
    step_mv: float | None = 30.0
    step_window_ms: float = 5.0
    step_fraction: float = 0.005
    cross_trial_r: float | None = 0.05

    def judge(self, repeats: Sequence[NDArray[np.float64]], sample_rate_hz: float) -> list[Verdict]:
        """Test the repeats of one (stimulus, neuron) pair.

        Parameters
        ----------
        repeats : sequence of ndarray of float64, shape (samples,)
            Detrended traces, mV; they may differ in length.
        sample_rate_hz : float
            Rate of all of them, Hz.

        Returns
        -------
        list of Verdict
            One per repeat, in order.
        """
        correlations = [float("nan")] * len(repeats)
        if self.cross_trial_r is not None:
            correlations = correlations_with_others(repeats)
        return [
            self._verdict(repeat, sample_rate_hz, correlation)
            for repeat, correlation in zip(repeats, correlations, strict=True)
        ]

    def _verdict(self, repeat: NDArray[np.float64], sample_rate_hz: float, correlation: float) -> Verdict:
        if not repeat.size:
            return Verdict("range", float("nan"), float("nan"), correlation)
        peak = float(np.abs(repeat).max())
        if self.range_mv is not None and peak > self.range_mv:
            return Verdict("range", peak, float("nan"), correlation)
        fraction = float("nan")
        if self.step_mv is not None:
            fraction = step_fraction(repeat, sample_rate_hz, self.step_window_ms, self.step_mv)
            if fraction > self.step_fraction:
                return Verdict("step", peak, fraction, correlation)
        failed = self.cross_trial_r is not None and correlation < self.cross_trial_r
        return Verdict("cross_trial" if failed else None, peak, fraction, correlation)


def step_fraction(repeat: NDArray[np.float64], sample_rate_hz: float, window_ms: float, step_mv: float) -> float:
    """Return the part of the samples whose running median lies more than `step_mv` from its own median.

    Parameters
    ----------
    repeat : ndarray of float64, shape (samples,)
        Detrended trace, mV.
    sample_rate_hz : float
        Rate, Hz.
    window_ms : float
        Window of the running median, ms.
    step_mv : float
        Size of a step, mV.

    Returns
    -------
    float
        From 0 to 1; NaN for less than 3 samples.
    """
    if repeat.size < 3:
        return float("nan")
    is_short = repeat.size < round(window_ms * sample_rate_hz / 1000)
    median = repeat if is_short else running_median(repeat, window_ms, sample_rate_hz)
    return float(np.mean(np.abs(median - np.median(median)) > step_mv))


def correlations_with_others(repeats: Sequence[NDArray[np.float64]]) -> list[float]:
    """Correlate each repeat with the sample-wise median of all others, cut to the shortest.

    Parameters
    ----------
    repeats : sequence of ndarray of float64, shape (samples,)
        Traces.

    Returns
    -------
    list of float
        Pearson's r, with 1e-12 added to its denominator; NaN with less than 3 repeats or an empty one among them.
    """
    shortest = min((len(repeat) for repeat in repeats), default=0)
    if len(repeats) < FEWEST_REPEATS or not shortest:
        return [float("nan")] * len(repeats)
    stack = np.stack([repeat[:shortest] for repeat in repeats])
    return [_pearson(repeat, others) for repeat, others in zip(stack, _medians_of_others(stack), strict=True)]


def _medians_of_others(stack: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return, for each row, the column-wise median of the other rows, from one partial sort of all of them.

    Without a value x, the value of rank j among the others is the one of rank j among all if x is above that, else the
    one of rank j + 1.
    """
    others = len(stack) - 1
    low, high = (others - 1) // 2, others // 2
    ranks = sorted({low, low + 1, high, high + 1})
    ordered = np.partition(stack, ranks, axis=0)

    def of_others(row: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
        return np.where(row > ordered[rank], ordered[rank], ordered[rank + 1])

    return [(of_others(row, low) + of_others(row, high)) / 2 for row in stack]


def _pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / (np.sqrt((first @ first) * (second @ second)) + 1e-12))
