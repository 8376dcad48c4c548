"""Files that are whole whenever they are there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from deepstrf_hf.errors import OutputDirectoryError


def write_whole(path: Path, write: Callable[[Path], object], what: str) -> Path:
    """Let a file be written beside its place, and put it there when it is whole.

    Parameters
    ----------
    path : Path
        The file; its directory is made.
    write : callable
        Writes to the path that it is given, which has another name in the same directory.
    what : str
        What it is, for the message: ``"The page"``.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputDirectoryError
        The system does not let it be written; what was there is there still.
    """
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OutputDirectoryError(
            f"{what} cannot be written", path=path, found=error, mend="make room, or allow writing, there"
        ) from error
    return path
