"""What a raw tree holds: cells, archives and the sessions in them, and which of them a build needs.

Neither the name of an archive nor its meta data tells which session it holds: that is in the names of its channels. So
the header of the responses is read of every archive, and no more. A process keeps what it read as long as the files do
not change; nothing is written.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.wingert2026.cells import AREAS, CELL_LIST, CellValues, read_cell_list
from builders.wingert2026.config import Wingert2026Config
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.formats.nems import read_signal_header
from deepstrf_hf.formats.nems_cells import site_of
from deepstrf_hf.formats.nems_files import list_recordings, parse_file_name
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.where import keeps

RECORDINGS = "recordings"
COHORT_AREAS: Mapping[str, tuple[str | None, ...]] = {
    "a1": ("A1",),
    "peg": ("PEG",),
    "a1_peg": ("A1", "PEG"),
    "ac": ("AC",),
    "hc": ("HC",),
    "unlabeled": (None,),
}


@dataclass(frozen=True)
class SessionArchive:
    """An archive whose header could be read.

    Parameters
    ----------
    file : str
        Below the raw directory.
    session : str
        Text before the first ``-`` of its first channel.
    channels : tuple of str
        Its cells.
    """

    file: str
    session: str
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """A raw tree, as far as a list and headers tell it.

    Parameters
    ----------
    cells : mapping of str to mapping
        Neuron metadata of the listed cells.
    sessions : mapping of str to tuple of SessionArchive
        By session: its archives, the one to prefer first.
    broken : mapping of str to RawDataError
        Archives whose header cannot be read, and why.
    strays : tuple of str
        Other files beside the archives.
    """

    cells: Mapping[str, CellValues]
    sessions: Mapping[str, tuple[SessionArchive, ...]]
    broken: Mapping[str, RawDataError]
    strays: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """What a build needs of a release.

    Parameters
    ----------
    cells : mapping of str to mapping
        Neuron metadata of the cells that are wanted and are in an archive.
    sessions : tuple of str
        In text order.
    unrecorded : mapping of str to str
        Cells that are wanted and are in no archive, and why.
    suspects : tuple of str
        Broken archives that may hold them, since no other archive holds their session.
    """

    cells: Mapping[str, CellValues]
    sessions: tuple[str, ...]
    unrecorded: Mapping[str, str]
    suspects: tuple[str, ...]


def read_release(raw: RawTree) -> Release:
    """Read the list of cells and the headers of all archives, once per process.

    Raises
    ------
    MissingRawFileError
        There is no list of cells, or no directory of archives.
    RawFormatError
        The list of cells is not as published.
    """
    listed = list_recordings(raw.root / RECORDINGS)
    state = []
    for path in (raw.path(CELL_LIST), *listed.recordings):
        for file in recording_files(path):
            found = file.stat()
            state.append((str(file), found.st_size, found.st_mtime_ns, found.st_ino))
    return _read_release(raw.root, listed.recordings, tuple(path.name for path in listed.strays), tuple(state))


def recording_files(path: Path) -> list[Path]:
    """Return the files of a recording: the archive, or what is in the directory; a link to nowhere is none."""
    return sorted(file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())


@functools.lru_cache(maxsize=1)
def _read_release(
    root: Path, recordings: tuple[Path, ...], strays: tuple[str, ...], state: tuple[tuple[str, int, int, int], ...]
) -> Release:
    sessions: dict[str, list[SessionArchive]] = {}
    broken: dict[str, RawDataError] = {}
    for path in recordings:
        file = path.relative_to(root).as_posix()
        try:
            archive = _read_header(path, file)
        except RawDataError as error:
            broken[file] = error
            continue
        sessions.setdefault(archive.session, []).append(archive)
    in_order = {
        session: tuple(
            sorted(archives, key=lambda one: (parse_file_name(Path(one.file)).name != one.session, one.file))
        )
        for session, archives in sorted(sessions.items())
    }
    return Release(read_cell_list(root / CELL_LIST), in_order, broken, strays)


def _read_header(path: Path, file: str) -> SessionArchive:
    header = read_signal_header(path, "resp")
    channels = header.require_channels()
    session = site_of(channels[0]) if channels else None
    if session is None:
        raise header.error(
            "An archive does not tell its session", "chans", list(channels)[:1], "names such as CLT027c-009-1"
        )
    return SessionArchive(file, session, channels)


def select(release: Release, cohort: str, config: Wingert2026Config) -> Selection:
    """Return what the build of a cohort needs.

    Parameters
    ----------
    release : Release
        What is there.
    cohort : str
        Name of the cohort.
    config : Wingert2026Config
        With the conditions of the build.
    """
    wanted = {
        cell: values
        for cell, values in release.cells.items()
        if values["area"] in COHORT_AREAS[cohort] and _may_be_kept(values, config)
    }
    channels = {cell for archives in release.sessions.values() for archive in archives for cell in archive.channels}
    unrecorded = {}
    for cell, values in wanted.items():
        if cell not in channels:
            archives = release.sessions.get(values["session"], ())
            unrecorded[cell] = (
                f"{', '.join(archive.file for archive in archives)}: it is not among the channels"
                if archives
                else f"no archive of its session, {values['session']}"
            )
    sessions = [
        session
        for session, archives in release.sessions.items()
        if _session_is_kept(session, config)
        and any(cell in wanted for archive in archives for cell in archive.channels)
    ]
    lost = any(wanted[cell]["session"] not in release.sessions for cell in unrecorded)
    return Selection(
        {cell: values for cell, values in wanted.items() if cell in channels},
        tuple(sessions),
        unrecorded,
        tuple(release.broken) if lost else (),
    )


def _may_be_kept(values: CellValues, config: Wingert2026Config) -> bool:
    """Return whether a listed cell fulfils the conditions, as far as the list tells."""
    told = {name: allowed for name, allowed in config.where.items() if name.removeprefix("neuron.") in values}
    return keeps(told, "neuron", values) and _session_is_kept(values["session"], config)


def _session_is_kept(session: str | None, config: Wingert2026Config) -> bool:
    told = {name: allowed for name, allowed in config.where.items() if name == "stim.session"}
    return keeps(told, "stim", {"session": session})


def report_tree(release: Release, selection: Selection, log: BuildLog) -> None:
    """Write into the log what of a tree is not built, whichever part it is."""
    for name in release.strays:
        log.leave_out("files", f"{RECORDINGS}/{name}", "not a recording")
    for cell, reason in selection.unrecorded.items():
        log.leave_out("units", cell, f"in {CELL_LIST}, without recording: {reason}")
    for cell, values in release.cells.items():
        if values["area"] not in (*AREAS, None):
            log.leave_out("units", cell, f"its area is {values['area']}, which no cohort holds")
    for file, error in release.broken.items():
        if file not in selection.suspects:
            log.leave_out("archives", file, f"not needed: every cell that is built has its session elsewhere; {error}")


def archive_files(raw: RawTree, archives: Sequence[SessionArchive]) -> list[str]:
    """Return the files of archives, below the raw directory."""
    return [
        file.relative_to(raw.root).as_posix()
        for archive in archives
        for file in recording_files(raw.root / archive.file)
    ]
