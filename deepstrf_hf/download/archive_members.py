"""What readers of archives have in common: what a member is, and how a bad archive is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

from deepstrf_hf.errors import ArchiveError

BLOCK = 2**20
"""Bytes that are held in memory at a time."""


@dataclass(frozen=True)
class Entry:
    """A member as the archive announces it; its name is not to be trusted.

    Parameters
    ----------
    name : str
        As the archive spells it.
    is_folder : bool
        A folder; else a regular file. Other kinds are refused by the reader.
    size_bytes : int
        Announced bytes of content.
    """

    name: str
    is_folder: bool
    size_bytes: int


class PackedMembers(Protocol):
    """An archive that is open for reading."""

    def entries(self) -> Iterator[Entry]:
        """Pass over what the archive announces, in its order, without unpacking; to the end, so that all is seen.

        Raises
        ------
        ArchiveError
            Damaged, or with a member that is neither a file nor a folder, or encrypted, or packed in an unknown way.
        """

    def contents(self, chosen: Collection[int]) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Pass over the contents of the members with these numbers (their places in `entries`), in that order.

        Each content must be read to its end, in blocks of at most ``BLOCK`` bytes, before the next is asked for.

        Raises
        ------
        ArchiveError
            Damaged: a check sum does not agree, or the archive is cut short.
        """


def refusal(
    problem: str, archive: str, *, member: str | None = None, found: object = None, expected: object = None
) -> ArchiveError:
    """Make the error for an archive that is not unpacked.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence.
    archive : str
        Name of the archive, for the message.
    member : str, optional
        Name of the member concerned; shown with its odd characters escaped.
    found, expected : object, optional
        What was there and what should have been.

    Returns
    -------
    ArchiveError
        The error, to be raised by the caller.
    """
    return ArchiveError(
        problem,
        path=archive,
        field=None if member is None else _shown(member),
        found=found,
        expected=expected,
        mend="fetch the archive again; if that does not help, it is not the published one, or was published broken",
    )


def _shown(name: str, longest: int = 200) -> str:
    text = repr(name)
    return text if len(text) <= longest else f"{text[:longest]}… ({len(name)} characters)"
