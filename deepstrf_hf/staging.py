"""The output directory of a build: the old content or the new, never a mixture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from deepstrf_hf.errors import OutputDirectoryError
from deepstrf_hf.names import REPORT_NAME
from deepstrf_hf.report import BuildReport


class OutputDirectory:
    """A directory that is replaced as a whole, when everything in it is ready.

    New content is written to `staging`, a hidden neighbour. `commit` moves it into place. A build that fails or is
    killed leaves the earlier content as it was; what it left in `staging` is cleared by the next one.

    Parameters
    ----------
    path : str or Path
        The directory; absent, empty, or an earlier build of the same corpus.
    corpus : str
        Name of the corpus.

    Raises
    ------
    OutputDirectoryError
        It holds something else, or another build is writing to it.
    """

    def __init__(self, path: str | Path, corpus: str) -> None:
        self.path, self.corpus = Path(path).absolute(), corpus
        self.staging = self.path.parent / f".{self.path.name}.building"
        self._previous = self.path.parent / f".{self.path.name}.previous"
        self._lock = FileLock(self.path.parent / f".{self.path.name}.lock", timeout=0)

    def __enter__(self) -> OutputDirectory:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise OutputDirectoryError(
                "Another build is writing to this directory", path=self.path, mend="wait for it, or choose another"
            ) from error
        try:
            self._recover()
            self.existing = self._existing_report()
            shutil.rmtree(self.staging, ignore_errors=True)
            self.staging.mkdir()
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)
        self._unlock()

    def carry_over(self, replaced: Collection[str]) -> None:
        """Take over from the earlier build what is not replaced: other cohorts, and files a user put there.

        Parameters
        ----------
        replaced : collection of str
            Names at the top of the directory that the new build writes itself, or that are to go.
        """
        for entry in sorted(self.path.iterdir()) if self.path.is_dir() else []:
            target = self.staging / entry.name
            if entry.name in replaced or target.exists():
                continue
            if entry.is_dir():
                shutil.copytree(entry, target, copy_function=_link_or_copy, symlinks=True)
            else:
                _link_or_copy(str(entry), str(target))

    def commit(self) -> None:
        """Put the new content in place of the old."""
        for directory in (self.staging, *(path for path in self.staging.rglob("*") if path.is_dir())):
            _synchronise(directory)
        if self.path.exists():
            self.path.rename(self._previous)
        self.staging.rename(self.path)
        shutil.rmtree(self._previous, ignore_errors=True)

    def _recover(self) -> None:
        """Undo the first half of a commit that was killed between its two renames."""
        if self._previous.exists():
            if self.path.exists():
                shutil.rmtree(self._previous)
            else:
                self._previous.rename(self.path)

    def _existing_report(self) -> BuildReport | None:
        if not self.path.exists():
            return None
        if not self.path.is_dir():
            raise OutputDirectoryError("The output is a file", path=self.path, expected="a directory")
        content = sorted(entry.name for entry in self.path.iterdir())
        if not content:
            return None
        report = BuildReport.read(self.path) if REPORT_NAME in content else None
        if report is None or report.corpus != self.corpus:
            raise OutputDirectoryError(
                f"The output directory holds something else than a build of {self.corpus}",
                path=self.path,
                found=f"a build of {report.corpus}" if report else ", ".join(content[:8]),
                expected=f"nothing, or an earlier build of {self.corpus}",
                mend="choose another directory; nothing in this one was touched",
            )
        return report

    def _unlock(self) -> None:
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _synchronise(directory: Path) -> None:
    """Ask the system to write a directory's files to disk, so that a power cut after the rename finds them whole."""
    for path in directory.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
