"""Responses of all (stimulus, neuron) pairs in flat buffers, with an index of who heard what."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.pair_index import PairIndex
from deepstrf_hf.grid.response_buffer import ResponseBuffer, Rows, Step
from deepstrf_hf.grid.shared import SharedArray

FINITE_BLOCK_VALUES = 2**24
"""Values looked at together when asking which responses hold any."""


@dataclass(frozen=True, eq=False)
class PackedGrid:
    """Responses of neurons to stimuli, and where they lie.

    Pairs are sorted by stimulus, then neuron; those of stimulus s are at ``pair_start[s]:pair_start[s + 1]``.
    All responses to one stimulus have the same number of bins and lie in one buffer.

    Parameters
    ----------
    buffers : tuple of ResponseBuffer
        Stored values; several where data sets were concatenated.
    stimulus_buffer : ndarray of int16, shape (stimuli,)
        Buffer of each stimulus's responses.
    pair_start : ndarray of int64, shape (stimuli + 1,)
        First pair of each stimulus.
    pair_neuron : ndarray of int32, shape (pairs,)
        Neuron of each pair.
    pair_offset : ndarray of int64, shape (pairs,)
        Where its response begins in its buffer.
    pair_trials : ndarray of int32, shape (pairs,)
        Its number of trials.
    bins : ndarray of int32, shape (stimuli,)
        Time bins of each stimulus.
    n_neurons : int
        Neurons in the grid, with or without responses.
    dt_ms : float
        Bin width, ms.
    """

    buffers: tuple[ResponseBuffer, ...]
    stimulus_buffer: NDArray[np.int16]
    pair_start: NDArray[np.int64]
    pair_neuron: NDArray[np.int32]
    pair_offset: NDArray[np.int64]
    pair_trials: NDArray[np.int32]
    bins: NDArray[np.int32]
    n_neurons: int
    dt_ms: float

    @classmethod
    def from_pairs(
        cls,
        values: NDArray[Any] | SharedArray,
        stimulus: NDArray[np.integer],
        neuron: NDArray[np.integer],
        trials: NDArray[np.integer],
        n_bins: NDArray[np.integer],
        *,
        n_stimuli: int,
        n_neurons: int,
        dt_ms: float,
        steps: tuple[Step, ...] = (),
    ) -> PackedGrid:
        """Index a buffer whose responses lie in the order of these pair descriptions.

        Raises
        ------
        GridError
            A pair stands twice, responses to one stimulus differ in bins, or the buffer has another size.
        """
        shared = values if isinstance(values, SharedArray) else SharedArray(values)
        index = PairIndex.of_pairs(stimulus, neuron, trials, n_bins, n_stimuli=n_stimuli, n_neurons=n_neurons)
        if index.n_values != shared.size:
            raise GridError("Responses do not fill their buffer", found=shared.size, expected=index.n_values)
        return cls.of_index(shared, index, n_neurons=n_neurons, dt_ms=dt_ms, steps=steps)

    @classmethod
    def of_index(
        cls,
        shared: SharedArray,
        index: PairIndex,
        *,
        n_neurons: int,
        dt_ms: float,
        steps: tuple[Step, ...] = (),
        heard: NDArray[np.bool_] | None = None,
    ) -> PackedGrid:
        """Make a grid of a buffer and its index; `heard` says which pairs hold a finite value, if that is known."""
        grid = cls(
            (ResponseBuffer(shared, dt_ms, steps),),
            np.zeros(len(index.bins), np.int16),
            index.pair_start,
            index.pair_neuron,
            index.pair_offset,
            index.pair_trials,
            index.bins,
            n_neurons,
            dt_ms,
        )
        if heard is not None:
            vars(grid)["pair_heard"] = heard
        return grid

    def __getstate__(self) -> dict[str, Any]:
        # What was worked out from the rest need not travel.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def n_stimuli(self) -> int:
        """Stimuli in the grid."""
        return len(self.bins)

    @property
    def values(self) -> NDArray[Any]:
        """Stored values of the first buffer, shape (values,)."""
        return self.buffers[0].values

    @property
    def steps(self) -> tuple[Step, ...]:
        """Preprocessing that all responses get; empty where it differs from buffer to buffer."""
        steps = self.buffers[0].steps
        return steps if all(buffer.steps == steps for buffer in self.buffers) else ()

    @cached_property
    def pair_stimulus(self) -> NDArray[np.int32]:
        """Stimulus of each pair, shape (pairs,)."""
        return np.repeat(np.arange(self.n_stimuli, dtype=np.int32), np.diff(self.pair_start))

    @cached_property
    def pair_heard(self) -> NDArray[np.bool_]:
        """Whether each pair has a finite value, shape (pairs,)."""
        heard = np.ones(len(self.pair_neuron), bool)
        for index, buffer in enumerate(self.buffers):
            if buffer.dtype.kind == "f":
                pairs = np.flatnonzero(self.stimulus_buffer[self.pair_stimulus] == index)
                heard[pairs] = self._any_finite(buffer.shared, pairs)
        return heard

    def _any_finite(self, values: SharedArray, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each of some pairs has a finite value; looks at a block of values at a time."""
        heard = np.empty(len(pairs), bool)
        order = np.argsort(self.pair_offset[pairs])
        begin = self.pair_offset[pairs][order]
        end = begin + (self.pair_trials[pairs].astype(np.int64) * self.bins[self.pair_stimulus[pairs]])[order]
        first = 0
        while first < len(order):  # never a second buffer of the size of the first
            last = max(first + 1, int(np.searchsorted(end, begin[first] + FINITE_BLOCK_VALUES)))
            finite = np.isfinite(values.part(int(begin[first]), int(end[last - 1])))
            # Between what two pairs hold there may be values of pairs that are not asked for.
            edges = np.stack([begin[first:last], end[first:last]], axis=1).ravel() - begin[first]
            any_finite = np.logical_or.reduceat(np.append(finite, False), edges)[::2]
            heard[order[first:last]] = any_finite
            first = last
        return heard

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Whether a neuron has data for a stimulus, shape (stimuli, neurons); read-only."""
        mask = np.zeros((self.n_stimuli, self.n_neurons), bool)
        if self.pair_heard.all():
            mask[self.pair_stimulus, self.pair_neuron] = True
        else:
            mask[self.pair_stimulus[self.pair_heard], self.pair_neuron[self.pair_heard]] = True
        mask.flags.writeable = False
        return mask

    @property
    def n_trials(self) -> NDArray[np.int32]:
        """Trials of each pair, 0 where nothing was recorded, shape (stimuli, neurons)."""
        trials = np.zeros((self.n_stimuli, self.n_neurons), np.int32)
        trials[self.pair_stimulus, self.pair_neuron] = np.where(self.pair_heard, self.pair_trials, 0)
        return trials

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

    def buffer_of(self, stimulus: int) -> ResponseBuffer:
        """Return the buffer in which the responses to a stimulus lie."""
        return self.buffers[self.stimulus_buffer[stimulus]]

    def pair_response(self, stimulus: int, pair: int) -> NDArray[np.float32]:
        """Return the response of a pair, preprocessed, shape (trials, bins)."""
        trials, bins, offset = int(self.pair_trials[pair]), int(self.bins[stimulus]), int(self.pair_offset[pair])
        buffer = self.buffer_of(stimulus)
        stored = buffer.shared.part(offset, offset + trials * bins).reshape(trials, bins)
        return buffer.preprocessed(stored, np.full(trials, self.pair_neuron[pair]) if buffer.knows_neurons else None)

    def rows(self, stimulus: int, pairs: NDArray[np.int64]) -> Rows:
        """Return all trials of some pairs of a stimulus; a view of the buffer where they lie back to back.

        Parameters
        ----------
        stimulus : int
            Stimulus.
        pairs : ndarray of int64
            As `find` returns them.
        """
        bins, buffer = int(self.bins[stimulus]), self.buffer_of(stimulus)
        position = np.flatnonzero(pairs >= 0)
        present = pairs[position]
        trials = self.pair_trials[present].astype(np.int64)
        offsets = self.pair_offset[present]
        total = int(trials.sum())
        trial = np.arange(total) - np.repeat(np.cumsum(trials) - trials, trials)
        sizes = trials * bins
        if total and np.array_equal(offsets[1:], offsets[:-1] + sizes[:-1]):
            stored = buffer.shared.part(int(offsets[0]), int(offsets[0]) + total * bins).reshape(total, bins)
        else:
            part = buffer.shared.part
            pieces = [part(begin, begin + size) for begin, size in zip(offsets.tolist(), sizes.tolist(), strict=True)]
            stored = np.concatenate([np.empty(0, buffer.dtype), *pieces]).reshape(total, bins)
        neuron = np.repeat(self.pair_neuron[present], trials) if buffer.knows_neurons else None

        def prepare(which: slice) -> NDArray[np.float32]:
            return buffer.preprocessed(stored[which], None if neuron is None else neuron[which])

        return Rows(stored, np.repeat(position, trials), trial, prepare)

    def block(self, stimulus: int, pairs: NDArray[np.int64]) -> NDArray[Any] | None:
        """Return the stored responses of some pairs of a stimulus as one array, without a copy, where that is possible.

        Parameters
        ----------
        stimulus : int
            Stimulus.
        pairs : ndarray of int64
            Pairs that are there, in any order.

        Returns
        -------
        ndarray, shape (pairs, trials, bins), or None
            None unless they lie back to back and have the same number of trials.
        """
        if not len(pairs):
            return None
        trials, offsets, bins = self.pair_trials[pairs], self.pair_offset[pairs], int(self.bins[stimulus])
        size = int(trials[0]) * bins
        if (trials != trials[0]).any() or (np.diff(offsets) != size).any():
            return None
        begin = int(offsets[0])
        values = self.buffer_of(stimulus).shared.part(begin, begin + len(pairs) * size)
        return values.reshape(len(pairs), int(trials[0]), bins)

    def only(self, stimulus: int, pairs: NDArray[np.int64]) -> PackedGrid:
        """Return a grid of its own of one stimulus and some pairs; -1 leaves a neuron without response."""
        rows, position = self.rows(stimulus, pairs), np.flatnonzero(pairs >= 0)
        trials, bins, buffer = self.pair_trials[pairs[position]], int(self.bins[stimulus]), self.buffer_of(stimulus)
        alone = PackedGrid.from_pairs(
            rows.stored.ravel().copy(),
            np.zeros(len(position), np.int64),
            position,
            trials,
            np.full(len(position), bins),
            n_stimuli=1,
            n_neurons=len(pairs),
            dt_ms=self.dt_ms,
            steps=buffer.steps,
        )
        neuron = np.where(pairs >= 0, self.pair_neuron[pairs] if len(self.pair_neuron) else -1, -1)
        own = replace(buffer.renumbered(neuron.astype(np.int64)), shared=alone.buffers[0].shared)
        return replace(alone, buffers=(own,))

    def with_step(self, step: Step) -> PackedGrid:
        """Return the grid with one more step of preprocessing for all responses."""
        buffers = tuple(replace(buffer, steps=(*buffer.steps, step)) for buffer in self.buffers)
        stepped = replace(self, buffers=buffers)
        for name in ("pair_stimulus", "pair_heard", "mask"):  # preprocessing changes no presence
            if name in vars(self):
                vars(stepped)[name] = vars(self)[name]
        return stepped

    def keep_stimuli(self, keep: NDArray[np.bool_]) -> PackedGrid:
        """Return a grid of some stimuli, sharing the values; all others must have no pairs or are left out."""
        pairs = keep[self.pair_stimulus]
        counts = np.diff(self.pair_start)[keep]
        kept = replace(
            self,
            stimulus_buffer=self.stimulus_buffer[keep],
            pair_start=np.concatenate(([0], np.cumsum(counts))),
            pair_neuron=self.pair_neuron[pairs],
            pair_offset=self.pair_offset[pairs],
            pair_trials=self.pair_trials[pairs],
            bins=self.bins[keep],
        )
        if "pair_heard" in vars(self):
            vars(kept)["pair_heard"] = self.pair_heard[pairs]
        return kept
