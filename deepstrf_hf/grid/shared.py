"""Arrays that worker processes share instead of copying them."""

from __future__ import annotations

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
    def is_shared(self) -> bool:
        """Whether the values lie in memory that other processes can see."""
        return self._tensor is not None

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedArray, (self._array,)

    def share(self) -> torch.Tensor:
        """Move the values to shared memory, once, and return them as bytes; views given out before stay good."""
        if self._tensor is None:
            # As bytes: not every torch knows every NumPy type. Copied here, for torch lets go of the memory it is
            # given when it moves a tensor, whoever else may look at it.
            shared = torch.empty(self._array.nbytes, dtype=torch.uint8).share_memory_()
            shared.numpy()[:] = self._array.view(np.uint8)
            self._array, self._tensor = shared.numpy().view(self._array.dtype), shared
        return self._tensor


def _sent(array: SharedArray) -> tuple[Any, ...]:
    # There is nothing to share in an empty array, and no memory of no bytes.
    return (_received, (array.share(), array.array.dtype.str)) if array.array.size else array.__reduce__()


def _received(tensor: torch.Tensor, kind: str) -> SharedArray:
    received = SharedArray(tensor.numpy().view(kind))
    received._tensor = tensor
    return received


# Of all pickles, only those that go to another process of this machine are made by a ForkingPickler.
ForkingPickler.register(SharedArray, _sent)
