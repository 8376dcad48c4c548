"""How good a neuron's responses are: signal power, noise power, and the best correlation a model can reach.

Sahani & Linden 2003, How linear are auditory cortical responses?, NIPS 15; Schoppe et al. 2016, Front Comput Neurosci
10:10, doi 10.3389/fncom.2016.00010.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

CONSTANT = 1e-26
"""Variance of a trial, relative to its squared mean, below which it is constant but for rounding in float64."""


@dataclass
class ResponseQuality:
    """Running sums of one neuron's response statistics over its stimuli.

    Sums of two of these over different stimuli add up to those of all stimuli, whatever the division into parts.

    With R trials of T bins, y_r the response of trial r and V the variance over bins (denominator T - 1):
    TP = mean_r V(y_r), the power of a single trial; VM = V(mean_r y_r), the power of the trial mean;
    signal power SP = (R VM - TP) / (R - 1) (Sahani & Linden 2003, eq. 1); noise power NP = TP - SP.
    All are averaged over stimuli, weighted by T.
    """

    n_stimuli: int = 0
    n_trials: int = 0
    values: int = 0
    total: float = 0.0
    smallest: float = math.inf
    largest: float = -math.inf
    weight: float = 0.0
    signal_power_sum: float = 0.0
    noise_power_sum: float = 0.0
    mean_power_sum: float = 0.0

    def add(self, response: NDArray[Any]) -> None:
        """Take in the response to one stimulus.

        Parameters
        ----------
        response : ndarray, shape (trials, bins)
            NaN is a missing sample. Signal and noise power use the bins where no trial is missing, and need two
            trials and two bins.
        """
        trials, bins = response.shape
        self.n_stimuli += 1
        self.n_trials += trials
        if response.dtype.kind == "f":
            finite = np.isfinite(response)
            self.values += int(finite.sum())
            self.total += float(response.sum(where=finite, dtype=np.float64))
            self._stretch(response.min(where=finite, initial=math.inf), response.max(where=finite, initial=-math.inf))
            response = response[:, finite.all(axis=0)]
            bins = response.shape[1]
        else:
            self.values += response.size
            self.total += float(response.sum(dtype=np.float64))
            self._stretch(response.min(), response.max())
        if trials < 2 or bins < 2:
            return
        single = response.var(axis=1, ddof=1, dtype=np.float64).mean()
        of_mean = response.mean(axis=0, dtype=np.float64).var(ddof=1)
        signal = (trials * of_mean - single) / (trials - 1)
        self.weight += bins
        self.signal_power_sum += float(bins * signal)
        self.noise_power_sum += float(bins * (single - signal))
        self.mean_power_sum += float(bins * of_mean)

    def merge(self, other: ResponseQuality) -> None:
        """Take in the sums of another part."""
        self.n_stimuli += other.n_stimuli
        self.n_trials += other.n_trials
        self.values += other.values
        self.total += other.total
        self.weight += other.weight
        self.signal_power_sum += other.signal_power_sum
        self.noise_power_sum += other.noise_power_sum
        self.mean_power_sum += other.mean_power_sum
        self._stretch(other.smallest, other.largest)

    def _stretch(self, smallest: Any, largest: Any) -> None:
        self.smallest, self.largest = min(self.smallest, float(smallest)), max(self.largest, float(largest))

    def columns(self) -> Mapping[str, int | float | None]:
        """Return the coverage and quality columns of the neurons table.

        Returns
        -------
        mapping
            ``snr`` = SP / NP. ``ccmax`` = sqrt(SP / VM), the highest correlation with the trial mean (Schoppe et al.
            2016, eq. 8), at most 1 and None where SP <= 0. Powers are None without a stimulus heard twice.
        """
        coverage: dict[str, int | float | None] = {
            "n_stimuli": self.n_stimuli,
            "n_trials": self.n_trials,
            "mean_response": self.total / self.values if self.values else None,
            "response_min": self.smallest if self.values else None,
            "response_max": self.largest if self.values else None,
        }
        if not self.weight:
            return coverage | dict.fromkeys(("signal_power", "noise_power", "snr", "ccmax"))
        signal, noise = self.signal_power_sum / self.weight, self.noise_power_sum / self.weight
        of_mean = self.mean_power_sum / self.weight
        return coverage | {
            "signal_power": signal,
            "noise_power": noise,
            "snr": signal / noise if noise > 0 else None,
            "ccmax": min(1.0, float(np.sqrt(signal / of_mean))) if signal > 0 else None,
        }


def qualities_of_counts(counts: NDArray[np.integer]) -> list[ResponseQuality]:
    """Return what `ResponseQuality.add` makes of each of many responses of one shape.

    Parameters
    ----------
    counts : ndarray of int, shape (pairs, trials, bins)
        Whole numbers, so that none is missing.

    Returns
    -------
    list of ResponseQuality
        One per pair.
    """
    pairs, trials, bins = counts.shape
    total = counts.sum(axis=(1, 2), dtype=np.float64)
    smallest, largest = counts.min(axis=(1, 2)), counts.max(axis=(1, 2))
    sums = np.zeros((3, pairs))
    has_power = trials > 1 and bins > 1
    if has_power:
        single = counts.var(axis=2, ddof=1, dtype=np.float64).mean(axis=1)
        of_mean = counts.mean(axis=1, dtype=np.float64).var(axis=1, ddof=1)
        signal = (trials * of_mean - single) / (trials - 1)
        sums = bins * np.stack([signal, single - signal, of_mean])
    weight = float(bins) if has_power else 0.0
    columns = (total.tolist(), smallest.astype(float).tolist(), largest.astype(float).tolist(), *sums.tolist())
    return [
        ResponseQuality(1, trials, trials * bins, of_all, low, high, weight, *powers)
        for of_all, low, high, *powers in zip(*columns, strict=True)
    ]


class Powers(NamedTuple):
    """Power of the signal, of the noise and of the trial mean, as in `ResponseQuality`; one value per pair."""

    signal: NDArray[np.float64]
    noise: NDArray[np.float64]
    of_mean: NDArray[np.float64]


def trial_covariance(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the covariance of trials over the bins where none is missing.

    All that signal power, noise power and half-splits need is in it.

    Parameters
    ----------
    values : ndarray, shape (pairs, trials, bins)
        Responses; NaN is a missing sample.

    Returns
    -------
    covariance : ndarray of float64, shape (pairs, trials, trials)
        Denominator bins - 1; NaN where fewer than two bins are left. Exactly 0 for a constant trial.
    bins : ndarray of int64, shape (pairs,)
        Bins used.
    """
    pairs, trials, all_bins = values.shape
    values = values.astype(np.float64)
    used = np.isfinite(values).all(axis=1)
    bins = np.full(pairs, all_bins) if used.all() else used.sum(axis=1)
    if not used.all():  # what is zero here and after centring adds nothing to any sum
        values = np.where(used[:, None, :], values, 0)
    mean = values.sum(axis=2, keepdims=True) / np.maximum(bins, 1)[:, None, None]
    values -= mean
    if not used.all():
        values *= used[:, None, :]
    freedom = np.where(bins > 1, bins - 1, np.nan)[:, None, None]
    covariance = values @ values.transpose(0, 2, 1) / freedom
    constant = np.einsum("prr->pr", covariance) <= CONSTANT * mean[:, :, 0] ** 2
    covariance[constant] = 0
    covariance.transpose(0, 2, 1)[constant] = 0
    return covariance, bins


def powers(covariance: NDArray[np.float64]) -> Powers:
    """Return the powers of pairs whose trials have this covariance, shape (pairs, trials, trials).

    The mean of the diagonal is TP, the mean of all entries VM (see `ResponseQuality`).
    """
    trials = covariance.shape[1]
    single = np.einsum("prr->p", covariance) / trials
    of_mean = covariance.sum(axis=(1, 2)) / trials**2
    signal = (trials * of_mean - single) / (trials - 1)
    return Powers(signal, single - signal, of_mean)
