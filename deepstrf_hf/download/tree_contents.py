"""Where the content of an archive lies in a data directory, and how much of it there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepstrf_hf.corpus import Archive, Unpack
from deepstrf_hf.raw_tree import RawTree

PACKED = (".tar.gz", ".tgz", ".zip")
"""Ends of the names of archives."""


@dataclass(frozen=True)
class Counted:
    """How many files there are of a pattern.

    Parameters
    ----------
    pattern : str
        Of `Unpack.contains`.
    files : tuple of Path
        Those that there are.
    published : int or None
        How many there should be; None: at least one.
    """

    pattern: str
    files: tuple[Path, ...]
    published: int | None

    @property
    def too_few(self) -> bool:
        """Whether files are missing."""
        return len(self.files) < (1 if self.published is None else self.published)

    @property
    def too_many(self) -> bool:
        """Whether there are more than the lab published."""
        return self.published is not None and len(self.files) > self.published


@dataclass(frozen=True)
class Place:
    """Where an archive and its content are.

    Parameters
    ----------
    archive : Archive
        Which.
    file : Path or None
        The archive itself, where it is there.
    folder : Path or None
        Its content, where it is unpacked, also by hand.
    """

    archive: Archive
    file: Path | None
    folder: Path | None

    @property
    def is_there(self) -> bool:
        """Whether a builder finds what is in the archive."""
        return self.folder is not None or (self.archive.unpack is None and self.file is not None)


def files_below(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Return the files below a folder that a glob pattern names, sorted; hidden ones are none of them."""
    found = (path for path in folder.glob(pattern) if path.is_file())
    return tuple(sorted(path for path in found if not is_hidden(path.relative_to(folder))))


def is_hidden(path: Path) -> bool:
    """Return whether a part of a relative path begins with a dot."""
    return any(part.startswith(".") for part in path.parts)


def count_contents(folder: Path, unpack: Unpack) -> list[Counted]:
    """Count what an archive was unpacked to, pattern by pattern.

    Parameters
    ----------
    folder : Path
        What it was unpacked to.
    unpack : Unpack
        What should be there.
    """
    return [Counted(pattern, files_below(folder, pattern), published) for pattern, published in unpack.contains.items()]


def find_place(archive: Archive, data_dir: Path, raw: RawTree) -> Place:
    """Find an archive and its content.

    Parameters
    ----------
    archive : Archive
        Which.
    data_dir : Path
        The directory a user names.
    raw : RawTree
        What the builder opens of it: itself, or a folder in it.
    """
    files = (root / archive.name for root in (data_dir, raw.root))
    file = next((path for path in files if path.is_file()), None)
    return Place(archive, file, _folder(archive, data_dir, raw))


def _folder(archive: Archive, data_dir: Path, raw: RawTree) -> Path | None:
    if archive.unpack is None:
        # A set of files has a folder; an archive that is read as it is may have been unpacked by hand all the same.
        folder = raw.root / without_ending(archive.name)
        return folder if folder.is_dir() else None
    for root in (data_dir, raw.root):
        if (root / archive.unpack.into).is_dir():
            return root / archive.unpack.into
    for name in archive.unpack.elsewhere:
        folder = raw.root / name
        if folder.is_dir() and any(counted.files for counted in count_contents(folder, archive.unpack)):
            return folder
    return None


def without_ending(name: str) -> str:
    """Return the name of an archive without its ending."""
    return next((name.removesuffix(ending) for ending in PACKED if name.endswith(ending)), name)
