"""Tiles of NEMS recordings: the spectrogram of each sound, stored once under the name of its epoch."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deepstrf_hf.formats.nems_h5 import H5Member
from deepstrf_hf.formats.nems_signal import NemsSignal


class Tile(NamedTuple):
    """Values of one epoch.

    Parameters
    ----------
    values : ndarray, shape (channels, bins)
        As stored, in the order of record; NaN is 0, as NEMS reads it.
    n_missing : int
        How many were NaN.
    """

    values: NDArray[Any]
    n_missing: int


class Tiles:
    """Tiles of a recording, read when asked for. Close it, or use it in a ``with`` statement.

    Parameters
    ----------
    content : bytes
        The HDF5 member.
    signal : NemsSignal
        Its header.
    member : str
        Name of the member, for messages.

    Raises
    ------
    RawFormatError
        Not an HDF5 file.
    """

    def __init__(self, content: bytes, signal: NemsSignal, member: str) -> None:
        self._file, self._signal = H5Member(content, signal.path, member), signal
        self.names = self._file.names
        """Epochs that have a tile, in text order."""

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __enter__(self) -> Tiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.__exit__(None, None, None)

    def read(self, name: str, *, n_channels: int | None = None, dtype: DTypeLike = np.float32) -> Tile:
        """Read one tile.

        Parameters
        ----------
        name : str
            Epoch.
        n_channels : int, optional
            Channels it must have; those of the header, where it names any, are checked in any case.
        dtype : dtype
            Of the result; float64 is stored.

        Raises
        ------
        RawFormatError
            There is no such tile; it is not a matrix of numbers, empty, infinite, or has another number of channels.
        """
        values = self._file.values(name, 2)
        named = None if self._signal.channels is None else len(self._signal.channels)
        for expected in (named, n_channels):
            if not values.size or (expected is not None and len(values) != expected):
                raise self._file.error(
                    "A tile has another shape than its corpus",
                    name,
                    f"{values.shape[0]} channels of {values.shape[1]} bins",
                    "channels of at least one bin" if expected is None else f"{expected} channels",
                )
        missing = np.isnan(values)
        values[missing] = 0.0
        if np.isinf(values).any():
            raise self._file.error("A tile holds infinite values", name, int(np.isinf(values).sum()), "none")
        return Tile(values.astype(dtype, copy=False), int(missing.sum()))


def array_digest(values: NDArray[Any]) -> str:
    """Return the SHA-256 of the shape and the values of an array, as little-endian float64."""
    digest = hashlib.sha256(repr(values.shape).encode())
    digest.update(np.ascontiguousarray(values, "<f8").ravel().data)
    return digest.hexdigest()
