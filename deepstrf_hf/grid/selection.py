"""Selections of neurons and stimuli, and the rule that binds them.

The rule: choosing stimuli hides neurons without data there; choosing neurons hides stimuli that none of them heard.
None selects everything, an empty selection selects nothing, on both axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.grid.storage import PackedGrid


@dataclass(frozen=True, eq=False)
class Selection:
    """One choice of neurons and of stimuli on a grid; what follows from it is worked out once.

    Parameters
    ----------
    grid : PackedGrid
        The grid.
    neurons : ndarray of int64 or None
        Chosen neurons; order and repetitions are kept. None is all.
    stimuli : ndarray of int64 or None
        Chosen stimuli; order and repetitions are not kept. None is all.
    """

    grid: PackedGrid
    neurons: NDArray[np.int64] | None = None
    stimuli: NDArray[np.int64] | None = None

    @cached_property
    def _heard_pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Stimulus and neuron of all pairs with data at the chosen stimuli."""
        grid, heard = self.grid, self.grid.pair_heard
        if self.stimuli is not None:
            chosen = np.zeros(grid.n_stimuli, bool)
            chosen[self.stimuli] = True
            heard = heard & chosen[grid.pair_stimulus]
        return grid.pair_stimulus[heard], grid.pair_neuron[heard]

    @cached_property
    def visible_neurons(self) -> NDArray[np.int64] | None:
        """Neurons that items hold, in order; None is all of the grid."""
        if self.stimuli is None:
            return self.neurons
        with_data = np.zeros(self.grid.n_neurons, bool)
        with_data[self._heard_pairs[1]] = True
        if self.neurons is None:
            return None if with_data.all() else np.flatnonzero(with_data)
        return self.neurons[with_data[self.neurons]]

    @cached_property
    def visible_stimuli(self) -> NDArray[np.int64]:
        """Stimuli that are iterated, ascending: chosen, and heard by a visible neuron."""
        stimulus, neuron = self._heard_pairs
        visible = self.visible_neurons
        if visible is not None:
            chosen = np.zeros(self.grid.n_neurons, bool)
            chosen[visible] = True
            stimulus = stimulus[chosen[neuron]]
        heard = np.zeros(self.grid.n_stimuli, bool)
        heard[stimulus] = True
        return np.flatnonzero(heard)

    @cached_property
    def positions_by_neurons(self) -> list[NDArray[np.int64]]:
        """Positions among the visible stimuli, grouped by which of the visible neurons heard them.

        Groups stand in the order of their first stimulus, positions ascending.
        """
        grid, visible = self.grid, self.visible_neurons
        chosen = np.ones(grid.n_neurons, bool)
        if visible is not None:
            chosen[:] = False
            chosen[visible] = True
        counts = grid.pair_heard & chosen[grid.pair_neuron]
        groups: dict[bytes, list[int]] = {}
        for position, stimulus in enumerate(self.visible_stimuli.tolist()):
            pairs = slice(int(grid.pair_start[stimulus]), int(grid.pair_start[stimulus + 1]))
            groups.setdefault(grid.pair_neuron[pairs][counts[pairs]].tobytes(), []).append(position)
        return [np.array(positions) for positions in groups.values()]
