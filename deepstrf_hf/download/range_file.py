"""A file at a host that is read where it is wanted, without fetching the whole: what `zipfile` reads from."""

from __future__ import annotations

import io
import os
from collections import OrderedDict

from deepstrf_hf.download.origin import Origin
from deepstrf_hf.download.replies import Reply, shown
from deepstrf_hf.download.retries import PassingError
from deepstrf_hf.download.sessions import HostSession
from deepstrf_hf.errors import DownloadError, RangesNotServedError

BLOCK_BYTES = 1 << 20
BLOCKS_KEPT = 16
BLOCKS_PER_REQUEST = 64
"""Asked for at once, since hosts count requests; they are read only as they are wanted."""


class RangeFile(io.RawIOBase):
    """A seekable, read-only file of which only the blocks that are read are fetched.

    Reading on and on costs one request for every `BLOCKS_PER_REQUEST` blocks.

    Parameters
    ----------
    session : HostSession
        Of the file's host.
    url : str
        Where it is; https.
    block_bytes : int
        Size of a block.

    Attributes
    ----------
    size_bytes : int
        Size of the whole file.
    etag : str or None
        What the host calls this content.

    Raises
    ------
    RangesNotServedError
        The host gives whole files only.
    DownloadError
        It cannot be had; when reading also: the file at the host has changed.
    """

    def __init__(self, session: HostSession, url: str, *, block_bytes: int = BLOCK_BYTES) -> None:
        super().__init__()
        self._session = session
        self._url = url
        self._block_bytes = block_bytes
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._run: _Run | None = None
        self._position = 0
        self._origin = session.retries.run(f"Reading {shown(url)}", self._ask_for_one_byte)
        self.size_bytes = self._origin.size_bytes or 0
        self.etag = self._origin.etag

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that any place can be read."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place."""
        place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        if place < 0:
            raise ValueError(f"there is no place {place} in a file")
        self._position = place
        return place

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, fewer only at the end of the file (errors as in the class)."""
        left = max(0, self.size_bytes - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        content = bytearray()
        while len(content) < wanted:
            index, start = divmod(self._position, self._block_bytes)
            piece = self._block(index)[start : start + wanted - len(content)]
            content += piece
            self._position += len(piece)
        return bytes(content)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, less only at the end of the file (errors as in the class)."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Let go of the connection and of all blocks."""
        self._drop()
        self._kept.clear()
        super().close()

    def _block(self, index: int) -> bytes:
        """Return a block, from those that are kept or from the host."""
        if index not in self._kept:
            self._kept[index] = self._session.retries.run(f"Reading {shown(self._url)}", lambda: self._fetch(index))
            if len(self._kept) > BLOCKS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]

    def _fetch(self, index: int) -> bytes:
        """Read the next block of the answer at hand, or ask for this one and those behind it."""
        start = index * self._block_bytes
        if self._run is None or self._run.place != start or self._run.place == self._run.stop:
            self._drop()
            self._run = self._ask(start)
        try:
            return self._run.take(min(self._block_bytes, self.size_bytes - start))
        except PassingError:
            self._drop()
            raise

    def _ask(self, start: int) -> _Run:
        """Ask for some blocks of the same file as before."""
        stop = min(start + BLOCKS_PER_REQUEST * self._block_bytes, self.size_bytes)
        reply = self._session.open(self._url, self._origin.asking_for(f"{start}-{stop - 1}"))
        if not self._origin.continues_at(start, reply):
            reply.close()
            raise DownloadError(
                f"The file at {reply.host} changed while it was read",
                field=shown(self._url),
                found=f"status {reply.status}, {reply.header('Content-Range')}, ETag {reply.header('ETag')}",
                expected=f"bytes from {start:,} of {self.size_bytes:,}, ETag {self.etag}",
                mend="run it again; what was read before belongs to the older file",
            )
        return _Run(reply, start, stop)

    def _ask_for_one_byte(self) -> Origin:
        """See whether the host gives parts, and how large the file is."""
        with self._session.open(self._url, {"Range": "bytes=0-0"}) as reply:
            if reply.is_page():
                raise self._session.page_instead(reply)
            origin = Origin.of(self._url, reply)
            if origin.size_bytes is None or not origin.continues_at(0, reply):
                raise RangesNotServedError(
                    f"{reply.host} does not give parts of this file",
                    field=shown(self._url),
                    found=f"status {reply.status}",
                    expected="status 206 and the size of the whole",
                    mend="fetch the whole file",
                )
            return origin

    def _drop(self) -> None:
        if self._run is not None:
            self._run.reply.close()
            self._run = None


class _Run:
    """Bytes that follow one another, of one answer.

    Parameters
    ----------
    reply : Reply
        The answer.
    place, stop : int
        Where in the file its next byte is, and where it ends.
    """

    def __init__(self, reply: Reply, place: int, stop: int) -> None:
        self.reply = reply
        self.place = place
        self.stop = stop
        self._blocks = reply.blocks()
        self._left_over = b""

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        content = bytearray(self._left_over)
        while len(content) < size:
            more = next(self._blocks, b"")
            if not more:
                raise PassingError(f"{self.reply.host} ended an answer early")
            content += more
        self._left_over = bytes(content[size:])
        self.place += size
        return bytes(content[:size])
