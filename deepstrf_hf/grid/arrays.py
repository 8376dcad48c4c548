"""Arrays in memory to the packed form of a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.storage import PackedGrid
from deepstrf_hf.responses.preprocessing import ResponseStep


def pack_stimuli(stims: Sequence[Any], waveform: bool) -> list[NDArray[np.float32]]:
    """Return stimuli as float32 (bands, bins), or (samples,) for waveforms.

    Raises
    ------
    GridError
        Another number of dimensions.
    """
    arrays, dimensions = [], 1 if waveform else 2
    for index, stimulus in enumerate(stims):
        # A copy: what the caller does to the original later must not get past validation.
        array = np.array(_numbers(stimulus, f"stimulus {index}", "A stimulus must be real numbers"), np.float32)
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
        arrays.append(array)
    return arrays


def pack_responses(
    responses: Sequence[Sequence[Any]] | Mapping[tuple[int, int], Any],
    n_stimuli: int,
    n_neurons: int | None,
    dt_ms: float,
    steps: tuple[ResponseStep, ...],
) -> PackedGrid:
    """Put responses into one buffer.

    Parameters
    ----------
    responses : nested sequence or mapping
        As in `NeuralDataset.from_arrays`.
    n_stimuli : int
        Number of stimuli.
    n_neurons : int, optional
        Number of neurons; taken from a nested sequence where it is not given.
    dt_ms : float
        Bin width, ms.
    steps : tuple of ResponseStep
        Preprocessing.

    Raises
    ------
    GridError
        Rows of different length, indices out of range, or a response that is not (trials, bins).
    """
    if isinstance(responses, Mapping):
        if n_neurons is None:
            n_neurons = 1 + max((neuron for _, neuron in responses), default=-1)
        outside = [pair for pair in responses if not (0 <= pair[0] < n_stimuli and 0 <= pair[1] < n_neurons)]
        if outside:
            raise GridError(
                "A pair lies outside the grid", found=outside[0], expected=f"{n_stimuli} stimuli, {n_neurons} neurons"
            )
        pairs = ((int(s), int(n), responses[s, n]) for s, n in sorted(responses))
    else:
        if len(responses) != n_stimuli:
            raise GridError("Responses do not fit the stimuli", found=f"{len(responses)} rows", expected=n_stimuli)
        widths = {len(row) for row in responses}
        if n_neurons is None:
            n_neurons = max(widths, default=0)
        if widths - {n_neurons}:
            raise GridError(
                "A row of responses does not have one entry per neuron",
                found=f"rows of {sorted(widths)} entries",
                expected=f"{n_neurons} neurons",
                mend="put None where a neuron did not hear a stimulus",
            )
        pairs = ((s, n, response) for s, row in enumerate(responses) for n, response in enumerate(row))
    arrays, places = [], []
    for stimulus, neuron, array in _recorded(pairs):
        arrays.append(array)
        places.append((stimulus, neuron, *array.shape))
    columns = np.array(places, np.int64).reshape(-1, 4).T
    kind = np.result_type(*arrays) if arrays else np.dtype(np.float32)
    if kind.kind not in "ui" or kind.itemsize > 2:
        kind = np.dtype(np.float32)
    flat = [array.ravel() for array in arrays]
    return PackedGrid.from_pairs(
        np.concatenate(flat).astype(kind, copy=False) if flat else np.empty(0, kind),
        *columns,
        n_stimuli=n_stimuli,
        n_neurons=n_neurons,
        dt_ms=dt_ms,
        steps=steps,
    )


def _recorded(pairs: Iterator[tuple[int, int, Any]]) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yield the pairs that were recorded, as arrays."""
    for stimulus, neuron, response in pairs:
        if response is None:
            continue
        field = f"stimulus {stimulus}, neuron {neuron}"
        array = _numbers(response, field, "A response must be (trials, bins) numbers")
        if array.ndim != 2 or 0 in array.shape:
            raise GridError(
                "A response must be (trials, bins) numbers", field=field, found=f"{array.dtype} of shape {array.shape}"
            )
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise GridError("A response holds infinite values", field=field, mend="a missing sample is NaN")
        if array.shape == (1, 1) and array.dtype.kind == "f" and np.isnan(array[0, 0]):
            continue
        yield stimulus, neuron, array


def _numbers(values: Any, field: str, problem: str) -> NDArray[Any]:
    """Return values as an array of real numbers.

    Raises
    ------
    GridError
        With the problem given: text, complex numbers, or rows of unequal length.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise GridError(
            problem,
            field=field,
            found="rows of different lengths",
            mend="pad them; a missing sample of a response is NaN",
        ) from error
    if array.dtype.kind not in "uifb":
        raise GridError(problem, field=field, found=f"{array.dtype} of shape {array.shape}", expected="real numbers")
    return array
