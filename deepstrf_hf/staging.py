"""The output directory of a build: the old content or the new, never a mixture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from deepstrf_hf.card_assets import remove_pictures
from deepstrf_hf.errors import OutputDirectoryError
from deepstrf_hf.names import CARD_NAME, REPORT_NAME
from deepstrf_hf.output import refuse_other_content, tell_what_is_kept
from deepstrf_hf.part_store import MANIFEST, LocalParts
from deepstrf_hf.report import BuildReport


class OutputDirectory:
    """A directory that is replaced as a whole, when everything in it is ready.

    New content is written to a hidden neighbour, ``.<name>.building``: the parts as they are finished, and `tree`,
    which `commit` moves into place. A build that fails or is killed leaves the earlier content as it was, and its
    finished parts for the next build; a build that succeeds leaves nothing.

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
        self.tree = self.staging / "tree"
        self._parts = self.staging / "parts"
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
            _keep_only(self.staging, [self._parts.name])
            self.tree.mkdir(parents=True)
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        kept = list(self._parts.glob(f"*/*/[!.]*/{MANIFEST}")) if value is not None else []
        if kept:
            _keep_only(self.staging, [self._parts.name])
            size = sum(file.stat().st_size for file in self._parts.rglob("*") if file.is_file())
            tell_what_is_kept(value, str(self.staging), len(kept), size)
        else:
            shutil.rmtree(self.staging, ignore_errors=True)
        self._unlock()

    def keep_parts_of(self, configs: Collection[str]) -> None:
        """Remove the parts that an earlier build left of other configurations."""
        _keep_only(self._parts, configs)

    def parts(self, config: str, key: str) -> LocalParts:
        """Return the place of the parts of a configuration; parts of other keys are removed.

        Parameters
        ----------
        config : str
            Name of the main configuration.
        key : str
            Hexadecimal digest of all that the parts depend on.
        """
        name = key[:16]  # paths are short on some systems; the manifests have all of it
        _keep_only(self._parts / config, [name])
        return LocalParts(self._parts / config / name).open()

    def place(self, parts: LocalParts, number: int, file: str, name: str) -> None:
        """Put a file of a part into the tree, under its final name.

        Parameters
        ----------
        parts : LocalParts
            What `parts` returned.
        number : int
            Of the part.
        file : str
            Name within the part.
        name : str
            Path within the tree.
        """
        target = self.tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(str(parts.local(number, file)), str(target))

    def carry_over(self, replaced: Collection[str]) -> None:
        """Take over from the earlier build what is not replaced: other cohorts, and files a user put there.

        The pictures of the earlier card go, as they were drawn of the data before.

        Parameters
        ----------
        replaced : collection of str
            Names at the top of the directory that the new build writes itself, or that are to go.
        """
        for entry in sorted(self.path.iterdir()) if self.path.is_dir() else []:
            target = self.tree / entry.name
            # The card and the report are written anew: a link to the old ones would be written through.
            if entry.name in (*replaced, CARD_NAME, REPORT_NAME) or target.exists():
                continue
            if entry.is_dir():
                shutil.copytree(entry, target, copy_function=_link_or_copy, symlinks=True)
            else:
                _link_or_copy(str(entry), str(target))
        remove_pictures(self.tree, self.path)

    def commit(self) -> None:
        """Put the new content in place of the old."""
        for directory in (self.tree, *(path for path in self.tree.rglob("*") if path.is_dir())):
            _synchronise(directory)
        if self.path.exists():
            self.path.rename(self._previous)
        self.tree.rename(self.path)
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
        report = BuildReport.read(self.path) if REPORT_NAME in content else None
        refuse_other_content(self.path, self.corpus, content, report)
        return report

    def _unlock(self) -> None:
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def _keep_only(directory: Path, names: Collection[str]) -> None:
    """Remove everything from a directory, if it is there, but what has one of some names."""
    for entry in directory.iterdir() if directory.is_dir() else []:
        if entry.name not in names:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


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
