"""Batches: items padded to one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.response_buffer import Rows
from deepstrf_hf.grid.views import ItemResponses


def neural_collate(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch of items of a `NeuralDataset`.

    Parameters
    ----------
    items : sequence of mapping
        Items with ``stims``, ``responses`` and ``stim_meta``; other keys are passed on as lists.

    Returns
    -------
    dict
        ``stims``: float32 (B, 1, bands, bins) or (B, 1, samples), zero-padded on the right.
        ``responses``: float32 (B, neurons, trials, bins), NaN where nothing was recorded.
        ``valid_mask``: bool, the same shape, True where there is a value.
        ``stim_meta`` and any other key: list of B entries, None where an item lacks the key.

    Raises
    ------
    GridError
        No items, or items whose stimuli or neurons cannot stand in one batch.
    """
    if not items:
        raise GridError("A batch needs one item at least", field="items", found="none")
    responses, valid = _responses([item["responses"] for item in items])
    stimuli = [torch.as_tensor(item["stims"], dtype=torch.float32) for item in items]
    batch = {"stims": _stimuli(stimuli), "responses": responses, "valid_mask": valid}
    keys = dict.fromkeys(key for item in items for key in item if key not in batch)
    return batch | {key: [item.get(key) for item in items] for key in keys}


def collate_heard_neurons(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch that holds only the neurons with data in it.

    Parameters
    ----------
    items : sequence of mapping
        As for `neural_collate`.

    Returns
    -------
    dict
        As from `neural_collate`, with fewer neurons in ``responses`` and ``valid_mask``, and ``neurons``: int64
        tensor, which of the selected neurons (of ``dataset.get_nrn_meta()``) they are.

    Raises
    ------
    GridError
        As `neural_collate`.
    """
    if not items:
        raise GridError("A batch needs one item at least", field="items", found="none")
    counts = {len(item["responses"]) for item in items}
    if len(counts) > 1:
        raise GridError("Items of different selections of neurons cannot stand in one batch", found=sorted(counts))
    heard = np.zeros(counts.pop(), bool)
    for item in items:
        heard |= _heard(item["responses"])
    neurons = np.flatnonzero(heard)
    batch = neural_collate([{**item, "responses": _only(item["responses"], neurons)} for item in items])
    return {**batch, "neurons": torch.from_numpy(neurons)}


def _heard(responses: Any) -> NDArray[np.bool_]:
    if isinstance(responses, ItemResponses):
        return responses.heard
    return np.array([bool(torch.isfinite(torch.as_tensor(response)).any()) for response in responses], bool)


def _only(responses: Any, neurons: NDArray[np.int64]) -> Any:
    if isinstance(responses, ItemResponses):
        return responses.only(neurons)
    return [responses[neuron] for neuron in neurons.tolist()]


def _stimuli(stimuli: Sequence[torch.Tensor]) -> torch.Tensor:
    shapes = {tuple(stimulus.shape[:-1]) for stimulus in stimuli}
    if len(shapes) > 1:
        raise GridError(
            "Stimuli of different kinds or numbers of bands cannot stand in one batch", found=sorted(shapes)
        )
    length = max(stimulus.shape[-1] for stimulus in stimuli)
    shape = (len(stimuli), *stimuli[0].shape[:-1], length)
    if all(map(_is_plain, stimuli)):  # as they come from a grid: copied by NumPy, for the reason given below
        equal = all(stimulus.shape[-1] == length for stimulus in stimuli)
        array = np.empty(shape, np.float32) if equal else np.zeros(shape, np.float32)
        for to, stimulus in zip(array, stimuli, strict=True):
            to[..., : stimulus.shape[-1]] = stimulus.numpy()
        return torch.from_numpy(array)
    batch = torch.zeros(shape, dtype=stimuli[0].dtype, device=stimuli[0].device)
    for place, stimulus in zip(batch, stimuli, strict=True):
        place[..., : stimulus.shape[-1]] = stimulus
    return batch


def _is_plain(stimulus: torch.Tensor) -> bool:
    return stimulus.dtype == torch.float32 and stimulus.device.type == "cpu" and not stimulus.requires_grad


def _responses(responses: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    neurons = {len(response) for response in responses}
    if len(neurons) > 1:
        raise GridError("Items of different selections of neurons cannot stand in one batch", found=sorted(neurons))
    n_neurons = neurons.pop()
    pieces = [_piece(response, n_neurons) for response in responses]
    # An item nobody heard counts one bin, as its missing responses do.
    shape = (
        len(pieces),
        n_neurons,
        max([1, *(piece.trials for piece in pieces)]),
        max([1, *(piece.bins for piece in pieces)]),
    )
    full = all(piece.full and (piece.trials, piece.bins) == shape[2:] for piece in pieces)
    batch = np.empty(shape, np.float32) if full else np.full(shape, np.nan, np.float32)
    for place, piece in zip(batch, pieces, strict=True):
        piece.put(place)
    whole = full and all(isinstance(response, ItemResponses) and response.never_nan for response in responses)
    # NumPy and not torch: a batch is bound by memory, and torch's threads wait for cores that other workers use.
    if whole:
        valid = np.ones(shape, bool)
    else:
        valid = np.isnan(batch)
        np.logical_not(valid, out=valid)
    return torch.from_numpy(batch), torch.from_numpy(valid)


class _Piece(NamedTuple):
    """One item's share of a batch.

    Parameters
    ----------
    trials, bins : int
        Largest number of trials of a neuron, and bins; 0 where nobody heard the item.
    full : bool
        Whether every neuron has that many trials.
    put : callable
        Writes the responses into the item's place in the batch, (neurons, trials, bins).
    """

    trials: int
    bins: int
    full: bool
    put: Callable[[NDArray[np.float32]], None]


def _piece(responses: Any, n_neurons: int) -> _Piece:
    block = responses.block() if isinstance(responses, ItemResponses) else None
    if block is not None:
        neurons, stored = block
        _, trials, bins = stored.shape
        everybody = len(neurons) == n_neurons

        def put_block(place: NDArray[np.float32]) -> None:
            if everybody:
                np.copyto(place[:, :trials, :bins], stored)
            else:
                place[neurons, :trials, :bins] = stored

        return _Piece(trials, bins, everybody, put_block)
    rows = responses.rows() if isinstance(responses, ItemResponses) else _rows_of_list(responses)
    if not len(rows.trial):
        return _Piece(0, 0, False, lambda place: None)
    trials, bins = int(rows.trial.max()) + 1, rows.stored.shape[1]
    full = len(rows.trial) == n_neurons * trials

    def put_rows(place: NDArray[np.float32]) -> None:
        target = place.reshape(-1, bins) if full and place.shape[1:] == (trials, bins) else None
        for which, values in rows.blocks():
            if target is None:
                place[rows.neuron[which], rows.trial[which], :bins] = values
            else:
                target[which] = values

    return _Piece(trials, bins, full, put_rows)


def _rows_of_list(responses: Sequence[torch.Tensor]) -> Rows:
    """Take apart a plain list of (trials, bins) tensors, (1, 1) NaN where nothing was recorded."""
    arrays = [np.asarray(response, np.float32) for response in responses]
    present = [index for index, array in enumerate(arrays) if array.shape != (1, 1) or not np.isnan(array[0, 0])]
    lengths = {arrays[index].shape[1] for index in present}
    bins = max(lengths, default=1)
    counts = [arrays[index].shape[0] for index in present]
    values = np.full((sum(counts), bins), np.nan, np.float32)
    trial: NDArray[np.int64] = np.concatenate([np.arange(count) for count in counts] or [np.empty(0, np.int64)])
    begin = 0
    for index, count in zip(present, counts, strict=True):
        values[begin : begin + count, : arrays[index].shape[1]] = arrays[index]
        begin += count
    return Rows(values, np.repeat(np.array(present, np.int64), counts), trial, prepare=lambda which: values[which])
