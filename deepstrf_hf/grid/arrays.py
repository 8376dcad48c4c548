"""Arrays in memory to the packed form of a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.array_input import entries, neurons_of_block, pair_named, real_numbers
from deepstrf_hf.grid.shared import GatheredArray
from deepstrf_hf.grid.storage import PackedGrid


def checked_stimuli(stims: Sequence[Any], waveform: bool) -> list[NDArray[np.float32]]:
    """Return stimuli as float32 (bands, bins), or (samples,) for waveforms; not copied where that is what they are.

    Raises
    ------
    GridError
        Another number of dimensions, no values, or no real numbers.
    """
    arrays, dimensions = [], 1 if waveform else 2
    # A stimulus given several times stays one. What was given is kept as well: one made on demand would be gone, and
    # the next one could have its id.
    known: dict[int, tuple[Any, NDArray[np.float32]]] = {}
    for index, stimulus in enumerate(entries(stims, "stims", "stimulus")):
        if id(stimulus) in known:
            arrays.append(known[id(stimulus)][1])
            continue
        array = np.asarray(real_numbers(stimulus, f"stimulus {index}", "A stimulus must be real numbers"), np.float32)
        if array.ndim == dimensions + 1 and array.shape[0] == 1:
            array = array[0]
        if array.ndim != dimensions:
            raise GridError(
                "A stimulus has the wrong number of dimensions",
                field=f"stimulus {index}",
                found=f"shape {array.shape}",
                expected="(samples,) or (1, samples)" if waveform else "(bands, bins) or (1, bands, bins)",
                mend=None if waveform else "waveforms need audio_fs=...",
            )
        if not array.size:
            raise GridError("A stimulus has no values", field=f"stimulus {index}", found=f"shape {array.shape}")
        known[id(stimulus)] = stimulus, array
        arrays.append(array)
    return arrays


def pack_responses(
    responses: Sequence[Any] | Mapping[tuple[int, int], Any],
    n_stimuli: int,
    n_neurons: int | None,
    dt_ms: float,
    *,
    copy: bool = True,
) -> PackedGrid:
    """Put responses into one buffer.

    Parameters
    ----------
    responses : sequence or mapping
        As in `NeuralDataset.from_arrays`.
    n_stimuli : int
        Number of stimuli.
    n_neurons : int, optional
        Number of neurons; found out if not given.
    dt_ms : float
        Bin width, ms.
    copy : bool
        Whether arrays of a whole stimulus are copied together, or stay where they lie.

    Raises
    ------
    GridError
        Rows of different length, indices that are no integers or out of range, or a response that is not (trials,
        bins).
    """
    if isinstance(responses, Mapping):
        pairs = sorted((*pair_named(key), key) for key in responses)
        if n_neurons is None:
            n_neurons = 1 + max((neuron for _, neuron, _ in pairs), default=-1)
        for stimulus, neuron, _ in pairs:
            if not (0 <= stimulus < n_stimuli and 0 <= neuron < n_neurons):
                raise GridError(
                    "A pair lies outside the grid",
                    found=(stimulus, neuron),
                    expected=f"{n_stimuli} stimuli, {n_neurons} neurons",
                )
        blocks = _recorded((stimulus, neuron, responses[key]) for stimulus, neuron, key in pairs)
    else:
        responses = entries(responses, "responses", "stimulus")
        if len(responses) != n_stimuli:
            raise GridError("Responses do not fit the stimuli", found=f"{len(responses)} rows", expected=n_stimuli)
        rows = [
            row if _is_some_neurons(row) else entries(row, f"responses to stimulus {index}", "neuron")
            for index, row in enumerate(responses)
        ]
        n_neurons = _count_neurons(rows, n_neurons)
        blocks = _blocks(rows, n_neurons)
    arrays, columns = [], []
    for index, neurons, array in blocks:
        arrays.append(array)
        one = np.ones(len(neurons), np.int64)
        columns.append((one * index, neurons, one * array.shape[1], one * array.shape[2]))
    kind = np.result_type(*{array.dtype for array in arrays}) if arrays else np.dtype(np.float32)
    if kind.kind not in "ui" or kind.itemsize > 2:
        kind = np.dtype(np.float32)
    # Pairs one by one are always copied: so many arrays would cost more than their values.
    together = copy or len(arrays) > n_stimuli
    values, begin, pieces = np.empty(sum(array.size for array in arrays) if together else 0, kind), 0, []
    for array, column in zip(arrays, columns, strict=True):
        with np.errstate(over="ignore"):  # what does not fit is found below
            if together:
                here = values[begin : begin + array.size]
                here[:] = array.ravel()
            else:
                here = np.ascontiguousarray(array, kind)
                pieces.append(here)
        if array.dtype.kind == "f" and array.itemsize > kind.itemsize and np.isinf(here).any():
            raise GridError(
                "A response holds values beyond float32",
                field=f"stimulus {column[0][0]}, neuron {column[1][0]}" + (" and others" if len(column[1]) > 1 else ""),
                mend="give it another unit",
            )
        begin += array.size
    none = (np.empty(0, np.int64),) * 4
    return PackedGrid.from_pairs(
        GatheredArray(pieces) if pieces else values,
        *map(np.concatenate, zip(none, *columns, strict=True)),
        n_stimuli=n_stimuli,
        n_neurons=n_neurons,
        dt_ms=dt_ms,
    )


def _is_array(row: Any) -> bool:
    return getattr(row, "ndim", 0) == 3


def _is_some_neurons(row: Any) -> bool:
    return isinstance(row, tuple) and len(row) == 2 and _is_array(row[1])


def _count_neurons(rows: Sequence[Any], n_neurons: int | None) -> int:
    """Return the number of neurons that all rows agree on.

    Raises
    ------
    GridError
        They do not agree.
    """
    widths, last = set(), -1
    for stimulus, row in enumerate(rows):
        if _is_some_neurons(row):
            last = max([last, *neurons_of_block(row[0], stimulus).tolist()])
        else:
            widths.add(len(row))
    if n_neurons is None:
        n_neurons = max(widths) if widths else 1 + last
    if widths - {n_neurons}:
        raise GridError(
            "A row of responses does not have one entry per neuron",
            found=f"rows of {sorted(widths)} entries",
            expected=f"{n_neurons} neurons",
            mend="put None where a neuron did not hear a stimulus",
        )
    return n_neurons


Block = tuple[int, NDArray[np.int64], NDArray[Any]]
"""A stimulus, some neurons, and their responses (neurons, trials, bins)."""


def _blocks(rows: Sequence[Any], n_neurons: int) -> Iterator[Block]:
    """Yield what was recorded, stimulus by stimulus."""
    for stimulus, row in enumerate(rows):
        if _is_some_neurons(row):
            neurons = neurons_of_block(row[0], stimulus)
            if len(neurons) and neurons.max() >= n_neurons:
                raise GridError(
                    "No neuron has this index",
                    field=f"stimulus {stimulus}",
                    found=int(neurons.max()),
                    expected=f"{n_neurons} neurons, counted from 0",
                )
            if len(neurons) != len(row[1]):
                raise GridError(
                    "Responses do not fit the neurons they are of",
                    field=f"stimulus {stimulus}",
                    found=f"{len(row[1])} responses",
                    expected=f"{len(neurons)} neurons",
                )
            yield from _recorded_of_array(stimulus, neurons, row[1])
        elif _is_array(row):
            yield from _recorded_of_array(stimulus, np.arange(n_neurons), row)
        else:
            yield from _recorded((stimulus, neuron, response) for neuron, response in enumerate(row))


def _recorded_of_array(stimulus: int, neurons: NDArray[np.int64], responses: Any) -> Iterator[Block]:
    """Yield the neurons of an array that are not NaN throughout."""
    field = f"stimulus {stimulus}"
    array = real_numbers(responses, field, "Responses must be (neurons, trials, bins) numbers")
    if 0 in array.shape[1:]:
        raise GridError("Responses must be (neurons, trials, bins) numbers", field=field, found=f"shape {array.shape}")
    if array.dtype.kind == "f":
        if np.isinf(array).any():
            raise GridError("A response holds infinite values", field=field, mend="a missing sample is NaN")
        there = ~np.isnan(array).all(axis=(1, 2))
        if not there.all():
            neurons, array = neurons[there], array[there]
    if len(neurons):
        yield stimulus, neurons, array


def _recorded(pairs: Iterator[tuple[int, int, Any]]) -> Iterator[Block]:
    """Yield the pairs that were recorded, each as an array of one neuron."""
    for stimulus, neuron, response in pairs:
        if response is None:
            continue
        field = f"stimulus {stimulus}, neuron {neuron}"
        array = real_numbers(response, field, "A response must be (trials, bins) numbers")
        if array.ndim != 2 or 0 in array.shape:
            raise GridError(
                "A response must be (trials, bins) numbers", field=field, found=f"{array.dtype} of shape {array.shape}"
            )
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise GridError("A response holds infinite values", field=field, mend="a missing sample is NaN")
        if array.shape == (1, 1) and array.dtype.kind == "f" and np.isnan(array[0, 0]):
            continue
        yield stimulus, np.array([neuron]), array[None]
