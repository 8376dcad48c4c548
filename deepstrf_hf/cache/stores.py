"""Where flat arrays go that are made piece by piece: into memory, or into files of the cache."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

HEADER = "header.json"
SPARE_DISK = 0.05
"""Part of the disk that writing to the cache leaves free."""


class CacheFailedError(Exception):
    """The cache cannot take something; never seen by users, who get the same grid without it."""


class ArrayStore(Protocol):
    """Takes flat arrays piece by piece: of a size that is known, from several threads; or one piece after another."""

    def reserve(self, name: str, dtype: np.dtype[Any], size: int) -> None:
        """Announce an array of known size."""

    def put(self, name: str, begin: int, values: NDArray[Any]) -> None:
        """Store values of an announced array from one place on."""

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Store the next values of an array; all of one type."""


class MemoryArrays:
    """An `ArrayStore` in memory.

    Attributes
    ----------
    arrays : dict of str to list of ndarray
        Pieces of each array, in order.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, list[NDArray[Any]]] = {}

    def reserve(self, name: str, dtype: np.dtype[Any], size: int) -> None:
        """Announce an array of known size."""
        self.arrays[name] = [np.empty(size, dtype)]

    def put(self, name: str, begin: int, values: NDArray[Any]) -> None:
        """Store values of an announced array from one place on."""
        self.arrays[name][0][begin : begin + values.size] = values.ravel()

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Store the next values of an array."""
        self.arrays.setdefault(name, []).append(values)


class FileArrays:
    """An `ArrayStore` in the files of a directory; nothing of it stays in memory.

    Parameters
    ----------
    directory : Path
        There, empty.
    limit_bytes : int
        What all arrays together may take.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        with cache_failures():
            disk = shutil.disk_usage(directory)
        self._left = min(limit_bytes, int(disk.free - SPARE_DISK * disk.total))
        self._files: dict[str, tuple[BinaryIO, np.dtype[Any]]] = {}
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> FileArrays:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file, _ in self._files.values():
            file.close()

    def reserve(self, name: str, dtype: np.dtype[Any], size: int) -> None:
        """Announce an array of known size.

        Raises
        ------
        CacheFailedError
            It would be too large, or cannot be written.
        """
        self._grow(name, dtype, size)
        with cache_failures():
            os.truncate(self._files[name][0].fileno(), dtype.itemsize * size)

    def put(self, name: str, begin: int, values: NDArray[Any]) -> None:
        """Store values of an announced array from one place on (errors as in `reserve`)."""
        file, dtype = self._files[name]
        rest = np.ascontiguousarray(values, dtype).ravel().view(np.uint8).data
        position = begin * dtype.itemsize
        with cache_failures():
            while len(rest):
                written = _write_at(file, rest, position)
                rest, position = rest[written:], position + written

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Store the next values of an array (errors as in `reserve`)."""
        begin = self._sizes.get(name, 0)
        self._grow(name, values.dtype, values.size)
        self.put(name, begin, values)

    def _grow(self, name: str, dtype: np.dtype[Any], size: int) -> None:
        self._left -= dtype.itemsize * size
        if self._left < 0:
            raise CacheFailedError(f"{name} does not fit into the cache, or onto its disk")
        if name not in self._files:
            with cache_failures():
                self._files[name] = (self._directory / f"{name}.bin").open("wb", buffering=0), dtype
        self._sizes[name] = self._sizes.get(name, 0) + size

    def finish(self, content: Any) -> None:
        """Write the header and see to it that everything is on the disk."""
        arrays = {name: [dtype.str, self._sizes[name]] for name, (_, dtype) in self._files.items()}
        with cache_failures():
            for file, _ in self._files.values():
                os.fsync(file.fileno())
            text = json.dumps({"arrays": arrays, "content": content}, separators=(",", ":"))
            with (self._directory / HEADER).open("w", encoding="utf-8") as header:
                header.write(text)
                header.flush()
                os.fsync(header.fileno())


if hasattr(os, "pwrite"):

    def _write_at(file: BinaryIO, data: memoryview, position: int) -> int:
        return os.pwrite(file.fileno(), data, position)

else:  # pragma: no cover (Windows: one writer at a time)
    import threading

    _LOCK = threading.Lock()

    def _write_at(file: BinaryIO, data: memoryview, position: int) -> int:
        with _LOCK:
            file.seek(position)
            return file.write(data) or 0


@contextmanager
def cache_failures() -> Iterator[None]:
    """Turn what the file system raises, or a header that is no plain data, into `CacheFailedError`."""
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        raise CacheFailedError(str(error)) from error
