"""Where an archive is unpacked until it is whole: a folder has its old content or its new, never a mixture."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from filelock import FileLock

from deepstrf_hf.errors import DownloadError

_THREADS = 8
"""Files that are synchronised at a time: the system joins their waits, which is many times as fast for small files."""


class UnpackStaging:
    """A hidden neighbour of a folder, on the same file system, that becomes it or gives members to it.

    One process at a time works on a folder; others wait. What a killed one left behind is cleared by the next, and a
    replacement that was killed half way is undone or completed.

    Parameters
    ----------
    target : Path
        The folder; absent or an earlier state of it. A link to a folder is followed.

    Raises
    ------
    DownloadError
        The target is a file.
    OSError
        Its neighbourhood cannot be written to.
    """

    def __init__(self, target: Path) -> None:
        self.target = Path(target).resolve()
        beside = self.target.parent / f".{self.target.name}"
        self.folder = beside.with_name(f"{beside.name}.unpacking")
        self._previous = beside.with_name(f"{beside.name}.unpacking-previous")
        self._lock = FileLock(beside.with_name(f"{beside.name}.unpacking.lock"))

    def __enter__(self) -> UnpackStaging:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            self._recover()
            self._clear()
            self.folder.mkdir()
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._recover()
            self._clear()
        finally:
            self._unlock()

    def commit(self) -> None:
        """Put the whole of the new content in place of the old."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(_synchronise, files))
        if self.target.exists():
            self.target.rename(self._previous)
        self.folder.rename(self.target)

    def place(self, name: str) -> None:
        """Put one file, named by its path in the staging folder, in the same place of the target."""
        _synchronise(self.folder / name)
        (self.target / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).replace(self.target / name)

    def _recover(self) -> None:
        """Complete a replacement, or undo the first half of one that ended between its two renames."""
        if self.target.exists() and not self.target.is_dir():
            raise DownloadError(
                "An archive cannot be unpacked over a file", path=self.target, expected="a folder, or none"
            )
        if self._previous.exists():
            if self.target.exists():
                shutil.rmtree(self._previous)
            else:
                self._previous.rename(self.target)

    def _clear(self) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _unlock(self) -> None:
        if os.name == "posix":  # before another process can take it; elsewhere the lock removes its file itself
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


def _synchronise(path: Path) -> None:
    """Ask the system to write a file to disk, so that a power cut after the rename finds it whole."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
