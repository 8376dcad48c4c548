"""Arrays that worker processes share instead of copying them."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class SharedArray:
    """A flat array that is moved to shared memory when it is sent to another process.

    Workers that are forked see the parent's memory anyway. Where they are spawned, a data set is pickled for them by
    ``multiprocessing`` (which ``DataLoader`` uses): then the array goes to shared memory once, parent included, and
    only its handle is sent. An ordinary pickle, or a copy, holds the values.

    Parameters
    ----------
    array : ndarray, shape (values,)
        Values; copied if they are not contiguous.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = np.ascontiguousarray(array)
        self._tensor: torch.Tensor | None = None  # the same memory as bytes, once it is shared

    @property
    def array(self) -> NDArray[Any]:
        """The values, shape (values,)."""
        return self._array

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a value."""
        return self._array.dtype

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self._array.size)

    def part(self, begin: int, end: int) -> NDArray[Any]:
        """Return the values from one place to before another, as a view where they lie together."""
        return self._array[begin:end]

    @property
    def is_shared(self) -> bool:
        """Whether the values lie in memory that other processes can see."""
        return self._tensor is not None

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedArray, (self.array,)

    def share(self) -> torch.Tensor:
        """Move the values to shared memory, once, and return them as bytes; views given out before stay good."""
        if self._tensor is None:
            # As bytes: not every torch knows every NumPy type. Copied here, for torch lets go of the memory it is
            # given when it moves a tensor, whoever else may look at it.
            shared = torch.empty(self.size * self.dtype.itemsize, dtype=torch.uint8).share_memory_()
            values = shared.numpy().view(self.dtype)
            self._copy_to(values)
            self._array, self._tensor = values, shared
        return self._tensor

    def _copy_to(self, values: NDArray[Any]) -> None:
        values[:] = self._array


class GatheredArray(SharedArray):
    """Arrays that are used as one flat array, and stay where they are until it is sent to another process.

    Parameters
    ----------
    arrays : sequence of ndarray
        Contiguous, of one type.
    """

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._pieces: list[NDArray[Any]] | None = [array.reshape(-1) for array in arrays]
        self._begin = np.cumsum([0, *(piece.size for piece in self._pieces)])
        super().__init__(np.empty(0, self._pieces[0].dtype))

    @property
    def array(self) -> NDArray[Any]:
        """The values, shape (values,); copied together when first asked for."""
        if self._pieces is not None:
            values = np.empty(self.size, self.dtype)
            self._copy_to(values)
            self._array = values
        return self._array

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self._begin[-1])

    def part(self, begin: int, end: int) -> NDArray[Any]:
        """Return the values from one place to before another, as a view where they lie together."""
        if self._pieces is None:
            return self._array[begin:end]
        first = int(np.searchsorted(self._begin, begin, side="right")) - 1
        start = int(self._begin[first])
        if end <= self._begin[min(first + 1, len(self._pieces))] and first < len(self._pieces):
            return self._pieces[first][begin - start : end - start]
        last = int(np.searchsorted(self._begin, end, side="left"))
        return np.concatenate([self._array, *self._pieces[first:last]])[begin - start : end - start]

    def _copy_to(self, values: NDArray[Any]) -> None:
        if self._pieces is None:
            super()._copy_to(values)
            return
        for begin, piece in zip(self._begin.tolist(), self._pieces, strict=False):
            values[begin : begin + piece.size] = piece
        self._pieces = None


def _sent(array: SharedArray) -> tuple[Any, ...]:
    # There is nothing to share in an empty array, and no memory of no bytes.
    return (_received, (array.share(), array.dtype.str)) if array.size else array.__reduce__()


def _received(tensor: torch.Tensor, kind: str) -> SharedArray:
    received = SharedArray(tensor.numpy().view(kind))
    received._tensor = tensor
    return received


# Of all pickles, only those that go to another process of this machine are made by a ForkingPickler.
ForkingPickler.register(SharedArray, _sent)
ForkingPickler.register(GatheredArray, _sent)
