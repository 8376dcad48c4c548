"""Fetch one file: continue where an earlier try broke off, check it, and only then give it its name."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from deepstrf_hf.download.checksums import digests_of, parse_checksum
from deepstrf_hf.download.origin import Origin
from deepstrf_hf.download.part_file import PartFile
from deepstrf_hf.download.replies import Reply, shown
from deepstrf_hf.download.retries import PassingError, Patience
from deepstrf_hf.download.sessions import HostSession
from deepstrf_hf.errors import DownloadError

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it is fetched.

    Parameters
    ----------
    size_bytes : int or None
        Its size.
    checksum : str or None
        ``"md5:…"``, ``"sha256:…"`` or ``"git-blob:…"``.

    Raises
    ------
    ParameterError
        Not a checksum.
    """

    size_bytes: int | None = None
    checksum: str | None = None

    def __post_init__(self) -> None:
        if self.checksum is not None:
            parse_checksum(self.checksum)


@dataclass(frozen=True)
class Fetched:
    """A file that is here, whole and checked.

    Parameters
    ----------
    path : Path
        The file.
    size_bytes : int
        Its size.
    sha256 : str
        Its SHA-256, hexadecimal.
    etag : str or None
        What the host calls this content; None where it was here before.
    url : str
        Where it was asked for.
    resumed_from : int
        Where the last request began: bytes that earlier ones had brought.
    requests : int
        How many requests were made; 0 where the file was here before.
    """

    path: Path
    size_bytes: int
    sha256: str
    etag: str | None
    url: str
    resumed_from: int
    requests: int


def fetch(
    session: HostSession,
    url: str,
    target: Path,
    expected: Expected,
    *,
    progress: Callable[[int], None] | None = None,
) -> Fetched:
    """Fetch a file, unless it is here already.

    Bytes are kept in ``<target>.part`` until the file is whole and right, so that the next call continues there. Of
    several processes that want the same file one fetches it, and the others wait. A file that is here and differs
    from what is expected is replaced once the right one is whole.

    Parameters
    ----------
    session : HostSession
        Of the file's host.
    url : str
        Where it is; https.
    target : Path
        Where it shall be.
    expected : Expected
        What is known of it.
    progress : callable, optional
        Called with the number of bytes that are there; it falls when the transfer must begin anew.

    Returns
    -------
    Fetched
        The file.

    Raises
    ------
    DownloadError
        It cannot be had, or what the host gives is not what is expected.
    """
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            try:
                return _here_already(url, target, expected) or _Transfer(session, url, target, expected, progress).run()
            finally:
                # While it is held: whoever waits sees that the file it opened is gone, and takes the next one.
                with suppress(PermissionError):  # of Windows, where it stays, empty
                    Path(lock.lock_file).unlink(missing_ok=True)
    except OSError as error:
        raise _disk_error(target, error) from None


def _disk_error(target: Path, error: OSError) -> DownloadError:
    if error.errno in DISK_FULL:
        return DownloadError(
            "The disk is full",
            path=target,
            found=error.strerror,
            mend="make room and run it again; what has been fetched is kept and continued",
        )
    return DownloadError(
        "The file cannot be written",
        path=target,
        found=error.strerror,
        mend="choose a directory that can be written to",
    )


def _here_already(url: str, target: Path, expected: Expected) -> Fetched | None:
    """Return the file where it is here, whole and right as far as anything is known of it."""
    if not target.is_file():
        return None
    checked = _measured(target, expected)
    if checked.fault is not None:
        return None
    PartFile(target).discard()
    return Fetched(target, checked.size_bytes, checked.sha256, None, url, 0, 0)


@dataclass(frozen=True)
class _Measured:
    """A file as it is, and its first difference from what was expected: of what, found, expected."""

    size_bytes: int
    sha256: str
    fault: tuple[str, str, str] | None


def _measured(path: Path, expected: Expected) -> _Measured:
    """Read a file back and compare it."""
    size = path.stat().st_size
    algorithm, digest = parse_checksum(expected.checksum) if expected.checksum else ("sha256", None)
    digests = digests_of(path, *{"sha256", algorithm})
    fault = None
    if expected.size_bytes not in (None, size):
        fault = ("size", f"{size:,} bytes", f"{expected.size_bytes:,} bytes")
    elif digest not in (None, digests[algorithm]):
        fault = (algorithm, digests[algorithm], str(digest))
    return _Measured(size, digests["sha256"], fault)


class _WrongContentError(Exception):
    """The host gives another file than is expected; the arguments are those of `_Measured.fault`."""


class _Transfer:
    """One file on its way (parameters as in `fetch`)."""

    def __init__(
        self,
        session: HostSession,
        url: str,
        target: Path,
        expected: Expected,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._session = session
        self._url = url
        self._target = target
        self._expected = expected
        self._progress = progress or (lambda size: None)
        self._part = PartFile(target)
        self._resumed_from = 0
        self._requests = 0

    def run(self) -> Fetched:
        """Try until the file is whole and right, or there is no hope."""
        patience = Patience(self._session.retries, f"Fetching {shown(self._url)}")
        wrong = False
        while True:
            try:
                return self._attempt()
            except PassingError as error:
                patience.wait_after(error, self._part.size)
            except _WrongContentError as error:
                self._part.discard()  # never continued: nobody knows which of its bytes are wrong
                if wrong:
                    raise self._wrong_content(*error.args) from None
                wrong = True

    def _attempt(self) -> Fetched:
        """Get what is missing, with one request at most, and check the whole."""
        origin = self._part.origin(self._url)
        if origin is not None and origin.validator is None and self._expected.checksum is None:
            origin = None  # nothing would show that the rest belongs to another file
        if origin is None or self._part.size != origin.size_bytes:
            self._receive(origin)
        self._progress(self._part.size)
        return self._finish()

    def _receive(self, origin: Origin | None) -> None:
        """Ask for what is missing and write it down."""
        headers = {} if origin is None else origin.asking_for(f"{self._part.size}-")
        self._requests += 1
        with self._session.open(self._url, headers) as reply:
            if reply.is_page():
                raise self._session.page_instead(reply)
            if reply.status == 200:
                origin = self._begin(reply)
            elif origin is None:
                raise DownloadError(f"{reply.host} answered with status {reply.status} to a plain question")
            else:
                self._see_that_it_continues(reply, origin)
                if reply.status == 416:
                    return
            self._resumed_from = self._part.size
            self._write(reply)
        size = self._part.size
        # What a part says of the whole may be more than the answer before it did.
        for whole in (origin.size_bytes, Origin.of(self._url, reply).size_bytes, self._expected.size_bytes):
            if whole is not None and size < whole:
                raise PassingError(f"{reply.host} sent {size:,} of {whole:,} bytes")
            if whole is not None and size > whole:
                raise _WrongContentError("size", f"{size:,} bytes", f"{whole:,} bytes")

    def _begin(self, reply: Reply) -> Origin:
        """Begin with the first byte."""
        origin = Origin.of(self._url, reply)
        if origin.size_bytes is not None and self._expected.size_bytes not in (None, origin.size_bytes):
            raise _WrongContentError("size", f"{origin.size_bytes:,} bytes", f"{self._expected.size_bytes:,} bytes")
        if origin.size_bytes is None and not reply.is_chunked and self._expected == Expected():
            raise DownloadError(
                f"{reply.host} does not say where the file ends, so nobody could tell whether it is whole",
                field=shown(self._url),
                expected="a Content-Length, a chunked answer, a published size or a checksum",
                mend="fetch the file with a browser and put it in place by hand",
            )
        self._part.begin(origin)
        return origin

    def _see_that_it_continues(self, reply: Reply, origin: Origin) -> None:
        """Compare a part, or the answer that there is none, with what is here; else forget what is here."""
        size = self._part.size
        fits = origin.ends_at(size, reply) if reply.status == 416 else origin.continues_at(size, reply)
        if not fits:
            self._part.discard()
            raise PassingError(f"{reply.host} has another file now than it had before")

    def _write(self, reply: Reply) -> None:
        """Append the body, down to the disk."""
        size = self._part.size
        whole = self._expected.size_bytes
        with self._part.append() as file:
            self._progress(size)
            for block in reply.blocks():
                size += len(block)
                if whole is not None and size > whole:
                    raise _WrongContentError("size", f"{size:,} bytes or more", f"{whole:,} bytes")
                file.write(block)
                self._progress(size)
            file.flush()
            os.fsync(file.fileno())

    def _finish(self) -> Fetched:
        """Read the whole back, compare it, and give it its name."""
        measured = _measured(self._part.path, self._expected)
        if measured.fault is not None:
            raise _WrongContentError(*measured.fault)
        origin = self._part.origin(self._url)
        self._part.become(self._target)
        etag = None if origin is None else origin.etag
        return Fetched(
            self._target, measured.size_bytes, measured.sha256, etag, self._url, self._resumed_from, self._requests
        )

    def _wrong_content(self, field: str, found: str, expected: str) -> DownloadError:
        return DownloadError(
            f"Twice {shown(self._url)} was another file than was published",
            path=self._target,
            field=field,
            found=found,
            expected=expected,
            mend="nothing of it was kept; see whether the corpus's homepage tells of a new version, or try again later",
        )
