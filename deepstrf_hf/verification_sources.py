"""The files that a verification looks at: of a directory, or of one commit on the Hub, fetched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from deepstrf_hf.names import CARD_NAME, REPORT_NAME
from deepstrf_hf.parquet import METADATA_KEY
from deepstrf_hf.repository import Repository

SHA256, GIT_BLOB = "SHA-256", "git blob"
"""Kinds of digests that the Hub states: of files in LFS, and of others."""


class Source(Protocol):
    """Files by their names below a directory or repository."""

    root: Path
    """Where card and build report lie."""

    def sizes(self) -> dict[str, int]:
        """Return the size of every file, in bytes, by name."""

    def fetch(self, names: Iterable[str]) -> dict[str, Path]:
        """Return where files are on disk, by name; all of them must be among `sizes`."""

    def is_ours(self, name: str) -> bool:
        """Return whether a Parquet file carries our provenance; False where it cannot be read."""

    def stated(self, name: str) -> tuple[str, str] | None:
        """Return the digest that the Hub states of a file, as (kind, digest); None for a local file."""


class DirectorySource:
    """The files of a built directory (methods as in `Source`).

    Parameters
    ----------
    root : Path
        The directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def sizes(self) -> dict[str, int]:
        """Return the size of every file, in bytes, by name."""
        found: dict[str, int] = {}
        seen = {self.root.resolve()}
        for folder, folders, names in os.walk(self.root, followlinks=True):
            targets = {name: (Path(folder) / name).resolve() for name in folders}
            folders[:] = [name for name, target in targets.items() if target not in seen]  # a link may lead in a circle
            seen.update(targets.values())
            for path in (Path(folder) / name for name in names):
                if path.is_file():
                    found[path.relative_to(self.root).as_posix()] = path.stat().st_size
        return found

    def fetch(self, names: Iterable[str]) -> dict[str, Path]:
        """Return where files are."""
        return {name: self.root / name for name in names}

    def is_ours(self, name: str) -> bool:
        """Return whether a Parquet file carries our provenance."""
        return _carries_provenance(self.root / name)

    def stated(self, name: str) -> tuple[str, str] | None:
        """Return None: nobody states anything of a local file."""
        return None


class HubSource:
    """The files of one commit of a repository on the Hub (methods as in `Source`).

    Parameters
    ----------
    repository : Repository
        On the Hub, with its commit.

    Raises
    ------
    HubError
        The Hub refused or could not be reached; so do the methods.
    """

    def __init__(self, repository: Repository) -> None:
        import huggingface_hub
        from huggingface_hub.hf_api import RepoFile

        from deepstrf_hf.hub_errors import hub_errors

        self._repository = repository
        api = huggingface_hub.HfApi(token=repository.token)
        with hub_errors(repository.source, repository.revision):
            tree = api.list_repo_tree(
                repository.source, recursive=True, revision=repository.revision, repo_type="dataset"
            )
            self._listed = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        self.root = self._download(REPORT_NAME).parent
        self._download(CARD_NAME)

    def sizes(self) -> dict[str, int]:
        """Return the size of every file, in bytes, by name, as the Hub states it."""
        return {name: entry.size for name, entry in self._listed.items()}

    def fetch(self, names: Iterable[str]) -> dict[str, Path]:
        """Return where files are on disk, fetched if they are not in the cache of the Hub's client."""
        import huggingface_hub

        from deepstrf_hf.hub_errors import hub_errors

        wanted = list(names)
        if not wanted:
            return {}
        with hub_errors(self._repository.source, self._repository.revision):
            root = Path(
                huggingface_hub.snapshot_download(
                    self._repository.source,
                    repo_type="dataset",
                    revision=self._repository.revision,
                    token=self._repository.token,
                    allow_patterns=wanted,
                )
            )
        # A listing that fails is not an error there; asking for the file is.
        return {name: root / name if (root / name).is_file() else self._download(name) for name in wanted}

    def is_ours(self, name: str) -> bool:
        """Return whether a Parquet file carries our provenance; only its end is fetched."""
        from deepstrf_hf.grid.stream_remote import open_on_hub
        from deepstrf_hf.hub_errors import hub_errors

        repository = self._repository
        with hub_errors(repository.source, repository.revision):
            file = open_on_hub(repository.source, name, repository.revision, repository.token)
            try:
                return _carries_provenance(file)
            finally:
                file.close()

    def stated(self, name: str) -> tuple[str, str] | None:
        """Return the digest that LFS or git has of a file."""
        entry = self._listed[name]
        return (SHA256, entry.lfs.sha256) if entry.lfs is not None else (GIT_BLOB, entry.blob_id)

    def _download(self, name: str) -> Path:
        import huggingface_hub

        from deepstrf_hf.hub_errors import hub_errors

        with hub_errors(self._repository.source, self._repository.revision):
            return Path(
                huggingface_hub.hf_hub_download(
                    self._repository.source,
                    name,
                    repo_type="dataset",
                    revision=self._repository.revision,
                    token=self._repository.token,
                )
            )


def git_blob_of(path: Path) -> str:
    """Return git's object id of a file, hexadecimal."""
    content = path.read_bytes()  # what is not in LFS is small
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _carries_provenance(file: object) -> bool:
    try:
        return METADATA_KEY in (pq.read_metadata(file).metadata or {})
    except (pa.ArrowException, OSError):
        return False
