"""What a grid shows of itself: sequences of tensors that are made when asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepstrf_hf.grid.indexing import checked_index
from deepstrf_hf.grid.response_buffer import Rows
from deepstrf_hf.grid.stimuli import PackedStimuli
from deepstrf_hf.grid.storage import PackedGrid


def missing_response() -> torch.Tensor:
    """Return the sentinel of a pair that was not recorded: NaN of shape (1, 1)."""
    return torch.full((1, 1), float("nan"))


class _LazySequence(Sequence[Any]):
    """A read-only sequence whose entries are made when asked for; indices may be integers of any library or slices."""

    _kind = "entry"

    @abstractmethod
    def _make(self, index: int) -> Any:
        """Make the entry at a checked index."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._make(position) for position in range(*index.indices(len(self)))]
        return self._make(checked_index(index, len(self), self._kind))

    def __iter__(self) -> Iterator[Any]:
        return (self._make(index) for index in range(len(self)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} entries>"


class ItemResponses(_LazySequence):
    """Responses of the selected neurons to one stimulus, (trials, bins) each, (1, 1) NaN where not recorded.

    Parameters
    ----------
    grid : PackedGrid
        Where the values lie.
    stimulus : int
        Stimulus.
    neurons : ndarray of int64 or None
        Selected neurons; None is all.
    """

    _kind = "neuron"

    def __init__(self, grid: PackedGrid, stimulus: int, neurons: NDArray[np.int64] | None) -> None:
        self._grid, self._stimulus = grid, stimulus
        self._pairs = grid.find(stimulus, neurons)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Yield all responses, preprocessed together; what was not recorded is one and the same sentinel."""
        rows = self.rows()
        values = np.empty(rows.stored.shape, np.float32)
        for where, prepared in rows.blocks():
            values[where] = prepared
        trials = np.where(self._pairs >= 0, self._grid.pair_trials[self._pairs] if len(rows.stored) else 0, 0)
        end = np.cumsum(trials)
        missing = missing_response()
        for first, last in zip((end - trials).tolist(), end.tolist(), strict=True):
            yield torch.from_numpy(values[first:last]) if last > first else missing

    def __reduce__(self) -> tuple[Any, ...]:
        # Items cross process borders when a loader's workers do not collate: only their own responses go along.
        return ItemResponses, (self._grid.only(self._stimulus, self._pairs), 0, None)

    def _make(self, index: int) -> torch.Tensor:
        pair = int(self._pairs[index])
        return missing_response() if pair < 0 else torch.from_numpy(self._grid.pair_response(self._stimulus, pair))

    def rows(self) -> Rows:
        """Return all trials of all selected neurons as rows of one matrix."""
        return self._grid.rows(self._stimulus, self._pairs)

    def block(self) -> tuple[NDArray[np.int64], NDArray[Any]] | None:
        """Return the responses as stored, where none needs preprocessing and no copy is needed to have them together.

        Returns
        -------
        neurons : ndarray of int64, shape (neurons,)
            Positions of the neurons that have a response.
        responses : ndarray, shape (neurons, trials, bins)
            Theirs. None in place of both where it cannot be done; `rows` always can.
        """
        if self._grid.buffer_of(self._stimulus).steps:
            return None
        neurons = np.flatnonzero(self._pairs >= 0)
        responses = self._grid.block(self._stimulus, self._pairs[neurons])
        return None if responses is None else (neurons, responses)

    @property
    def heard(self) -> NDArray[np.bool_]:
        """Whether each selected neuron has data, shape (neurons,)."""
        heard = self._pairs >= 0
        heard[heard] = self._grid.pair_heard[self._pairs[heard]]
        return heard

    @property
    def never_nan(self) -> bool:
        """Whether recorded responses cannot hold NaN: stored as whole numbers, and no step makes NaN of them."""
        return self._grid.buffer_of(self._stimulus).never_nan

    def only(self, positions: NDArray[np.int64]) -> ItemResponses:
        """Return the responses of some of the neurons, by their positions here."""
        some = ItemResponses.__new__(ItemResponses)  # copy.copy would copy the values, as pickling does
        some._grid, some._stimulus, some._pairs = self._grid, self._stimulus, self._pairs[positions]
        return some


class GridResponses(_LazySequence):
    """Responses of all neurons to all stimuli: ``responses[stimulus][neuron]``."""

    _kind = "stimulus"

    def __init__(self, grid: PackedGrid) -> None:
        self._grid = grid

    def __len__(self) -> int:
        return self._grid.n_stimuli

    def _make(self, index: int) -> ItemResponses:
        return ItemResponses(self._grid, index, None)


class GridStimuli(_LazySequence):
    """Stimuli of a grid, (1, bands, bins) or (1, samples) each; views of the stored values unless transformed."""

    _kind = "stimulus"

    def __init__(self, stimuli: PackedStimuli) -> None:
        self._stimuli = stimuli

    def __len__(self) -> int:
        return len(self._stimuli)

    def _make(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self._stimuli[index])[None]
