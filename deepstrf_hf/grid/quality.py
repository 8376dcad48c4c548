"""How good the responses of every neuron of a grid are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.responses.half_splits import HalfSplits, spearman_brown_ceiling, split_correlation
from deepstrf_hf.responses.quality import powers, trial_covariance

if TYPE_CHECKING:
    from deepstrf_hf.grid.dataset import NeuralDataset
    from deepstrf_hf.grid.storage import Rows

Float = NDArray[np.float64]

QUALITIES = ("signal_power", "noise_power", "snr", "ccmax_hsu", "ccmax_schoppe", "ccmax")
"""What `compute_quality` returns, in order."""
CEILINGS = ("hsu", "schoppe")
VALUES_AT_ONCE = 2**20
"""Samples worked on together; bounds the memory beside that of one stimulus."""
NO_NOISE = 1e-12
"""Noise power, relative to the power of a single trial, below which trials are the same but for rounding."""


def compute_quality(
    dataset: NeuralDataset,
    *,
    max_half_splits: int = 126,
    half_splits: str = "random",
    seed: int = 0,
    ccmax: str = "hsu",
    ccmax_without_repeats: float = math.nan,
    responses: str = "preprocessed",
) -> dict[str, Float]:
    """Estimate signal power, noise power and noise ceiling of every neuron, over all stimuli of the grid.

    Selections do not matter. Of each (stimulus, neuron) pair, trials without any value are dropped, and the bins where
    no remaining trial has a missing sample are used; a pair counts with two trials and two bins at least. All six
    numbers weight stimuli by their bins. Memory is bounded by the responses to one stimulus.

    Parameters
    ----------
    dataset : NeuralDataset
        The grid.
    max_half_splits : int
        Half-splits at most per pair.
    half_splits : str
        ``"random"``: drawn evenly from all, none twice; all where there are no more. ``"first"``: the first in
        lexicographic order, as deepSTRF 0.1.0 takes them. See `HalfSplits`.
    seed : int
        Of the random half-splits.
    ccmax : str
        Which of the two ceilings ``ccmax`` is: ``"hsu"`` or ``"schoppe"``.
    ccmax_without_repeats : float
        The ceilings of neurons that no stimulus was repeated for. deepSTRF says 1, so that a correlation divided by
        the ceiling is the correlation itself.
    responses : str
        ``"preprocessed"``: as the grid hands them out. ``"stored"``: as recorded. Smoothing in time takes more out
        of noise than out of slower signals and so raises all ratios; compare corpora on stored responses.

    Returns
    -------
    dict of str to ndarray of float64, shape (neurons,)
        ``signal_power``, ``noise_power``: of Sahani & Linden 2003 (formulas at `ResponseQuality`); signal power is
        not biased and may be negative where there is little. ``snr``: their ratio; infinite where trials do not differ,
        0 for a neuron that never responds. ``ccmax_hsu``: ceiling from the mean correlation rho of half-splits, per
        stimulus sqrt(2 rho / (1 + rho)) (Hsu, Borst & Theunissen 2004); a split with a constant half does not count,
        nor does a stimulus with rho <= 0 or without any split that counts. ``ccmax_schoppe``: sqrt(SP / VM), at most
        1 (Schoppe et al. 2016); NaN where the signal power is not positive. ``ccmax``: the one chosen. NaN wherever
        no pair counts.

    Raises
    ------
    ParameterError
        An argument that cannot be used.
    """
    for field, value, known in (
        ("ccmax", ccmax, CEILINGS),
        ("responses", responses, ("preprocessed", "stored")),
    ):
        if value not in known:
            raise ParameterError(
                f"Unknown choice of {field}", field=field, found=repr(value), expected=" or ".join(map(repr, known))
            )
    splits_of = lru_cache(maxsize=None)(HalfSplits(max_half_splits, half_splits, seed).of)
    sums = _Sums(dataset.N_neurons)
    for item in dataset.responses:
        for neurons, values in _repeats(item.rows(), responses == "stored"):
            sums.repeated[neurons] = True
            covariance, bins = trial_covariance(values)
            counts = bins > 1
            if not counts.all():
                neurons, covariance, bins = neurons[counts], covariance[counts], bins[counts]
            sums.add_powers(neurons, covariance, bins)
            sums.add_ceiling(neurons, split_correlation(covariance, splits_of(covariance.shape[1])), bins)
    return sums.qualities(ccmax, ccmax_without_repeats)


def _repeats(rows: Rows, stored: bool) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Yield pairs of one stimulus that have equally many trials, two at least: neurons, (pairs, trials, bins)."""
    if len(rows.neuron) == 0 or np.bincount(rows.neuron).max() < 2:
        return
    if stored:
        values: NDArray[Any] = rows.stored
    else:
        values = np.empty(rows.stored.shape, np.float32)
        for which, block in rows.blocks():
            values[which] = block
    present = np.flatnonzero(np.isfinite(values).any(axis=1))
    present = present[np.lexsort((rows.trial[present], rows.neuron[present]))]
    neurons, begin, trials = np.unique(rows.neuron[present], return_index=True, return_counts=True)
    for count in np.unique(trials[trials > 1]):
        pairs = np.flatnonzero(trials == count)
        step = max(1, VALUES_AT_ONCE // int(count * max(values.shape[1], count)))
        for start in range(0, len(pairs), step):
            part = pairs[start : start + step]
            yield neurons[part], values[present[begin[part, None] + np.arange(count)]]


class _Sums:
    """Sums over stimuli, weighted by their bins, one per neuron."""

    def __init__(self, n_neurons: int) -> None:
        self.repeated = np.zeros(n_neurons, bool)
        self.bins, self.signal, self.noise, self.of_mean = np.zeros((4, n_neurons))
        self.ceiling_bins, self.ceiling = np.zeros((2, n_neurons))

    def add_powers(self, neurons: NDArray[np.int64], covariance: Float, bins: NDArray[np.int64]) -> None:
        """Take in the powers of one pair of each of some neurons."""
        power = powers(covariance)
        self.bins[neurons] += bins
        self.signal[neurons] += bins * power.signal
        self.noise[neurons] += bins * power.noise
        self.of_mean[neurons] += bins * power.of_mean

    def add_ceiling(self, neurons: NDArray[np.int64], correlation: Float, bins: NDArray[np.int64]) -> None:
        """Take in the correlation of halves of one pair of each of some neurons, where it is positive."""
        ceiling = spearman_brown_ceiling(correlation)
        there = np.isfinite(ceiling)
        self.ceiling_bins[neurons[there]] += bins[there]
        self.ceiling[neurons[there]] += bins[there] * ceiling[there]

    def qualities(self, ccmax: str, without_repeats: float) -> dict[str, Float]:
        """Return what `compute_quality` returns."""
        signal, noise = _ratio(self.signal, self.bins), _ratio(self.noise, self.bins)
        snr = _ratio(self.signal, self.noise)
        same = (self.bins > 0) & (self.noise <= NO_NOISE * (self.signal + self.noise))
        snr[same] = np.where(self.signal[same] > 0, np.inf, 0)
        hsu = _ratio(self.ceiling, self.ceiling_bins)
        schoppe = np.minimum(np.sqrt(_ratio(np.where(self.signal > 0, self.signal, np.nan), self.of_mean)), 1)
        for ceiling in (hsu, schoppe):
            ceiling[~self.repeated] = without_repeats
        chosen = {"hsu": hsu, "schoppe": schoppe}[ccmax].copy()
        return dict(zip(QUALITIES, (signal, noise, snr, hsu, schoppe, chosen), strict=True))


def _ratio(numerator: Float, denominator: Float) -> Float:
    """Return a ratio, NaN where the denominator is not positive."""
    ratio = np.full(len(numerator), np.nan)
    return np.divide(numerator, denominator, out=ratio, where=denominator > 0)
