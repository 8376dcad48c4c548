"""Neurons that heard the same stimuli, bin by bin: their receptive fields share one decomposition."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from deepstrf_hf.grid.dataset import NeuralDataset

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Group:
    """Neurons, and the bins of the stimuli in which all of them have a response.

    Parameters
    ----------
    neurons : ndarray of int64
        Their positions in the grid.
    bins : mapping of int to ndarray of bool
        By stimulus, in ascending order of ``stim_id``: whether each of its bins has a response in any trial. A
        stimulus without any such bin is not in it.
    """

    neurons: NDArray[np.int64]
    bins: Mapping[int, NDArray[np.bool_]]


def joined_bins(values: NDArray[Any], stored_per_bin: int) -> Float:
    """Average runs of bins, float64 (..., bins // stored_per_bin); a run with a missing sample is missing."""
    n_bins = values.shape[-1] // stored_per_bin
    runs = values[..., : n_bins * stored_per_bin].reshape(*values.shape[:-1], n_bins, stored_per_bin)
    return np.asarray(runs.mean(axis=-1, dtype=np.float64))


def trials_of(grid: NeuralDataset, stimulus: int, neurons: NDArray[np.int64], stored_per_bin: int) -> Float:
    """Return responses to a stimulus in fitted bins.

    Parameters
    ----------
    grid : NeuralDataset
        The grid.
    stimulus : int
        Position of the stimulus.
    neurons : ndarray of int64
        Positions of neurons that heard it.
    stored_per_bin : int
        Stored bins that are averaged to one.

    Returns
    -------
    ndarray of float64, shape (neurons, trials, bins)
        NaN where a neuron has no such trial, or a sample is missing.
    """
    rows = grid.responses[stimulus].only(neurons).rows()
    n_bins = rows.stored.shape[1] // stored_per_bin
    trials = np.full((len(neurons), int(rows.trial.max()) + 1, n_bins), np.nan)
    for which, block in rows.blocks():
        trials[rows.neuron[which], rows.trial[which]] = joined_bins(block, stored_per_bin)
    return trials


def mean_over_trials(trials: Float) -> Float:
    """Average the trials that are there, (neurons, bins) of (neurons, trials, bins); NaN where none is."""
    there = np.isfinite(trials)
    counts = there.sum(axis=1)
    total = np.where(there, trials, 0.0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def groups_of(grid: NeuralDataset, stored_per_bin: int) -> list[Group]:
    """Divide the neurons that heard anything by what they heard.

    A stimulus of which a neuron has no bin counts as not heard.
    """
    heard = grid.nrn_masks.numpy()
    order = sorted(range(grid.get_S()), key=lambda stimulus: grid.stim_meta[stimulus]["stim_id"])
    same: dict[bytes, list[int]] = {}
    for neuron in range(heard.shape[1]):
        same.setdefault(heard[:, neuron].tobytes(), []).append(neuron)
    groups: list[Group] = []
    for neurons in same.values():
        stimuli = [stimulus for stimulus in order if heard[stimulus, neurons[0]]]
        groups += _by_missing_bins(grid, stimuli, np.array(neurons, np.int64), stored_per_bin)
    return groups


def _by_missing_bins(
    grid: NeuralDataset, stimuli: list[int], neurons: NDArray[np.int64], stored_per_bin: int
) -> Iterator[Group]:
    """Divide neurons that heard the same stimuli by the bins in which they lack a response."""
    if all(grid.responses[stimulus].never_nan for stimulus in stimuli):
        lengths = {stimulus: grid.stims[stimulus].shape[-1] // stored_per_bin for stimulus in stimuli}
        bins = {stimulus: np.ones(length, bool) for stimulus, length in lengths.items() if length}
        if bins:
            yield Group(neurons, bins)
        return
    digests = [hashlib.sha256() for _ in neurons]
    for stimulus in stimuli:
        there = np.asarray(np.isfinite(trials_of(grid, stimulus, neurons, stored_per_bin)).any(axis=1))
        for digest, row in zip(digests, there, strict=True):
            digest.update(np.packbits(row).tobytes())
    alike: dict[bytes, list[int]] = {}
    for neuron, digest in zip(neurons.tolist(), digests, strict=True):
        alike.setdefault(digest.digest(), []).append(neuron)
    for members in alike.values():
        first = np.array(members[:1], np.int64)
        there_of = {
            stimulus: np.isfinite(trials_of(grid, stimulus, first, stored_per_bin)[0]).any(axis=0)
            for stimulus in stimuli
        }
        bins = {stimulus: there for stimulus, there in there_of.items() if there.any()}
        if bins:
            yield Group(np.array(members, np.int64), bins)
