"""Files of NEMS recordings: what their names say, and which of the files in a directory are recordings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from deepstrf_hf.errors import MissingRawFileError
from deepstrf_hf.formats.nems_container import describe

ARCHIVE_NAME = re.compile(r"(?P<name>.+?)(?:_(?P<sha1>[0-9a-f]{40}))?\.(?:tgz|tar\.gz)", re.DOTALL)


class RecordingFile(NamedTuple):
    """What the name of an archive says: ``<name>_<sha1>.tgz``.

    Parameters
    ----------
    name : str
        Usually of the site; some are named after another site than they hold.
    sha1 : str or None
        Digest of the meta data (`deepstrf_hf.formats.nems_signal.meta_sha1`), not a check sum of the file.
    """

    name: str
    sha1: str | None


class RecordingList(NamedTuple):
    """What `list_recordings` found.

    Parameters
    ----------
    recordings : tuple of Path
        Archives, and directories that hold a recording, by name.
    strays : tuple of Path
        Everything else (``.DS_Store``), by name, for the report.
    """

    recordings: tuple[Path, ...]
    strays: tuple[Path, ...]


def parse_file_name(path: Path) -> RecordingFile:
    """Return what the name of an archive, or of a directory, says."""
    match = ARCHIVE_NAME.fullmatch(path.name)
    return RecordingFile(path.name, None) if match is None else RecordingFile(match["name"], match["sha1"])


def list_recordings(directory: Path) -> RecordingList:
    """Return the recordings that lie in a directory, by their names; none is opened.

    Raises
    ------
    MissingRawFileError
        There is no such directory.
    """
    if not directory.is_dir():
        raise MissingRawFileError(
            "A directory of recordings is missing",
            path=directory,
            expected="a directory of .tgz archives",
            mend="unpack the archive that holds it, or complete the download",
        )
    recordings: list[Path] = []
    strays: list[Path] = []
    for entry in sorted(directory.iterdir(), key=lambda entry: entry.name):
        (recordings if _is_recording(entry) else strays).append(entry)
    return RecordingList(tuple(recordings), tuple(strays))


def _is_recording(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if not path.is_dir():
        return ARCHIVE_NAME.fullmatch(path.name) is not None
    files = [*path.glob("*.json"), *path.glob("*/*.json")]
    return any(describe(file.name, 0).kind in ("meta", "json") for file in files)
