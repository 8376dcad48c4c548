"""A place that fsspec knows, such as a prefix in a bucket of an object store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from deepstrf_hf.errors import MissingDependencyError, ParameterError


@dataclass(frozen=True)
class RemotePlace:
    """A directory of a file system of fsspec, or what looks like one; can be pickled.

    Parameters
    ----------
    url : str
        As the user gave it, for messages.
    filesystem : fsspec.AbstractFileSystem
        What knows the place.
    root : str
        Path within it.
    """

    url: str
    filesystem: Any
    root: str

    @classmethod
    def of(cls, url: str) -> RemotePlace:
        """Return the place that a URL names.

        Raises
        ------
        ParameterError
            fsspec knows no such places.
        MissingDependencyError
            It needs another package for them.
        """
        try:
            filesystem, root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise MissingDependencyError(
                "fsspec needs another package for this place", path=url, mend=str(error)
            ) from error
        except ValueError as error:
            raise ParameterError(
                "fsspec does not know this kind of place", field="out", found=url, mend=str(error)
            ) from error
        return cls(url.rstrip("/"), filesystem, root.rstrip("/"))

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> RemotePlace:
        return RemotePlace(f"{self.url}/{name}", self.filesystem, f"{self.root}/{name}")

    def local_path(self) -> Path | None:
        """Return the path of a place that is on this machine, as of ``file://...``; None for others."""
        return Path(self.root) if isinstance(self.filesystem, LocalFileSystem) else None

    def exists(self) -> bool:
        """Return whether anything is there now."""
        self.filesystem.invalidate_cache()  # what another process wrote meanwhile
        return bool(self.filesystem.exists(self.root))

    def names(self) -> list[str]:
        """Return the names of what is directly in it, sorted; none where there is nothing."""
        if not self.exists():
            return []
        found = self.filesystem.ls(self.root, detail=False)
        return sorted({path.rstrip("/").rpartition("/")[2] for path in found} - {""})

    def files(self) -> dict[str, int]:
        """Return the sizes of all files in it, by their path within it."""
        if not self.exists():
            return {}
        found = self.filesystem.find(self.root, detail=True)
        within = len(self.filesystem._strip_protocol(self.root)) + 1
        return {path[within:]: entry["size"] for path, entry in found.items()}

    def read(self) -> bytes:
        """Return the content of a file."""
        return bytes(self.filesystem.cat_file(self.root))

    def write(self, content: bytes) -> None:
        """Write a file."""
        self._make_parent()
        self.filesystem.pipe_file(self.root, content)

    def upload(self, file: Path) -> None:
        """Write a file with the content of a local one."""
        self._make_parent()
        self.filesystem.put_file(str(file), self.root)

    def download(self, file: Path) -> None:
        """Copy a file to a local one."""
        self.filesystem.get_file(self.root, str(file))

    def copy_to(self, other: RemotePlace) -> None:
        """Copy a file within the file system, in the place of what is there."""
        other._make_parent()
        self.filesystem.cp_file(self.root, other.root)

    def remove(self) -> None:
        """Remove a file, or all that is below; nothing happens where there is nothing."""
        if self.exists():
            self.filesystem.rm(self.root, recursive=True)

    def _make_parent(self) -> None:
        self.filesystem.makedirs(self.root.rpartition("/")[0], exist_ok=True)
