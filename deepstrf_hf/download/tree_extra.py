"""What lies in a data directory and belongs to nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from deepstrf_hf.download.lock_file import LOCK_NAME, LockFile
from deepstrf_hf.download.tree_archives import TreeFaults, some
from deepstrf_hf.download.tree_contents import Place, count_contents, is_hidden
from deepstrf_hf.raw_tree import RawTree

LEFT_BY_SYSTEMS = ("Thumbs.db", "desktop.ini", "__MACOSX")
"""Names that computers leave behind; those that begin with a dot besides."""
UNFINISHED = (".part", ".part.json")
"""Ends of the names of downloads that were interrupted."""


class Total(NamedTuple):
    """What lies in a directory.

    Parameters
    ----------
    files : int
        How many.
    bytes : int
        Their size.
    """

    files: int
    bytes: int


def note_extra_files(
    raw: RawTree, places: Sequence[Place], lock: LockFile | None, read: set[Path], faults: TreeFaults
) -> Total:
    """Remark on files that no archive brings and no builder reads; none of them is wrong.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    places : sequence of Place
        Where the archives are.
    lock : LockFile or None
        What was fetched.
    read : set of Path
        Files that the builder reads.
    faults : TreeFaults
        Takes the remarks, and knows the data directory.

    Returns
    -------
    Total
        All files of the raw directory.
    """
    directory = faults.directory
    known = {directory / LOCK_NAME, raw.root / LOCK_NAME, *read}
    for place in places:
        known |= _of_archive(place, lock)
    files = list(_walk(raw.root))
    above = [] if directory.resolve() == raw.root.resolve() else _beside(directory)
    total = Total(len(files), sum(path.stat().st_size for path in files))
    hidden, unfinished = [], []
    others: dict[Path, list[str]] = {}
    for path in (*above, *files):
        below = path.relative_to(directory) if path.is_relative_to(directory) else path.relative_to(raw.root)
        if path in known:
            continue
        if path.name.endswith(UNFINISHED):
            unfinished.append(below.as_posix())
        elif is_hidden(below) or not set(below.parts).isdisjoint(LEFT_BY_SYSTEMS):
            hidden.append(below.as_posix())
        else:
            others.setdefault(_home(path, places, directory), []).append(below.as_posix())
    for folder, names in others.items():
        faults.remark("Files that are not declared and not read", folder, found=some(names))
    if unfinished:
        faults.remark(
            "Downloads that were interrupted",
            directory,
            found=some(unfinished),
            mend="download again: it goes on from there",
        )
    if hidden:
        faults.remark("Files that computers leave behind, which nothing reads", directory, found=some(hidden))
    return total


def _of_archive(place: Place, lock: LockFile | None) -> set[Path]:
    """Return the files that an archive brings: itself, and its content as far as it is known."""
    known = set() if place.file is None else {place.file}
    if place.folder is None:
        return known
    locked = None if lock is None else lock.archives.get(place.archive.name)
    if place.archive.unpack is None:
        return known | set(_walk(place.folder))
    if locked is not None:
        return known | {place.folder / name for name in locked.members}
    return known.union(*(counted.files for counted in count_contents(place.folder, place.archive.unpack)))


def _walk(folder: Path) -> Iterable[Path]:
    for root, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(root, name)
            if path.is_file():
                yield path


def _beside(directory: Path) -> list[Path]:
    """Return the files that lie in the directory a user named, where the raw files are in a folder of it."""
    return sorted(path for path in directory.iterdir() if path.is_file())


def _home(path: Path, places: Sequence[Place], directory: Path) -> Path:
    """Return the folder of the archive that a file lies in, else the data directory."""
    folders = [place.folder for place in places if place.folder is not None and path.is_relative_to(place.folder)]
    return max(folders, key=lambda folder: len(folder.parts), default=directory)
