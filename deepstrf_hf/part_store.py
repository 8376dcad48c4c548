"""Where the finished parts of a cohort are kept until all are there: each appears whole, under its number, or not."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deepstrf_hf.errors import OutputDirectoryError
from deepstrf_hf.part_result import PartFile
from deepstrf_hf.raw_tree import sha256_of

MANIFEST = "manifest.json"


class PartStore(Protocol):
    """Finished parts of one build of one cohort; goes to the workers, so that it can be pickled."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    def writing(self, number: int) -> AbstractContextManager[Path]:
        """Give a directory to write a part into; it is kept as a whole when the block ends without an error.

        Raises
        ------
        OutputDirectoryError
            This process does not see the place where parts are kept.
        """

    def manifest(self, number: int) -> str | None:
        """Return the manifest of a part; None if it is not finished."""

    def is_whole(self, number: int, files: list[PartFile]) -> bool:
        """Return whether the files of a part are as its manifest says."""

    def discard(self, number: int) -> None:
        """Remove a part."""

    def local(self, number: int, name: str) -> Path:
        """Return a local path of a file of a finished part, fetched if need be."""


@dataclass(frozen=True)
class LocalParts:
    """Parts in a directory of this machine, or of a file system that all workers share.

    Parameters
    ----------
    directory : Path
        Holds one directory per finished part, and hidden ones of parts that are being written.
    """

    directory: Path

    @property
    def place(self) -> str:
        """The directory."""
        return str(self.directory)

    def open(self) -> LocalParts:
        """Make the directory, and remove what builds that were killed left half-written."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for half in self.directory.glob(".*"):
            shutil.rmtree(half, ignore_errors=True)  # a worker that lost its parent may be removing it too
        return self

    def path(self, number: int) -> Path:
        """Return the directory of a finished part."""
        return self.directory / f"{number:05d}"

    @contextmanager
    def writing(self, number: int) -> Iterator[Path]:
        """Give a hidden directory, and rename it when it is whole."""
        scratch = self.directory / f".{number:05d}-{uuid.uuid4().hex}"
        try:
            scratch.mkdir()
        except FileNotFoundError as error:
            raise worker_sees_nothing(self.directory) from error
        try:
            yield scratch
            if not self.path(number).exists():  # else a worker that was thought to be lost has finished it
                scratch.rename(self.path(number))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def manifest(self, number: int) -> str | None:
        """Read the manifest of a part."""
        path = self.path(number) / MANIFEST
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def is_whole(self, number: int, files: list[PartFile]) -> bool:
        """Compare sizes and digests."""
        paths = [(self.path(number) / file.name, file) for file in files]
        return all(path.is_file() and path.stat().st_size == file.bytes for path, file in paths) and all(
            sha256_of(path) == file.sha256 for path, file in paths
        )

    def discard(self, number: int) -> None:
        """Remove a part."""
        shutil.rmtree(self.path(number), ignore_errors=True)

    def local(self, number: int, name: str) -> Path:
        """Return the path of a file of a part."""
        return self.path(number) / name


def worker_sees_nothing(place: Path | str) -> OutputDirectoryError:
    """Make the error of a worker that cannot see where parts are kept."""
    return OutputDirectoryError(
        "A worker does not see the place where the parts of the build are kept",
        path=place,
        mend="with workers on several machines, build to a file system that all share, or to an object store",
    )
