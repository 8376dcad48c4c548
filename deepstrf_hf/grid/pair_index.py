"""Where the response of each (stimulus, neuron) pair lies in a flat buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError


@dataclass(frozen=True, eq=False)
class PairIndex:
    """Pairs sorted by stimulus, then neuron; fields as in `PackedGrid`.

    Parameters
    ----------
    pair_start : ndarray of int64, shape (stimuli + 1,)
        First pair of each stimulus.
    pair_neuron : ndarray of int32, shape (pairs,)
        Neuron of each pair.
    pair_offset : ndarray of int64, shape (pairs,)
        Where its response begins.
    pair_trials : ndarray of int32, shape (pairs,)
        Its number of trials.
    bins : ndarray of int32, shape (stimuli,)
        Time bins of each stimulus.
    order : ndarray of int64, optional
        Which of the pairs given each one is; None where they were sorted.
    """

    pair_start: NDArray[np.int64]
    pair_neuron: NDArray[np.int32]
    pair_offset: NDArray[np.int64]
    pair_trials: NDArray[np.int32]
    bins: NDArray[np.int32]
    order: Any = None

    @property
    def n_values(self) -> int:
        """Values in the buffer."""
        n_bins = np.repeat(self.bins, np.diff(self.pair_start))
        return int((self.pair_trials.astype(np.int64) * n_bins).sum())

    @classmethod
    def of_pairs(
        cls,
        stimulus: NDArray[np.integer],
        neuron: NDArray[np.integer],
        trials: NDArray[np.integer],
        n_bins: NDArray[np.integer],
        *,
        n_stimuli: int,
        n_neurons: int,
    ) -> PairIndex:
        """Index a buffer whose responses lie in the order of these pair descriptions.

        Raises
        ------
        GridError
            A pair stands twice, or responses to one stimulus differ in bins.
        """
        sizes = trials.astype(np.int64) * n_bins
        offsets = np.cumsum(sizes) - sizes
        place = stimulus.astype(np.int64) * n_neurons + neuron
        order: Any = None  # pairs mostly come sorted, and sorting them again would cost more than all the rest
        if (place[1:] <= place[:-1]).any():
            order = np.argsort(place, kind="stable")
            place = place[order]
            stimulus, neuron, trials = np.asarray(stimulus)[order], np.asarray(neuron)[order], np.asarray(trials)[order]
            n_bins, offsets = np.asarray(n_bins)[order], offsets[order]
        twice = np.flatnonzero(place[1:] == place[:-1])
        if twice.size:
            raise GridError(
                "A (stimulus, neuron) pair stands twice",
                found=f"stimulus {stimulus[twice[0]]}, neuron {neuron[twice[0]]}",
                mend="stack its trials into one response",
            )
        bins = np.zeros(n_stimuli, np.int32)
        bins[stimulus] = n_bins
        ragged = np.flatnonzero(bins[stimulus] != n_bins)
        if ragged.size:
            worst = stimulus[ragged[0]]
            raise GridError(
                "Responses to one stimulus have different numbers of bins",
                field=f"stimulus {worst}",
                found=sorted({int(length) for length in n_bins[stimulus == worst]}),
                mend="cut or pad them to the bins of the stimulus; a missing sample is NaN",
            )
        return cls(
            np.searchsorted(stimulus, np.arange(n_stimuli + 1)).astype(np.int64),
            np.asarray(neuron).astype(np.int32),
            offsets,
            np.asarray(trials).astype(np.int32),
            bins,
            order,
        )
