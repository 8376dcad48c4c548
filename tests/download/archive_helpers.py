"""What tests of unpacking share."""

from __future__ import annotations

import hashlib
from pathlib import Path

from deepstrf_hf.download.unpack import Limits, Member
from scripts.archives.flips import tree

AMPLE = Limits(largest_bytes=10**9, most_members=10_000, largest_ratio=2000)
"""Limits that no archive of a test reaches."""

__all__ = ["AMPLE", "files_below", "members_of", "names_in", "tree"]


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder."""
    return {name: content for name, content in tree(folder).items() if content is not None}


def names_in(folder: Path) -> list[str]:
    """Return the names of what lies in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def members_of(files: dict[str, bytes]) -> list[Member]:
    """Return what unpacking should say of these files."""
    return [Member(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()]
