"""The tuning criterion of Ahmed et al. 2025: whether trials of a neuron are more alike than shifted ones.

Ahmed, Downer, Malone & Makin 2025, PLoS Comput Biol 21(8):e1013334, doi 10.1371/journal.pcbi.1013334; computed as
deepSTRF 0.1.0 does, draw by draw, so that the numbers are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError, ParameterError

ANALYSIS_BIN_MS = 50.0
RESAMPLES = 10_000
BLOCK_VALUES = 2**16
"""Values computed together: half a megabyte, so that all passes over them find them in the cache."""
WHOLE = 1e-6


class Tuning(NamedTuple):
    """Whether a neuron is tuned.

    Parameters
    ----------
    p_value : float
        Of the one-sided Wilcoxon rank-sum test that correlations of trials exceed those of shifted trials.
    delta : float
        Difference of their means in standard deviations (``ddof=0``) of the correlations of shifted trials.
    """

    p_value: float
    delta: float

    def is_tuned(self, alpha: float = 0.05) -> bool:
        """Return whether the test rejects chance; False where it could not be made (NaN)."""
        return bool(self.p_value < alpha)

    def is_well_tuned(self, alpha: float = 0.05, delta: float = 0.5) -> bool:
        """Return whether the neuron is tuned and the effect large."""
        return self.is_tuned(alpha) and bool(self.delta >= delta)


@dataclass(frozen=True, eq=False)
class TrialPairs:
    """Random pairs of different trials of every test stimulus, and random shifts.

    They depend on the numbers of trials and bins alone, so that neurons recorded together can share them.

    Parameters
    ----------
    bins : tuple of int
        Bins of each stimulus.
    first, second : tuple of ndarray of int64, shape (resamples,)
        Trials of each stimulus.
    shift : ndarray of int64, shape (resamples,)
        Bins that the second of all trials, one after the other, is turned by.
    """

    bins: tuple[int, ...]
    first: tuple[NDArray[np.int64], ...]
    second: tuple[NDArray[np.int64], ...]
    shift: NDArray[np.int64]

    @classmethod
    def draw(
        cls, generator: np.random.Generator, trials: Sequence[int], bins: Sequence[int], resamples: int
    ) -> TrialPairs:
        """Draw pairs.

        Parameters
        ----------
        generator : numpy.random.Generator
            Is consumed stimulus by stimulus, first trials before second ones, shifts last.
        trials, bins : sequence of int
            Of each stimulus; two trials at least, and two bins in all.
        resamples : int
            How many.
        """
        first, second = [], []
        for count in trials:
            one = generator.integers(0, count, size=resamples)
            other = generator.integers(0, count - 1, size=resamples)
            first.append(one)
            second.append(other + (other >= one))
        return cls(tuple(bins), tuple(first), tuple(second), generator.integers(1, sum(bins), size=resamples))

    def tuning(self, responses: Sequence[NDArray[Any]]) -> Tuning:
        """Return the tuning of a neuron.

        Parameters
        ----------
        responses : sequence of ndarray, shape (trials, bins)
            Spikes per bin of the analysis, whole numbers, for each test stimulus.

        Returns
        -------
        Tuning
            NaN where fewer than two correlations are finite.
        """
        counts = [np.ascontiguousarray(response, np.float64) for response in responses]
        n_bins, resamples = sum(self.bins), len(self.shift)
        totals = [response.sum(axis=1) for response in counts]
        means = [
            sum(total[of] for total, of in zip(totals, trials, strict=True)) / n_bins
            for trials in (self.first, self.second)
        ]
        paired, shifted = np.empty(resamples), np.empty(resamples)
        at_once = max(1, BLOCK_VALUES // n_bins)
        held = np.empty((4, min(at_once, resamples), n_bins))  # reused: new memory would take longer than the sums
        both = np.empty((held.shape[1], 2 * n_bins))
        windows = np.lib.stride_tricks.sliding_window_view(both.ravel(), n_bins)
        ends = np.arange(1, 2 * len(both), 2) * n_bins
        for begin in range(0, resamples, at_once):
            rows = slice(begin, begin + at_once)
            one, other, turned, product = held[:, : len(self.shift[rows])]
            for values, trials, mean in ((one, self.first, means[0]), (other, self.second, means[1])):
                drawn = [response.take(of[rows], 0) for response, of in zip(counts, trials, strict=True)]
                np.concatenate(drawn, axis=1, out=values)
                values -= mean[rows, None]
            # Turned by k bins: a window of two copies in a row, which begins n_bins - k in.
            both[: len(other), :n_bins] = both[: len(other), n_bins:] = other
            turned[...] = windows[ends[: len(other)] - self.shift[rows]]
            power = np.multiply(one, one, out=product).sum(axis=1)
            for correlation, values in ((paired, other), (shifted, turned)):
                common = np.multiply(one, values, out=product).sum(axis=1)
                with np.errstate(invalid="ignore", divide="ignore"):  # NaN where one of them is constant
                    correlation[rows] = common / np.sqrt(power * np.multiply(values, values, out=product).sum(axis=1))
        return _compare(paired[np.isfinite(paired)], shifted[np.isfinite(shifted)])


def _compare(paired: NDArray[np.float64], shifted: NDArray[np.float64]) -> Tuning:
    if len(paired) < 2 or len(shifted) < 2:
        return Tuning(math.nan, math.nan)
    import scipy.stats  # half a second and 60 MB, and only this criterion needs it

    p_value = float(scipy.stats.ranksums(paired, shifted, alternative="greater").pvalue)
    spread = shifted.std()
    return Tuning(p_value, float((paired.mean() - shifted.mean()) / spread) if spread > 0 else 0.0)


def can_be_tested(responses: Sequence[NDArray[Any] | None], bins: Sequence[int]) -> bool:
    """Return whether a neuron has two trials of every test stimulus, and two bins to shift by."""
    repeated = all(response is not None and len(response) > 1 for response in responses)
    return bool(responses) and repeated and sum(bins) > 1


def compute_paper_tuning(
    dataset: Any,
    n_resamples: int = RESAMPLES,
    dt_ms_analysis: float = ANALYSIS_BIN_MS,
    seed: int = 0,
    alpha: float = 0.05,
    delta: float = 0.5,
    *,
    test: str = "test",
) -> dict[str, int]:
    """Compute the tuning of all neurons of a data set and write it into its neurons' metadata.

    Load it with ``preprocessing=None``: the criterion is for spike counts. One random generator serves all neurons, in
    the order of session and name; only those with two trials of every test stimulus use it. So a number depends on
    which neurons are loaded, as in deepSTRF 0.1.0; the stored columns ``neuron_tuning_p_value`` and
    ``neuron_tuning_delta`` do not.

    Parameters
    ----------
    dataset : NeuralDataset
        Grid of spike counts. Its neurons get the entries ``tuned``, ``well_tuned``, ``tuning_p_value`` and
        ``tuning_delta``; of neurons that cannot be tested they are False, False, None and None.
    n_resamples : int
        Pairs of trials.
    dt_ms_analysis : float
        Bins of the analysis, ms: a multiple of the data set's.
    seed : int
        Of the generator.
    alpha : float
        Level of the test below which a neuron is tuned.
    delta : float
        Effect from which on a tuned neuron is well tuned.
    test : str
        Subset of the stimuli that are compared.

    Returns
    -------
    dict of str to int
        How many neurons have data (``n_with_data``), and how many are ``tuned`` and ``well_tuned``.

    Raises
    ------
    ParameterError
        Bins of the analysis that are no multiple of the data set's; fewer than two resamples.
    GridError
        No stimuli in the subset.
    """
    group = dt_ms_analysis / dataset.dt
    if group < 1 - WHOLE or abs(group - round(group)) > WHOLE:
        raise ParameterError(
            "Bins of the analysis must hold whole bins of the responses",
            field="dt_ms_analysis",
            found=f"{dt_ms_analysis:g} ms",
            expected=f"a multiple of {dataset.dt:g} ms",
        )
    if n_resamples < 2:
        raise ParameterError("Too few pairs of trials", field="n_resamples", found=n_resamples, expected="2 or more")
    stimuli = [index for index, entry in enumerate(dataset.stim_meta) if entry.get("subset") == test]
    if not stimuli:
        raise GridError("No stimuli to test tuning with", field="subset", expected=repr(test))
    order = sorted(
        range(len(dataset.nrn_meta)),
        key=lambda index: (
            str(dataset.nrn_meta[index].get("session_id") or ""),
            str(dataset.nrn_meta[index].get("neuron_id") or ""),
        ),
    )
    generator = np.random.default_rng(seed)
    summary = {"n_with_data": 0, "tuned": 0, "well_tuned": 0}
    for index in order:
        responses = [_grouped(dataset.responses[stimulus][index], round(group)) for stimulus in stimuli]
        bins = [0 if response is None else response.shape[1] for response in responses]
        found = Tuning(math.nan, math.nan)
        if can_be_tested(responses, bins):
            counts = [response for response in responses if response is not None]
            pairs = TrialPairs.draw(generator, [len(response) for response in counts], bins, n_resamples)
            found = pairs.tuning(counts)
            summary["n_with_data"] += 1
        verdicts = {"tuned": found.is_tuned(alpha), "well_tuned": found.is_well_tuned(alpha, delta)}
        values = {"tuning_p_value": found.p_value, "tuning_delta": found.delta}
        dataset.nrn_meta[index].update(verdicts)
        dataset.nrn_meta[index].update({name: None if math.isnan(value) else value for name, value in values.items()})
        for name, verdict in verdicts.items():
            summary[name] += verdict
    return summary


def in_wider_bins(response: NDArray[Any], group: int) -> NDArray[np.float32]:
    """Return sums over groups of bins, shape (trials, bins // group); bins left over at the end are cut."""
    trials, bins = response.shape[0], response.shape[1] // group
    groups = response[:, : bins * group].reshape(trials, bins, group)
    summed: NDArray[np.float32] = groups.sum(axis=2, dtype=np.float32)
    return summed


def _grouped(response: Any, group: int) -> NDArray[np.float32] | None:
    """Return a response in wider bins; None for a pair that was not recorded."""
    values = np.asarray(response, np.float32)
    return None if np.isnan(values).any() else in_wider_bins(values, group)
