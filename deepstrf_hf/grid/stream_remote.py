"""Files on the Hub of which only ranges are fetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deepstrf_hf.errors import HubError

END_BYTES = 2**16
"""Bytes at the end of a file that are fetched when it is opened and kept: the index of its columns, or all of it."""
LARGEST_GAP_BYTES = 2**16
"""Bytes between two columns that are fetched with them, to save a request."""


class RangeFile:
    """A file on the Hub of which the ranges to be read next are fetched together.

    Parameters
    ----------
    file : file object
        A file that turns each read into one request; it has a ``size``.
    """

    def __init__(self, file: Any) -> None:
        self._file, self._size, self._position = file, int(file.size), 0
        start = max(0, self._size - END_BYTES)
        self._end = start, self._request(start, self._size)
        self._fetched: list[tuple[int, bytes]] = []

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return bool(self._file.closed)

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Fetch ranges of bytes, (first, behind the last), in as few requests as is sensible; forget earlier ones."""
        merged: list[tuple[int, int]] = []
        for start, stop in sorted(ranges):
            if start >= self._end[0]:
                break
            if merged and start - merged[-1][1] <= LARGEST_GAP_BYTES:
                merged[-1] = merged[-1][0], max(stop, merged[-1][1])
            else:
                merged.append((start, stop))
        self._fetched = [(start, self._request(start, stop)) for start, stop in merged]

    def read(self, size: int = -1) -> bytes:
        """Read from the present position; -1 reads to the end."""
        start = self._position
        stop = self._size if size < 0 else min(self._size, start + size)
        self._position = max(start, stop)
        if stop <= start:
            return b""
        for first, data in (self._end, *self._fetched):
            if first <= start and stop <= first + len(data):
                return data[start - first : stop - first]
        return self._request(start, stop)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position, counted as in ``io``."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        """Return the present position."""
        return self._position

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the file and forget what was fetched."""
        self._fetched = []
        self._file.close()

    def _request(self, start: int, stop: int) -> bytes:
        self._file.seek(start)
        data: bytes = self._file.read(stop - start)
        return data


def cached_copy(repository: str, name: str, revision: str | None) -> str | None:
    """Return the copy of a file that the Hub's client has in its cache, None if there is none."""
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision, repo_type="dataset")
    return found if isinstance(found, str) else None


def open_on_hub(repository: str, name: str, revision: str | None, token: str | bool | None) -> RangeFile:
    """Open a file on the Hub.

    Raises
    ------
    HubError
        The repository lacks the file. Other errors are those of the Hub's client.
    """
    import huggingface_hub

    system = huggingface_hub.HfFileSystem(token=token)
    try:
        # Without a cache of its own, which would read ahead over columns that nobody asked for.
        return RangeFile(system.open(f"datasets/{repository}@{revision}/{name}", "rb", cache_type="none"))
    except FileNotFoundError as error:
        if error.__cause__ is not None:
            raise error.__cause__ from None
        raise HubError(
            f"The repository {repository} lacks a file that its card names", found=name, mend="push it again"
        ) from None
