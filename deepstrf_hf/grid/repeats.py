"""Neurons as repeats: recordings of several subjects, or channels, as trials of one."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.absent_sources import with_absent_sources
from deepstrf_hf.grid.conditions import plain, same_value
from deepstrf_hf.grid.dataset import NeuralDataset
from deepstrf_hf.grid.indexing import require_key
from deepstrf_hf.grid.quality import QUALITIES
from deepstrf_hf.grid.response_buffer import ResponseBuffer
from deepstrf_hf.grid.selection import Selection
from deepstrf_hf.grid.shared import SharedArray
from deepstrf_hf.grid.storage import PackedGrid

OF_RESPONSES = frozenset({"n_stimuli", "n_trials", "mean_response", "response_min", "response_max", *QUALITIES})
"""Metadata worked out from the responses of a neuron, which those of a merged one no longer are."""


MISSING = ("leave_out", "nan")


def merge_as_trials(dataset: NeuralDataset, by: str, *, missing: str = "leave_out") -> NeuralDataset:
    """Merge neurons that share an attribute into one, their responses becoming its trials.

    For EEG, where the same channel of every subject repeats the same measurement: ``merge_as_trials(dataset,
    "channel")`` has one neuron per channel and as many trials as subjects. Trials stand in the order of the neurons
    they come from. Every neuron of the grid takes part, selected or not; all stimuli are selected afterwards, and all
    neurons.

    Parameters
    ----------
    dataset : NeuralDataset
        Stays as it is.
    by : str
        Attribute of the neurons; those that lack it, or whose value is None or NaN, stay alone.
    missing : str
        A source without data for a stimulus that another source heard: ``"leave_out"`` has fewer trials there;
        ``"nan"`` has trials of NaN, so that trial r is of the same source (``merged[r]``, where each has one trial)
        everywhere, as deepSTRF 0.1.0's ``treat_subjects_as="repeats"``. Whole numbers become float32 then.

    Returns
    -------
    NeuralDataset
        Of the same class. A merged neuron keeps the metadata on which all its sources agree, but for coverage and
        quality (``n_trials``, ``snr`` …), which are those of the sources; ``neuron_id``, where they have one, becomes
        the value it was merged by, ``merged`` lists the ids (or numbers) of its sources, and ``n_merged`` says how
        many there were. Values are copied; transforms that differ from neuron to neuron are done before merging.

    Raises
    ------
    UnknownNameError
        No neuron has the attribute.
    ParameterError
        Values that cannot name a neuron, such as lists; two merged neurons that would have the same id; another word
        for `missing`.
    """
    if missing not in MISSING:
        raise ParameterError(
            "Unknown way to treat missing sources",
            field="missing",
            found=repr(missing),
            expected=" or ".join(map(repr, MISSING)),
        )
    require_key(dataset.nrn_meta, by, "neuron")
    groups: dict[Any, list[int]] = {}
    for index, entry in enumerate(dataset.nrn_meta):
        value = plain(entry.get(by))
        if isinstance(value, (Mapping, Set, list)):
            raise ParameterError(
                "Neurons cannot be merged by this attribute", field=by, found=repr(value), expected="text or numbers"
            )
        alone = _absent(value)
        groups.setdefault((alone, isinstance(value, bool), index if alone else value), []).append(index)
    group_of = np.empty(dataset.N_neurons, np.int64)
    for place, members in enumerate(groups.values()):
        group_of[members] = place
    merged = copy.copy(dataset)
    merged.nrn_meta = [_merged_metadata(dataset.nrn_meta, members, by) for members in groups.values()]
    merged.stim_meta = [dict(entry) for entry in dataset.stim_meta]
    _refuse_equal_ids(merged.nrn_meta, by)
    source = with_absent_sources(dataset._grid, group_of) if missing == "nan" else dataset._grid
    grid = _merged_grid(source, group_of, len(groups))
    merged.response_normalization = None  # it was of the neurons before
    merged._selection = Selection(grid)
    merged._replace_grid(grid)
    return merged


def _merged_grid(grid: PackedGrid, group_of: np.ndarray, n_groups: int) -> PackedGrid:
    """Return a grid in which the pairs of a stimulus with neurons of one group are one pair."""
    group = group_of[grid.pair_neuron]
    order = np.lexsort((grid.pair_neuron, group, grid.pair_stimulus))
    stimulus, group = grid.pair_stimulus[order], group[order]
    first = np.flatnonzero(np.append(True, (stimulus[1:] != stimulus[:-1]) | (group[1:] != group[:-1]))[: len(order)])
    trials = np.add.reduceat(grid.pair_trials[order].astype(np.int64), first) if len(first) else first
    bins = grid.bins[stimulus[first]].astype(np.int64)
    start = np.searchsorted(stimulus[first], np.arange(grid.n_stimuli + 1)).astype(np.int64)
    offset = np.zeros(len(first), np.int64)
    buffers = []
    pair_buffer = grid.stimulus_buffer[grid.pair_stimulus]
    for index, buffer in enumerate(grid.buffers):
        mine = np.flatnonzero(pair_buffer[order] == index)
        pairs = order[mine]
        values = _stacked(grid, buffer, pairs)
        sizes = (trials * bins)[pair_buffer[order][first] == index]
        offset[pair_buffer[order][first] == index] = np.cumsum(sizes) - sizes
        steps = () if buffer.knows_neurons else buffer.steps
        buffers.append(ResponseBuffer(SharedArray(values), buffer.dt_ms, steps))
    return replace(
        grid,
        buffers=tuple(buffers),
        pair_start=start,
        pair_neuron=group[first].astype(np.int32),
        pair_offset=offset,
        pair_trials=trials.astype(np.int32),
        n_neurons=n_groups,
    )


def _stacked(grid: PackedGrid, buffer: ResponseBuffer, pairs: np.ndarray) -> np.ndarray:
    """Return the responses of some pairs of a buffer back to back: stored, or preprocessed where it must be now."""
    stimuli = grid.pair_stimulus[pairs]
    sizes = grid.pair_trials[pairs].astype(np.int64) * grid.bins[stimuli]
    kind = np.dtype(np.float32) if buffer.knows_neurons else buffer.dtype
    values, begin = np.empty(int(sizes.sum()), kind), 0
    for pair, stimulus, size in zip(pairs.tolist(), stimuli.tolist(), sizes.tolist(), strict=True):
        if buffer.knows_neurons:
            values[begin : begin + size] = grid.pair_response(stimulus, pair).ravel()
        else:
            offset = int(grid.pair_offset[pair])
            values[begin : begin + size] = buffer.shared.part(offset, offset + size)
        begin += size
    return values


def _merged_metadata(nrn_meta: Sequence[Mapping[str, Any]], members: Sequence[int], by: str) -> dict[str, Any]:
    """Return what all of some neurons agree on, and who they are."""
    entries = [nrn_meta[index] for index in members]
    agreed = {
        key: value
        for key, value in entries[0].items()
        if all(key in entry and same_value(plain(entry[key]), plain(value)) for entry in entries[1:])
        and not (key in OF_RESPONSES and len(members) > 1)
    }
    value = plain(entries[0].get(by))
    if not _absent(value) and all("neuron_id" in entry for entry in entries):
        agreed["neuron_id"] = str(value)
    names = [entry.get("neuron_id", index) for entry, index in zip(entries, members, strict=True)]
    return {**agreed, "merged": names, "n_merged": len(members)}


def _absent(value: Any) -> bool:
    return value is None or bool(value != value)  # NaN differs from itself


def _refuse_equal_ids(nrn_meta: Sequence[Mapping[str, Any]], by: str) -> None:
    """Refuse merged neurons of the same id, such as those of channels 1 and "1"."""
    ids = Counter(entry["neuron_id"] for entry in nrn_meta if "neuron_id" in entry)
    for entry in nrn_meta:
        if ids[entry.get("neuron_id")] > 1:
            raise ParameterError(
                "Two neurons would have the same id after merging",
                field=by,
                found=entry["neuron_id"],
                mend="give neurons that belong together the same value, and the others another",
            )
