"""Entries of the cache: named flat arrays and a header, written once as a whole, mapped into memory when opened."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.cache.settings import CacheSettings
from deepstrf_hf.cache.stores import HEADER, ArrayStore, FileArrays, cache_failures

KEY = re.compile(r"[0-9a-f]{64}")
"""Names of entries: nothing else in the directory is ever removed."""
STAGING = ".writing-"
ABANDONED_SECONDS = 24 * 3600
"""Age after which what a killed process left is removed."""
KEPT_INDEXES = 1000


Opened = tuple[Any, Mapping[str, Sequence[NDArray[Any]]]]
"""Content of a header, and the pieces of each array in order."""


@dataclass(frozen=True)
class CacheDirectory:
    """The cache on disk; any number of processes may use it at once.

    An entry is a directory under its key, complete from the moment it has that name. Who writes one that somebody
    else finished first throws the own one away.

    Parameters
    ----------
    settings : CacheSettings
        Place and size.
    """

    settings: CacheSettings

    @property
    def _root(self) -> Path:
        return self.settings.directory

    @property
    def indexes(self) -> Path:
        """Directory of the indexes of file contents."""
        return self._root / "digests"

    def open(self, key: str) -> Opened | None:
        """Return the content and the arrays of an entry; None where it is absent, broken or just being removed.

        Arrays are mapped, not read. They can be changed; changes stay in this process.
        """
        directory = self._root / key
        try:
            header = json.loads((directory / HEADER).read_text(encoding="utf-8"))
            with suppress(OSError):  # a cache that somebody else keeps, to be read only
                os.utime(directory / HEADER)  # used now
            arrays = {
                name: [_mapped(directory / f"{name}.bin", np.dtype(dtype), size)]
                for name, (dtype, size) in header["arrays"].items()
            }
            return header["content"], arrays
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._remove(key)
            return None

    def make(self, key: str, fill: Callable[[ArrayStore], Any]) -> None:
        """Write an entry.

        Parameters
        ----------
        key : str
            Hexadecimal.
        fill : callable
            Puts arrays into the store it is given and returns the content of the header, as plain data.

        Raises
        ------
        CacheFailedError
            The disk is full, the directory cannot be written to, or the entry is larger than the cache may be.
        """
        with cache_failures():
            self._root.mkdir(parents=True, exist_ok=True)
            own = Path(tempfile.mkdtemp(prefix=STAGING, dir=self._root))
        try:
            with FileArrays(own, self.settings.limit_bytes) as store:
                store.finish(fill(store))
            with cache_failures():
                try:
                    own.rename(self._root / key)
                except OSError:
                    if not (self._root / key).is_dir():  # somebody else was first: theirs is as good
                        raise
        finally:
            shutil.rmtree(own, ignore_errors=True)
        self._make_room(key)

    def entries(self) -> list[tuple[str, int, float]]:
        """Return key, bytes and time of last use of every entry, the one used longest ago first."""
        found = []
        for header in self._root.glob(f"*/{HEADER}"):
            if not KEY.fullmatch(header.parent.name):
                continue
            try:
                n_bytes = sum(file.stat().st_size for file in header.parent.iterdir())
                found.append((header.parent.name, n_bytes, header.stat().st_mtime))
            except FileNotFoundError:  # somebody else removed it
                continue
        return sorted(found, key=lambda entry: entry[2])

    def clear(self) -> int:
        """Remove all entries and indexes; return the bytes of the entries."""
        removed = 0
        for key, n_bytes, _ in self.entries():
            self._remove(key)
            removed += n_bytes
        shutil.rmtree(self.indexes, ignore_errors=True)
        return removed

    def _remove(self, key: str) -> None:
        """Remove an entry, all at once for others; who has it mapped keeps it."""
        with suppress(OSError):  # somebody else was first, or it is not ours to change
            doomed = Path(tempfile.mkdtemp(prefix=STAGING, dir=self._root))
            with suppress(OSError):
                (self._root / key).rename(doomed / key)
            shutil.rmtree(doomed, ignore_errors=True)

    def _make_room(self, newest: str) -> None:
        """Remove what was used longest ago until the cache is as small as it must be, and what was abandoned."""
        entries = self.entries()
        total = sum(n_bytes for _, n_bytes, _ in entries)
        for key, n_bytes, _ in entries:
            if total <= self.settings.limit_bytes:
                break
            if key != newest:
                self._remove(key)
                total -= n_bytes
        for left in self._root.glob(f"{STAGING}*"):
            if _age_seconds(left) > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        for index in sorted(self.indexes.glob("*.json"), key=_age_seconds)[KEPT_INDEXES:]:
            index.unlink(missing_ok=True)


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _mapped(path: Path, dtype: np.dtype[Any], size: int) -> NDArray[Any]:
    """Map a file; changes are not written to it.

    Raises
    ------
    ValueError
        The file has another size.
    """
    if path.stat().st_size != dtype.itemsize * size:
        raise ValueError(path)
    return np.asarray(np.memmap(path, dtype, "c", shape=(size,))) if size else np.empty(0, dtype)
