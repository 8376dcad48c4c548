"""Division of trials into halves, and how well the halves' means correlate.

Hsu, Borst & Theunissen 2004, Network: Computation in Neural Systems 15:91, doi 10.1088/0954-898X_15_2_002.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

Float = NDArray[np.float64]
Split = tuple[tuple[int, ...], tuple[int, ...]]
"""Trials of the two halves, ascending; the half with the lowest trial first."""

ORDERS = ("random", "first")
SPLITS_AT_ONCE = 128
"""Splits that are worked out together; bounds the memory."""
PRODUCTS_AT_ONCE = 2**18
"""Size of matrix products (rows times columns times length) that BLAS libraries do not share among threads."""
CONSTANT = 1e-12
"""Variance of a half, relative to the largest its trials allow, below which it is constant but for rounding."""

UNCORRELATED = 1e-12
"""Correlation up to which halves are uncorrelated but for rounding; few counts often make it exactly 0."""


@dataclass(frozen=True)
class HalfSplits:
    """Which half-splits are taken of any number of trials.

    A split divides an even number of trials into two halves of equal size; a half and its complement are one split.
    ``"random"`` draws evenly from all splits, none twice, and with an odd number of trials leaves out a random one
    each time; where there are no more than `maximum`, it takes them all. The draw depends on `seed` and the number of
    trials alone. ``"first"`` takes the first splits in lexicographic order, and always leaves out the last of an odd
    number of trials, which is what deepSTRF 0.1.0 does; all of them share the first trials in one half.

    Parameters
    ----------
    maximum : int
        Splits taken at most.
    order : str
        ``"random"`` or ``"first"``.
    seed : int
        Of ``"random"``.

    Raises
    ------
    ParameterError
        A number that is not a whole number of at least 1 (`maximum`) or 0 (`seed`), or an unknown order.
    """

    maximum: int = 126
    order: str = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        for field, value, least in (("max_half_splits", self.maximum, 1), ("seed", self.seed, 0)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise ParameterError(
                    "Half-splits need a whole number",
                    field=field,
                    found=repr(value),
                    expected=f"a whole number of at least {least}",
                )
        if self.order not in ORDERS:
            raise ParameterError(
                "Unknown choice of half-splits",
                field="half_splits",
                found=repr(self.order),
                expected=" or ".join(map(repr, ORDERS)),
            )

    def of(self, n_trials: int) -> list[Split]:
        """Return the splits of so many trials; none of fewer than two."""
        if n_trials < 2:
            return []
        if self.order == "first":
            return list(itertools.islice(_all_splits(range(n_trials - n_trials % 2)), self.maximum))
        if number_of_splits(n_trials) <= self.maximum:
            if n_trials % 2 == 0:
                return list(_all_splits(range(n_trials)))
            left = (tuple(trial for trial in range(n_trials) if trial != out) for out in range(n_trials))
            return [split for trials in left for split in _all_splits(trials)]
        generator = np.random.default_rng([self.seed, n_trials])
        half, drawn = n_trials // 2, dict[Split, None]()
        while len(drawn) < self.maximum:  # there are more splits than that, so that this ends
            order = generator.permutation(n_trials)  # of an odd number, the last one is left out
            halves = sorted(tuple(sorted(part.tolist())) for part in (order[:half], order[half : 2 * half]))
            drawn[halves[0], halves[1]] = None
        return list(drawn)


def number_of_splits(n_trials: int) -> int:
    """Return how many half-splits there are, each trial of an odd number left out in turn."""
    even = n_trials - n_trials % 2
    return math.comb(even, even // 2) // 2 * (n_trials if n_trials % 2 else 1)


def _all_splits(trials: range | tuple[int, ...]) -> Iterator[Split]:
    """Yield all splits of an even number of trials in lexicographic order of the half with the first trial."""
    first, rest = trials[0], trials[1:]
    for chosen in itertools.combinations(rest, len(trials) // 2 - 1):
        taken = set(chosen)
        yield (first, *chosen), tuple(trial for trial in rest if trial not in taken)


def split_correlation(covariance: Float, splits: list[Split]) -> Float:
    """Return the mean correlation between the means of two halves.

    With C the covariance of trials and a, b the indicator vectors of two halves, the correlation of the halves' means
    is a'Cb / sqrt(a'Ca b'Cb), so that no mean is ever taken.

    Parameters
    ----------
    covariance : ndarray of float64, shape (pairs, trials, trials)
        Covariance of trials over time.
    splits : list of Split
        Half-splits of these trials.

    Returns
    -------
    ndarray of float64, shape (pairs,)
        Mean over the splits in which both halves vary over time; a split with a constant half does not count. NaN
        where none counts.
    """
    pairs, trials, _ = covariance.shape
    row, column = np.triu_indices(trials)  # a covariance is symmetric: half of it will do
    upper = covariance[:, row, column]
    deviation = np.sqrt(upper[:, row == column])
    total, counted = np.zeros(pairs), np.zeros(pairs, np.int64)
    for begin in range(0, len(splits), SPLITS_AT_ONCE):
        part = splits[begin : begin + SPLITS_AT_ONCE]
        first, second = (_indicators([split[side] for split in part], trials) for side in (0, 1))
        power, varies = [], np.ones((pairs, len(part)), bool)
        for half in (first, second):
            power.append(_product(upper, _upper_product(half, half, row, column)))
            varies &= power[-1] > CONSTANT * (deviation @ half.T) ** 2
        product = np.sqrt(np.where(varies, power[0] * power[1], 1))
        correlation = _product(upper, _upper_product(first, second, row, column)) / product
        total += np.where(varies, np.clip(correlation, -1, 1), 0).sum(axis=1)
        counted += varies.sum(axis=1)
    return np.where(counted > 0, total / np.maximum(counted, 1), np.nan)


def _indicators(halves: list[tuple[int, ...]], n_trials: int) -> Float:
    """Return halves as rows of ones and zeros, shape (splits, trials)."""
    indicators = np.zeros((len(halves), n_trials))
    np.put_along_axis(indicators, np.array(halves), 1, axis=1)
    return indicators


def _upper_product(first: Float, second: Float, row: NDArray[np.intp], column: NDArray[np.intp]) -> Float:
    """Return what the upper triangle of a covariance is weighted with to give a'Cb, shape (entries, splits)."""
    weight = np.where(row == column, 0.5, 1)
    return np.asarray((weight * (first[:, row] * second[:, column] + first[:, column] * second[:, row])).T)


def _product(rows: Float, weights: Float) -> Float:
    """Return the matrix product, worked out a few rows at a time.

    It is a small product; on a busy machine the threads of a BLAS library would wait for each other many times longer
    than it takes.
    """
    step = max(1, PRODUCTS_AT_ONCE // weights.size)
    return np.concatenate([rows[start : start + step] @ weights for start in range(0, max(1, len(rows)), step)])


def spearman_brown_ceiling(correlation: Float) -> Float:
    """Return the best correlation a model can reach with the mean over all trials.

    sqrt(2 rho / (1 + rho)), the square root of the reliability that the Spearman-Brown formula predicts for twice the
    trials of a half (Hsu, Borst & Theunissen 2004).

    Parameters
    ----------
    correlation : ndarray of float64
        Correlation rho between halves.

    Returns
    -------
    ndarray of float64
        The same shape; NaN where the halves do not correlate positively.
    """
    positive = np.where(correlation > UNCORRELATED, correlation, np.nan)
    return np.asarray(np.sqrt(2 * positive / (1 + positive)))
