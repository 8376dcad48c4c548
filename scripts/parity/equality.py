"""Nested results compared number by number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def leaves(values: Any) -> Iterator[NDArray[np.float64]]:
    """Yield all numbers in nested mappings and sequences as arrays, mappings in the order of their keys."""
    if isinstance(values, Mapping):
        for key in sorted(values):
            yield from leaves(values[key])
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from leaves(value)
    else:
        yield np.atleast_1d(np.asarray(values.detach() if torch.is_tensor(values) else values, np.float64))


def compared(ours: Any, theirs: Any) -> dict[str, Any]:
    """Compare two nested results.

    Parameters
    ----------
    ours, theirs : nested mappings and sequences of numbers, arrays and tensors
        The results.

    Returns
    -------
    dict
        ``values``: how many numbers there are; ``finite``: how many of them are finite; ``largest_difference``:
        relative to the larger of the two numbers, or to 1 where both are smaller; infinite where shapes differ, or
        the places of NaN and infinities.
    """
    pairs = list(zip(leaves(ours), leaves(theirs), strict=False))
    said = {
        "values": sum(other.size for other in leaves(theirs)),
        "finite": sum(int(np.isfinite(other).sum()) for other in leaves(theirs)),
        "largest_difference": math.inf,
    }
    if [mine.shape for mine in leaves(ours)] == [other.shape for other in leaves(theirs)]:
        said["largest_difference"] = max((largest_difference(*pair) for pair in pairs), default=0.0)
    return said


def largest_difference(mine: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the largest difference of two arrays of one shape, as in `compared`."""
    unlike = ~((mine == other) | (np.isnan(mine) & np.isnan(other)))
    left, right = mine[unlike], other[unlike]
    if not np.isfinite([left, right]).all():
        return math.inf
    scale = np.maximum(np.maximum(np.abs(left), np.abs(right)), 1)
    return float((np.abs(left - right) / scale).max(initial=0.0))
