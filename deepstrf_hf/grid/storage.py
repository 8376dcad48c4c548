"""Responses of all (stimulus, neuron) pairs in one buffer, with an index of who heard what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError
from deepstrf_hf.responses.preprocessing import ResponseStep

FINITE_BLOCK_VALUES = 2**24
"""Values looked at together when asking which responses hold any."""
BLOCK_VALUES = 2**17
"""Values preprocessed at a time: what they need in between stays in the processor's cache."""


class Rows(NamedTuple):
    """Trials of one stimulus as rows of one matrix.

    Parameters
    ----------
    stored : ndarray, shape (rows, bins)
        Responses as stored, one trial a row.
    neuron, trial : ndarray of int, shape (rows,)
        Which neuron of the selection and which of its trials each row is.
    prepare : callable
        Turns stored rows into float32 responses, with all preprocessing done.
    """

    stored: NDArray[Any]
    neuron: NDArray[np.int64]
    trial: NDArray[np.int64]
    prepare: Callable[[NDArray[Any]], NDArray[np.float32]]

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield responses a few rows at a time, with the rows they are."""
        step = max(1, BLOCK_VALUES // max(1, self.stored.shape[1]))
        for start in range(0, len(self.stored), step):
            rows = slice(start, start + step)
            yield rows, self.prepare(self.stored[rows])


@dataclass(frozen=True, eq=False)
class PackedGrid:
    """Responses in one flat buffer of the stored type.

    Pairs are sorted by stimulus, then neuron; those of stimulus s are at ``pair_start[s]:pair_start[s + 1]``.
    All responses to one stimulus have the same number of bins.

    Parameters
    ----------
    values : ndarray, shape (values,)
        All responses back to back, each (trials, bins) in C order.
    pair_start : ndarray of int64, shape (stimuli + 1,)
        First pair of each stimulus.
    pair_neuron : ndarray of int32, shape (pairs,)
        Neuron of each pair.
    pair_offset : ndarray of int64, shape (pairs,)
        Where its response begins in `values`.
    pair_trials : ndarray of int32, shape (pairs,)
        Its number of trials.
    bins : ndarray of int32, shape (stimuli,)
        Time bins of each stimulus.
    n_neurons : int
        Neurons in the grid, with or without responses.
    dt_ms : float
        Bin width, ms.
    steps : tuple of ResponseStep
        Preprocessing, done when values are handed out.
    """

    values: NDArray[Any]
    pair_start: NDArray[np.int64]
    pair_neuron: NDArray[np.int32]
    pair_offset: NDArray[np.int64]
    pair_trials: NDArray[np.int32]
    bins: NDArray[np.int32]
    n_neurons: int
    dt_ms: float
    steps: tuple[ResponseStep, ...] = field(default=())

    @classmethod
    def from_pairs(
        cls,
        values: NDArray[Any],
        stimulus: NDArray[np.integer],
        neuron: NDArray[np.integer],
        trials: NDArray[np.integer],
        n_bins: NDArray[np.integer],
        *,
        n_stimuli: int,
        n_neurons: int,
        dt_ms: float,
        steps: tuple[ResponseStep, ...] = (),
    ) -> PackedGrid:
        """Index a buffer whose responses lie in the order of these pair descriptions.

        Raises
        ------
        GridError
            A pair stands twice, responses to one stimulus differ in bins, or the buffer has another size.
        """
        sizes = trials.astype(np.int64) * n_bins
        if sizes.sum() != len(values):
            raise GridError("Responses do not fill their buffer", found=len(values), expected=int(sizes.sum()))
        offsets = np.cumsum(sizes) - sizes
        order = np.lexsort((neuron, stimulus))
        stimulus, neuron = np.asarray(stimulus)[order], np.asarray(neuron)[order]
        twice = np.flatnonzero((stimulus[1:] == stimulus[:-1]) & (neuron[1:] == neuron[:-1]))
        if twice.size:
            raise GridError(
                "A (stimulus, neuron) pair stands twice",
                found=f"stimulus {stimulus[twice[0]]}, neuron {neuron[twice[0]]}",
                mend="stack its trials into one response",
            )
        start = np.searchsorted(stimulus, np.arange(n_stimuli + 1)).astype(np.int64)
        n_bins = np.asarray(n_bins)[order]
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
            values,
            start,
            neuron.astype(np.int32),
            offsets[order],
            np.asarray(trials)[order].astype(np.int32),
            bins,
            n_neurons,
            dt_ms,
            steps,
        )

    @property
    def n_stimuli(self) -> int:
        """Stimuli in the grid."""
        return len(self.bins)

    @cached_property
    def pair_stimulus(self) -> NDArray[np.int32]:
        """Stimulus of each pair, shape (pairs,)."""
        return np.repeat(np.arange(self.n_stimuli, dtype=np.int32), np.diff(self.pair_start))

    @cached_property
    def pair_heard(self) -> NDArray[np.bool_]:
        """Whether each pair has a finite value, shape (pairs,)."""
        if self.values.dtype.kind != "f":
            return np.ones(len(self.pair_neuron), bool)
        heard = np.empty(len(self.pair_neuron), bool)
        order = np.argsort(self.pair_offset)  # responses lie back to back
        offsets = np.append(self.pair_offset[order], len(self.values))
        first = 0
        while first < len(order):  # a block at a time, never a second buffer of the size of the first
            last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + FINITE_BLOCK_VALUES)))
            last = min(last, len(order))
            finite = np.isfinite(self.values[offsets[first] : offsets[last]])
            heard[order[first:last]] = np.logical_or.reduceat(finite, offsets[first:last] - offsets[first])
            first = last
        return heard

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Whether a neuron has data for a stimulus, shape (stimuli, neurons); read-only."""
        mask = np.zeros((self.n_stimuli, self.n_neurons), bool)
        mask[self.pair_stimulus[self.pair_heard], self.pair_neuron[self.pair_heard]] = True
        mask.flags.writeable = False
        return mask

    def _stored(self, pair: int) -> NDArray[Any]:
        trials, bins = int(self.pair_trials[pair]), int(self.bins[self.pair_stimulus[pair]])
        offset = int(self.pair_offset[pair])
        return self.values[offset : offset + trials * bins].reshape(trials, bins)

    def preprocessed(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return stored values as float32 with all preprocessing done, shape unchanged."""
        values = stored.astype(np.float32)
        for step in self.steps:
            values = step.apply(values, self.dt_ms)
        return values

    def find(self, stimulus: int, neurons: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return the pairs of a stimulus with some neurons, -1 where there is none.

        Parameters
        ----------
        stimulus : int
            Stimulus.
        neurons : ndarray of int64 or None
            Neurons, in any order and with repetitions; None is all.

        Returns
        -------
        ndarray of int64, shape (neurons,)
            Pairs.
        """
        first, last = int(self.pair_start[stimulus]), int(self.pair_start[stimulus + 1])
        there = self.pair_neuron[first:last]
        if neurons is None:
            if last - first == self.n_neurons:
                return np.arange(first, last)
            pairs = np.full(self.n_neurons, -1, np.int64)
            pairs[there] = np.arange(first, last)
            return pairs
        place = np.searchsorted(there, neurons)
        found = place < len(there)
        found[found] = there[place[found]] == neurons[found]
        return np.where(found, place + first, -1)

    def pair_response(self, pair: int) -> NDArray[np.float32]:
        """Return the response of a pair, shape (trials, bins)."""
        return self.preprocessed(self._stored(pair))

    def only(self, stimulus: int, pairs: NDArray[np.int64]) -> PackedGrid:
        """Return a grid of its own of one stimulus and some pairs; -1 leaves a neuron without response."""
        rows, position = self.rows(stimulus, pairs), np.flatnonzero(pairs >= 0)
        trials, bins = self.pair_trials[pairs[position]], int(self.bins[stimulus])
        return PackedGrid.from_pairs(
            rows.stored.ravel().copy(),
            np.zeros(len(position), np.int64),
            position,
            trials,
            np.full(len(position), bins),
            n_stimuli=1,
            n_neurons=len(pairs),
            dt_ms=self.dt_ms,
            steps=self.steps,
        )

    def rows(self, stimulus: int, pairs: NDArray[np.int64]) -> Rows:
        """Return all trials of some pairs of a stimulus; a view of the buffer where they lie back to back.

        Parameters
        ----------
        stimulus : int
            Stimulus.
        pairs : ndarray of int64
            As `find` returns them.
        """
        bins = int(self.bins[stimulus])
        position = np.flatnonzero(pairs >= 0)
        present = pairs[position]
        trials = self.pair_trials[present].astype(np.int64)
        offsets = self.pair_offset[present]
        total = int(trials.sum())
        trial = np.arange(total) - np.repeat(np.cumsum(trials) - trials, trials)
        sizes = trials * bins
        if total and np.array_equal(offsets[1:], offsets[:-1] + sizes[:-1]):
            stored = self.values[offsets[0] : offsets[0] + total * bins].reshape(total, bins)
        else:
            pieces = [self.values[offset : offset + size] for offset, size in zip(offsets, sizes, strict=True)]
            stored = np.concatenate([self.values[:0], *pieces]).reshape(total, bins)
        return Rows(stored, np.repeat(position, trials), trial, self.preprocessed)
