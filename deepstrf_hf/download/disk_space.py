"""Whether there is room for what is to be fetched, before the first byte is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.transfer import Expected
from deepstrf_hf.errors import DownloadError

UNPACKED_PER_PACKED = 3
"""Bytes unpacked for each byte of an archive of which nobody has said it: more than any of ours has."""


def refuse_too_little_space(directory: Path, archives: Sequence[Archive], expected: Mapping[str, Expected]) -> None:
    """Refuse to begin where the disk cannot hold what is known of the archives.

    Archives that are read by range are left to their unpacking, which knows the members' sizes.

    Parameters
    ----------
    directory : Path
        Where they go; it exists.
    archives : sequence of Archive
        Those still to be fetched.
    expected : mapping of str to Expected
        What is known of them by name.

    Raises
    ------
    DownloadError
        There is not enough room.
    """
    needed = 0
    for archive in archives:
        packed = expected[archive.name].size_bytes
        if archive.remote_members or packed is None:
            continue
        needed += packed - sum(part.stat().st_size for part in directory.rglob(f"{archive.name}.part"))
        if archive.unpack is not None:
            needed += archive.unpack.about_bytes or UNPACKED_PER_PACKED * packed
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise DownloadError(
            "There is not enough room on the disk",
            path=directory,
            found=f"{free / 1e9:,.2f} GB free",
            expected=f"{needed / 1e9:,.2f} GB, unpacked files included",
            mend="make room, or choose another directory with --dest or DEEPSTRF_DATA_DIR",
        )
