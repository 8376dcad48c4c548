"""What a push would do to a repository: the answer of ``--dry-run``, and what a push does."""

from __future__ import annotations

from dataclasses import dataclass

from deepstrf_hf.built_files import Contents
from deepstrf_hf.errors import DeepstrfError
from deepstrf_hf.hub_state import HubState
from deepstrf_hf.push_tag import PlannedTag

CHANGES = ("new", "changed", "unchanged", "deleted")


@dataclass(frozen=True)
class PlannedFile:
    """A file and what becomes of it.

    Parameters
    ----------
    name : str
        Path in the repository.
    change : str
        ``"new"``, ``"changed"``, ``"unchanged"`` or ``"deleted"``.
    size_bytes : int
        Size, after the push; before it, of a deleted file.
    """

    name: str
    change: str
    size_bytes: int


@dataclass(frozen=True)
class PushPlan:
    """What a push would do, found out without changing anything on the Hub.

    Parameters
    ----------
    repo_id : str
        ``"owner/name"``.
    makes_repository : bool
        Whether the repository would be made: it is not there, or the token given may not see it.
    private : bool
        Whether only the owner may read it after the push.
    gated : str or None
        Its gate after the push: ``"auto"``, ``"manual"`` or None.
    sets_gate : bool
        Whether the push would change the gate.
    branch : str
        Branch.
    makes_branch : bool
        Whether the branch would be made.
    files : tuple of PlannedFile
        Sorted by name; files that others put there, and that stay, are not among them.
    tag : PlannedTag or None
        What happens to the tag of the version; None where there is none, as on other branches.
    licence : str
        What the licence gate says.
    refusals : tuple of DeepstrfError
        Why the push would be refused; empty if it would not.
    """

    repo_id: str
    makes_repository: bool
    private: bool
    gated: str | None
    sets_gate: bool
    branch: str
    makes_branch: bool
    files: tuple[PlannedFile, ...]
    tag: PlannedTag | None
    licence: str
    refusals: tuple[DeepstrfError, ...] = ()

    def names(self, change: str) -> list[str]:
        """Return the names of the files that are ``"new"``, ``"changed"``, ``"unchanged"`` or ``"deleted"``."""
        return [file.name for file in self.files if file.change == change]

    def size_bytes(self, *changes: str) -> int:
        """Return the bytes of the files of some kinds of change."""
        return sum(file.size_bytes for file in self.files if file.change in changes)

    @property
    def bytes_to_send(self) -> int:
        """Bytes that would be sent, at most: those of a killed push that arrived are not sent again."""
        return self.size_bytes("new", "changed")


def planned_files(state: HubState, contents: Contents, stale: set[str]) -> tuple[PlannedFile, ...]:
    """Compare files to be pushed with those of a repository.

    Parameters
    ----------
    state : HubState
        The repository before the push.
    contents : mapping of str to CommitOperationAdd
        Files to be pushed.
    stale : set of str
        Files that the push would delete.
    """
    files = [PlannedFile(name, "deleted", state.files[name].size_bytes) for name in stale]
    for name, local in contents.items():
        there = state.files.get(name)
        change = "new" if there is None else "unchanged" if there.has_content_of(local) else "changed"
        files.append(PlannedFile(name, change, local.upload_info.size))
    return tuple(sorted(files, key=lambda file: file.name))
