"""Responses of NaN for neurons that did not hear what others of their group heard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.grid.pair_index import PairIndex
from deepstrf_hf.grid.shared import SharedArray
from deepstrf_hf.grid.storage import PackedGrid


def with_absent_sources(grid: PackedGrid, group_of: NDArray[np.int64]) -> PackedGrid:
    """Return a grid in which all neurons of a group heard what one of them heard, with as many trials everywhere.

    Parameters
    ----------
    grid : PackedGrid
        Stays as it is.
    group_of : ndarray of int64, shape (neurons,)
        Group of each neuron.

    Returns
    -------
    PackedGrid
        One buffer of float32 with all preprocessing done. A neuron has as many trials for every stimulus as it has
        for the one with the most; those that were not recorded are NaN.
    """
    most = np.zeros(grid.n_neurons, np.int64)
    np.maximum.at(most, grid.pair_neuron, grid.pair_trials)
    heard = np.zeros((grid.n_stimuli, int(group_of.max(initial=-1)) + 1), bool)
    heard[grid.pair_stimulus, group_of[grid.pair_neuron]] = True
    stimulus, neuron = np.nonzero(heard[:, group_of] & (most > 0))
    trials, bins = most[neuron], grid.bins[stimulus].astype(np.int64)
    index = PairIndex.of_pairs(stimulus, neuron, trials, bins, n_stimuli=grid.n_stimuli, n_neurons=grid.n_neurons)
    values = np.full(index.n_values, np.nan, np.float32)
    place = dict(zip(_pairs(stimulus, neuron), index.pair_offset.tolist(), strict=True))
    for number, pair in enumerate(_pairs(grid.pair_stimulus, grid.pair_neuron)):
        response = grid.pair_response(pair[0], number)
        values[place[pair] : place[pair] + response.size] = response.ravel()
    whole = PackedGrid.of_index(SharedArray(values), index, n_neurons=grid.n_neurons, dt_ms=grid.dt_ms)
    # Stimuli that nobody heard keep their bins.
    return replace(whole, bins=grid.bins)


def _pairs(stimulus: NDArray[Any], neuron: NDArray[Any]) -> list[tuple[int, int]]:
    return list(zip(stimulus.tolist(), neuron.tolist(), strict=True))
