"""A directory of raw files that is being filled: what its lock file says, and whether that is still so."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.lock_file import LockedArchive, LockedFile, LockFile
from deepstrf_hf.errors import DataDirectoryError

PASSING_FOLDER = ".archives"
"""Folder of archives that are there only until they are unpacked. One that a user put beside the data is his."""
SECONDS_BETWEEN_NOTES = 5.0
"""Members that were fetched since the last note are fetched again if the process is killed."""


class DataDirectory:
    """The raw files of one corpus and their lock file; threads may share it.

    Parameters
    ----------
    path : Path
        The directory; it exists.
    corpus : str
        Name of the corpus.

    Raises
    ------
    DataDirectoryError
        The lock file is damaged, or of another corpus.
    """

    def __init__(self, path: Path, corpus: str) -> None:
        self.path = path
        found = LockFile.read(path)
        if found is not None and found.corpus != corpus:
            raise DataDirectoryError(
                f"This directory holds files of another corpus than {corpus}",
                path=path,
                found=found.corpus,
                expected=corpus,
                mend="name another directory",
            )
        self.is_new = found is None
        self._lock_file = found or LockFile(corpus)
        self._guard = threading.Lock()
        self._noted = float("-inf")

    def entry(self, archive: Archive) -> LockedArchive | None:
        """Return what the lock file says of an archive; None where it says nothing, or of another address."""
        entry = self._lock_file.archives.get(archive.name)
        return entry if entry is not None and entry.url == archive.url else None

    def passing(self, archive: Archive) -> Path:
        """Return where an archive is fetched to that goes when it has been unpacked."""
        return self.path / PASSING_FOLDER / archive.name

    def remove_passing(self, archive: Archive) -> None:
        """Remove an archive that was fetched to be unpacked, if it is there."""
        self.passing(archive).unlink(missing_ok=True)
        with suppress(OSError):  # others are still there
            self.passing(archive).parent.rmdir()

    def begin(self, archive: Archive) -> None:
        """Note that an archive is being fetched; what is known of it stays known."""
        known = self.entry(archive) or LockedArchive(archive.url, _now(), complete=False)
        self._record(archive, replace(known, complete=False))

    def forget(self, archive: Archive) -> None:
        """Note nothing of an archive any more."""
        with self._guard:
            others = {name: entry for name, entry in self._lock_file.archives.items() if name != archive.name}
            self._lock_file = replace(self._lock_file, archives=others)
            self._lock_file.write(self.path)

    def finish(self, archive: Archive, entry: LockedArchive) -> None:
        """Note that all that was asked for of an archive is there."""
        self._record(archive, replace(entry, complete=True, fetched_at=_now()))

    def add_members(self, archive: Archive, entry: LockedArchive) -> None:
        """Note members that are there, of an archive of which more are to come; not more often than is sensible."""
        now = time.monotonic()
        if now - self._noted >= SECONDS_BETWEEN_NOTES:
            copy = dict(entry.members)  # which grows while other threads write the lock file
            self._record(archive, replace(entry, complete=False, fetched_at=_now(), members=copy))
            self._noted = time.monotonic()

    def holds(self, archive: Archive) -> bool:
        """Return whether an archive, or what it was unpacked to, is there as the lock file says, going by sizes."""
        entry = self.entry(archive)
        if entry is None or not entry.complete:
            return False
        if archive.unpack is None and archive.file_set is None:
            file = self.path / archive.name
            return file.is_file() and file.stat().st_size == entry.size_bytes
        return bool(entry.members) and len(self.members_there(archive)) == len(entry.members)

    def members_there(self, archive: Archive) -> Mapping[str, LockedFile]:
        """Return the members of an archive that are there as the lock file says, going by sizes."""
        entry = self.entry(archive)
        if entry is None:
            return {}
        folder = self.path / (archive.name if archive.unpack is None else archive.unpack.into)
        return {
            name: member
            for name, member in entry.members.items()
            if (folder / name).is_file() and (folder / name).stat().st_size == member.size_bytes
        }

    def _record(self, archive: Archive, entry: LockedArchive) -> None:
        with self._guard:
            self._lock_file = replace(self._lock_file, archives={**self._lock_file.archives, archive.name: entry})
            self._lock_file.write(self.path)


def refuse_unfinished(path: Path, archives: Sequence[Archive]) -> None:
    """Refuse a directory into which a download has not finished.

    Parameters
    ----------
    path : Path
        Directory of raw files.
    archives : sequence of Archive
        Those that are needed.

    Raises
    ------
    DataDirectoryError
        An archive that is needed was begun and not finished, or the lock file is damaged.
    """
    found = LockFile.read(path)
    if found is None:
        return
    names = {archive.name for archive in archives}
    unfinished = [name for name, entry in found.archives.items() if name in names and not entry.complete]
    if unfinished:
        raise DataDirectoryError(
            "A download into this directory has not finished",
            path=path,
            found=f"only a part of {', '.join(unfinished)}",
            mend=f"run `deepstrf-hf download {found.corpus} --dest {path}` again; it continues where it stopped",
        )


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
