"""What users give in place of arrays: numbers, lists of them, and names of pairs, checked one by one."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError


def real_numbers(values: Any, field: str, problem: str) -> NDArray[Any]:
    """Return values as an array of real numbers.

    Raises
    ------
    GridError
        With the problem given: text, complex numbers, rows of unequal length, or a tensor of a type that NumPy lacks.
    """
    if hasattr(values, "detach"):  # a tensor that belongs to a model, or lies elsewhere
        values = values.detach().cpu()
    try:
        array = np.asarray(values)
    except TypeError as error:
        raise GridError(problem, field=field, found=error, expected="real numbers") from error
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


def entries(several: Any, field: str, kind: str) -> Sequence[Any]:
    """Return what was given for every stimulus or neuron as a sequence.

    Raises
    ------
    GridError
        It is no list, as None and a number are none.
    """
    try:
        return several if hasattr(several, "__len__") and len(several) >= 0 else list(several)
    except TypeError as error:
        raise GridError(
            f"A list or array of one entry per {kind} is needed", field=field, found=repr(several)
        ) from error


def pair_named(key: Any) -> tuple[int, int]:
    """Return the stimulus and neuron that a key of a mapping names.

    Raises
    ------
    GridError
        Not two integers.
    """
    try:
        stimulus, neuron = key
        if isinstance(stimulus, bool) or isinstance(neuron, bool):
            raise TypeError
        return operator.index(stimulus), operator.index(neuron)
    except (TypeError, ValueError) as error:
        raise GridError(
            "Responses in a mapping must be named by (stimulus, neuron)", found=repr(key), expected="two integers"
        ) from error


def neurons_of_block(neurons: Any, stimulus: int) -> NDArray[np.int64]:
    """Return the neurons that the responses of a block are of.

    Raises
    ------
    GridError
        Not a list of integers from 0 on.
    """
    field, problem = f"stimulus {stimulus}", "Neurons of a block of responses must be numbered from 0"
    array = real_numbers(neurons, field, problem)
    if array.ndim != 1 or (array.size and (array.dtype.kind not in "ui" or array.min() < 0)):
        raise GridError(problem, field=field, found=repr(neurons), expected="a list of integers")
    return array.astype(np.int64)
