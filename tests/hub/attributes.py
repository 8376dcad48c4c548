"""Which files the Hub keeps in LFS, and which ones a ``.gitignore`` leaves out."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

LFS_SUFFIXES = (
    ".7z", ".arrow", ".bin", ".bz2", ".flac", ".gz", ".h5", ".jpeg", ".jpg", ".lz4",
    ".mat", ".mp3", ".npy", ".npz", ".ogg", ".parquet", ".pickle", ".pkl", ".png", ".pt",
    ".rar", ".tar", ".tgz", ".wav", ".webp", ".xz", ".zip", ".zst",
)  # fmt: skip
LFS_SIZE = 10 * 1024 * 1024
GITATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


def is_lfs(path: str, size: int, sample: bytes) -> bool:
    """Tell whether a file goes to LFS: by suffix, by size, or because its first bytes are not text.

    Parameters
    ----------
    path
        Path in the repository.
    size
        Size in bytes; an empty file is never kept in LFS.
    sample
        First bytes of the file.
    """
    if size == 0:
        return False
    return PurePosixPath(path).suffix.lower() in LFS_SUFFIXES or size > LFS_SIZE or b"\0" in sample


def is_ignored(path: str, gitignore: str) -> bool:
    """Tell whether a ``.gitignore`` leaves out a path (globs, folders and negation; the last match wins)."""
    ignored = False
    parents = [path, *(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")]
    for line in gitignore.splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        negated = rule.startswith("!")
        rule = rule.lstrip("!")
        candidates = parents[1:] if rule.endswith("/") else parents
        rule = rule.rstrip("/")
        anchored = "/" in rule
        rule = rule.lstrip("/")
        if any(fnmatchcase(name if anchored else PurePosixPath(name).name, rule) for name in candidates):
            ignored = not negated
    return ignored
