"""What the tests of downloads share: content, sessions that do not wait, a disk that is full."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import Any, BinaryIO

from deepstrf_hf.download.credentials import Credentials, Secret
from deepstrf_hf.download.hosts import host_of
from deepstrf_hf.download.retries import Retries
from deepstrf_hf.download.sessions import HostSession

from .lab_hosts.places_crcns import PASSWORD, USERNAME

URL = "https://zenodo.org/api/records/8044773/files/A1_NAT4_ozgf.fs100.ch18.tgz/content"
STALL_S = 0.3
"""How long a session of a test waits for bytes."""


def content(size: int, seed: str = "") -> bytes:
    """Make bytes that do not repeat."""
    return hashlib.shake_256(f"{size} {seed}".encode()).digest(size)


def git_blob(data: bytes) -> str:
    """Return the checksum that git gives a file."""
    return "git-blob:" + hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def login(password: str = PASSWORD) -> Credentials:
    """Make the credentials of the one user that CRCNS knows."""
    return Credentials(Secret(USERNAME), Secret(password), "the test")


class Waits(list[float]):
    """Waits that were asked for, s; none of them is made."""

    def retries(self, **details: Any) -> Retries:
        """Make retries that wait here, with nothing left to chance."""
        return Retries(**{"sleep": self.append, "jitter": lambda: 1.0, "now": lambda: 1_700_000_000.0, **details})


def session_for(url: str, waits: Waits | None = None, **details: Any) -> HostSession:
    """Make a session for the host of an address, which gives up on a stall soon and waits for nothing else."""
    retries = details.pop("retries", (Waits() if waits is None else waits).retries())
    credentials = details.pop("credentials", login())
    return host_of(url).session(credentials, read_timeout_s=STALL_S, retries=retries, **details)


def names_in(directory: Path) -> list[str]:
    """List all files below a directory."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


class FullDisk:
    """An open file on a disk with little room left.

    Parameters
    ----------
    file
        The real one.
    room
        Bytes that can be written.
    """

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file = file
        self._room = room

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, block: bytes) -> int:
        """Write what there is room for, then fail as the system does."""
        fits = block[: self._room]
        self._file.write(fits)
        self._room -= len(fits)
        if len(fits) < len(block):
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(block)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
