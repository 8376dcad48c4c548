"""Arrays that worker processes share instead of copying them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class SharedArray:
    """A flat array that is moved to shared memory when it is sent to another process.

    Workers that are forked see the parent's memory anyway. Where they are spawned, a data set is pickled; sent by way
    of ``torch.multiprocessing`` (which ``DataLoader`` uses) the array goes to shared memory once, parent included, and
    only its handle is sent. An ordinary pickle holds the values.

    Parameters
    ----------
    array : ndarray, shape (values,)
        Values, C-contiguous and writable.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self._tensor: torch.Tensor | None = None  # the same memory, once it was asked to travel

    @property
    def array(self) -> NDArray[Any]:
        """The values, shape (values,)."""
        if self._tensor is not None and self._tensor.is_shared():
            kind = self._array.dtype
            if not np.shares_memory(self._array, self._tensor.numpy()):  # the parent lets go of its private copy
                self._array = self._tensor.numpy().view(kind)
        return self._array

    def __reduce__(self) -> tuple[Any, ...]:
        if self._tensor is None:
            # As bytes: not every torch knows every NumPy type.
            self._tensor = torch.from_numpy(self._array.view(np.uint8))
        return _received, (self._tensor, self._array.dtype.str)


def _received(tensor: torch.Tensor, kind: str) -> SharedArray:
    received = SharedArray(tensor.numpy().view(kind))
    received._tensor = tensor
    return received
