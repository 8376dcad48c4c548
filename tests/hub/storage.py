"""Content-addressed blobs, repositories and their immutable commits, all in memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import MappingProxyType

from .attributes import GITATTRIBUTES, is_lfs
from .errors import HubError, entry_not_found, revision_not_found, stale_parent

SHORT_OID_LENGTH = 7


@dataclass(frozen=True)
class Blob:
    """Bytes and the two hashes that name them."""

    content: bytes = field(repr=False)
    sha256: str
    git_oid: str

    @classmethod
    def from_content(cls, content: bytes) -> Blob:
        """Hash some bytes."""
        return cls(content, hashlib.sha256(content).hexdigest(), _git_oid("blob", content))


@dataclass(frozen=True)
class FileEntry:
    """A file of a commit: a blob, kept in git or in LFS."""

    blob: Blob
    lfs: bool

    @classmethod
    def from_content(cls, path: str, content: bytes) -> FileEntry:
        """Make the entry that uploading these bytes under this path would give."""
        return cls(Blob.from_content(content), is_lfs(path, len(content), content[:512]))

    @property
    def size(self) -> int:
        """Size of the content in bytes."""
        return len(self.blob.content)

    @property
    def pointer(self) -> bytes:
        """Text that git keeps in place of a file that is in LFS."""
        version = "version https://git-lfs.github.com/spec/v1"
        return f"{version}\noid sha256:{self.blob.sha256}\nsize {self.size}\n".encode()

    @property
    def git_oid(self) -> str:
        """Name of what git keeps: the content, or the pointer to it."""
        return _git_oid("blob", self.pointer) if self.lfs else self.blob.git_oid

    @property
    def etag(self) -> str:
        """Entity tag, which is also the hash a client compares with its local file."""
        return self.blob.sha256 if self.lfs else self.blob.git_oid


@dataclass(frozen=True)
class Commit:
    """An immutable snapshot: every path of the repository and the entry it has."""

    oid: str
    parent: str | None
    title: str
    message: str
    author: str
    date: datetime
    files: Mapping[str, FileEntry] = field(repr=False)


class Repository:
    """One dataset repository: commits, branches, tags, LFS objects and who may see it.

    Parameters
    ----------
    identifier
        ``namespace/name``.
    private
        Whether only those who may write, and ``readers``, see it.
    gated
        ``False``, ``"auto"`` or ``"manual"``: whether files are handed only to ``granted`` users.
    author
        Name of the user who makes the first commit.
    """

    def __init__(
        self, identifier: str, private: bool = False, gated: str | bool = False, author: str = "system"
    ) -> None:
        self.identifier = identifier
        self.private = private
        self.gated = gated
        self.readers: set[str] = set()
        self.granted: set[str] = set()
        self.lock = threading.RLock()
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.objects: dict[str, Blob] = {}
        self.created = datetime.now(timezone.utc)
        first = self._record(None, {".gitattributes": FileEntry.from_content("", GITATTRIBUTES)}, "initial commit")
        self.branches["main"] = first.oid

    @property
    def namespace(self) -> str:
        """User or organisation that owns the repository."""
        return self.identifier.split("/")[0]

    def resolve(self, revision: str = "main") -> Commit:
        """Find the commit that a branch, a tag, a full reference or a (shortened) commit id names."""
        with self.lock:
            for references, prefix in ((self.branches, "refs/heads/"), (self.tags, "refs/tags/")):
                name = revision.removeprefix(prefix)
                if name in references:
                    return self.commits[references[name]]
            if revision in self.commits:
                return self.commits[revision]
            if len(revision) >= SHORT_OID_LENGTH:
                matches = [commit for oid, commit in self.commits.items() if oid.startswith(revision)]
                if len(matches) == 1:
                    return matches[0]
        raise revision_not_found(revision)

    def read(self, path: str, revision: str = "main") -> bytes:
        """Read the bytes of one file."""
        return self.resolve(revision).files[path].blob.content

    def history(self, revision: str = "main") -> list[Commit]:
        """List the commits that lead to a revision, newest first."""
        return list(self._ancestry(self.resolve(revision)))

    def last_change(self, path: str, commit: Commit) -> Commit:
        """Find the commit that last changed a file or anything in a folder."""

        def state(snapshot: Commit) -> dict[str, str]:
            return {
                name: entry.git_oid
                for name, entry in snapshot.files.items()
                if name == path or name.startswith(f"{path}/")
            }

        ancestry = list(self._ancestry(commit))
        for child, parent in zip(ancestry, ancestry[1:], strict=False):
            if state(child) != state(parent):
                return child
        return ancestry[-1]

    def commit(
        self,
        additions: Mapping[str, bytes | FileEntry],
        deletions: Iterable[str] = (),
        *,
        title: str = "commit",
        message: str = "",
        author: str = "system",
        branch: str = "main",
        parent: str | None = None,
    ) -> Commit:
        """Apply additions and deletions in one step and move the branch.

        Parameters
        ----------
        additions
            Path to bytes, or to an entry made before.
        deletions
            Paths; one that ends in ``/`` is a folder.
        title, message, author
            What the log says.
        branch
            Branch to move; it must exist.
        parent
            If given, the commit that must still be the head.

        Raises
        ------
        HubError
            412 if the head is not ``parent``; 404 for an unknown branch or a deleted path that is not there.
        """
        entries = {
            path: content if isinstance(content, FileEntry) else FileEntry.from_content(path, content)
            for path, content in additions.items()
        }
        with self.lock:
            branch = branch.removeprefix("refs/heads/")
            if branch not in self.branches:
                raise revision_not_found(branch)
            head = self.commits[self.branches[branch]]
            if parent is not None and (len(parent) < SHORT_OID_LENGTH or not head.oid.startswith(parent)):
                raise stale_parent()
            files = dict(head.files)
            for deletion in deletions:
                whole = deletion.endswith("/")
                gone = [path for path in files if path == deletion or (whole and path.startswith(deletion))]
                if not gone:
                    raise entry_not_found(f"A file with this name doesn't exist: {deletion}", head.oid)
                for path in gone:
                    del files[path]
            files.update(entries)
            self.objects.update((entry.blob.sha256, entry.blob) for entry in entries.values() if entry.lfs)
            commit = self._record(head.oid, files, title, message, author)
            self.branches[branch] = commit.oid
            return commit

    def create_reference(self, references: dict[str, str], name: str, revision: str) -> None:
        """Add a branch or a tag; 409 if the name is taken."""
        with self.lock:
            target = self.resolve(revision).oid
            if name in references:
                raise HubError(409, f"Reference already exists: {name}")
            references[name] = target

    def delete_reference(self, references: dict[str, str], name: str) -> None:
        """Remove a branch or a tag."""
        with self.lock:
            if name not in references:
                raise revision_not_found(name)
            del references[name]

    def _ancestry(self, commit: Commit) -> Iterator[Commit]:
        """Walk from a commit to the first one."""
        current: Commit | None = commit
        while current is not None:
            yield current
            current = None if current.parent is None else self.commits[current.parent]

    def _record(
        self,
        parent: str | None,
        files: dict[str, FileEntry],
        title: str,
        message: str = "",
        author: str = "system",
    ) -> Commit:
        """Store a snapshot under an id made from its content and its place in the history."""
        date = datetime.now(timezone.utc)
        listing = "".join(f"{path}\0{entry.git_oid}\n" for path, entry in sorted(files.items()))
        seed = "\0".join([self.identifier, str(len(self.commits)), str(parent), date.isoformat(), title, listing])
        oid = _git_oid("commit", seed.encode())
        commit = Commit(oid, parent, title, message, author, date, MappingProxyType(files))
        self.commits[oid] = commit
        return commit


def _git_oid(kind: str, content: bytes) -> str:
    """Name an object as git does."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
