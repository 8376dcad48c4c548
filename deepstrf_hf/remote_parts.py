"""Finished parts of a build in a place that fsspec knows."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deepstrf_hf.part_result import PartFile
from deepstrf_hf.part_store import MANIFEST, worker_sees_nothing
from deepstrf_hf.raw_tree import READ_BYTES
from deepstrf_hf.remote_place import RemotePlace

MARK = "parts.txt"
"""File by which workers see that the place they see is the one that is meant."""


@dataclass(frozen=True)
class RemoteParts:
    """Parts that are written to a local disk, then uploaded, their manifest last: with it a part is finished.

    Parameters
    ----------
    where : RemotePlace
        Holds what looks like one directory per part.
    scratch : Path
        Local directory of the process that assembles the parts.
    """

    where: RemotePlace
    scratch: Path

    @property
    def place(self) -> str:
        """Its URL."""
        return self.where.url

    def open(self) -> RemoteParts:
        """Mark the place."""
        (self.where / MARK).write(b"Parts of a build of deepstrf-hf that is not finished.\n")
        return self

    def path(self, number: int) -> RemotePlace:
        """Return the place of a part."""
        return self.where / f"{number:05d}"

    @contextmanager
    def writing(self, number: int) -> Iterator[Path]:
        """Give a local directory, and upload it when it is whole."""
        if not (self.where / MARK).exists():
            raise worker_sees_nothing(self.place)
        with tempfile.TemporaryDirectory(prefix="deepstrf-hf-") as directory:
            yield Path(directory)
            files = sorted(Path(directory).iterdir(), key=lambda file: file.name == MANIFEST)
            for file in files:
                (self.path(number) / file.name).upload(file)

    def manifest(self, number: int) -> str | None:
        """Read the manifest of a part."""
        manifest = self.path(number) / MANIFEST
        return manifest.read().decode() if manifest.exists() else None

    def is_whole(self, number: int, files: list[PartFile]) -> bool:
        """Compare sizes and digests."""
        there = self.path(number).files()
        return all(there.get(file.name) == file.bytes for file in files) and all(
            self._sha256(number, file.name) == file.sha256 for file in files
        )

    def discard(self, number: int) -> None:
        """Remove a part."""
        self.path(number).remove()

    def local(self, number: int, name: str) -> Path:
        """Download a file of a part, once."""
        file = self.scratch / f"{number:05d}-{name}"
        if not file.exists():
            (self.path(number) / name).download(file)
        return file

    def _sha256(self, number: int, name: str) -> str:
        digest, place = hashlib.sha256(), self.path(number) / name
        with place.filesystem.open(place.root, "rb") as file:
            while block := file.read(READ_BYTES):
                digest.update(block)
        return digest.hexdigest()
