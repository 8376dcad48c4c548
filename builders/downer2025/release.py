"""What is in a tree: sessions, the files of their channels, and what the metadata of the release says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from builders.downer2025.areas import AREAS, UNKNOWN
from builders.downer2025.columns import TUNING_COLUMNS
from builders.downer2025.config import Downer2025Config
from builders.downer2025.listed import listed
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.where import keeps

METADATA_FILES = ("sessions_metadata.yml", "session_metadata.yml")
SESSIONS = "sessions"
CHANNEL_FILE = re.compile(
    r"(?P<cell>(?P<animal>[A-Za-z]+)_(?P<session>[0-9]+)_Ch(?P<channel>[0-9]+)(?P<suffix>[A-Za-z][A-Za-z0-9]*)?)"
    r"_MUspk?\.mat"
)
COUNTED = "MUspk"
ANIMAL_LIST = re.compile(r"([A-Za-z]+)_(LH|RH)_sessions")
REPAIR = "the file is damaged or not the published one: fetch it again"


@dataclass(frozen=True)
class Channel:
    """The file of a recording channel.

    Parameters
    ----------
    file : str
        Below the raw directory.
    metadata : mapping
        Of the neuron, all that is known without opening the file.
    """

    file: str
    metadata: Mapping[str, Any]

    @property
    def cell_id(self) -> str:
        """Name of the neuron."""
        return str(self.metadata["cell_id"])

    def may_be_kept(self, config: Downer2025Config) -> bool:
        """Return whether the neuron may fulfil the conditions of a build, as far as can be told."""
        where = {name: values for name, values in config.where.items() if name[len("neuron.") :] not in TUNING_COLUMNS}
        return keeps(where, "neuron", self.metadata)


@dataclass(frozen=True)
class Session:
    """A session's folder.

    Parameters
    ----------
    name : str
        yymmdd.
    channels : tuple of Channel
        In the order of their names.
    left_out : mapping of str to str
        Reasons by file that is not read.
    """

    name: str
    channels: tuple[Channel, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Release:
    """A tree.

    Parameters
    ----------
    sessions : mapping of str to Session
        In the order of their names; those that the lab calls bad are not there.
    left_out : mapping of str to str
        Reasons by folder.
    notes : tuple of str
        What a user should know.
    """

    sessions: Mapping[str, Session]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]

    def report(self, log: BuildLog) -> None:
        """Say what of the tree is not read."""
        for name, reason in self.left_out.items():
            log.leave_out("sessions", name, reason)
        for session in self.sessions.values():
            for file, reason in session.left_out.items():
                log.leave_out("files", file, reason)
        for note in self.notes:
            log.note(note)


@dataclass
class _Metadata:
    """What ``sessions_metadata.yml`` says, by session."""

    path: Path
    animals: dict[str, str] = field(default_factory=dict)
    hemispheres: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    coordinates: dict[str, tuple[float, float]] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)


def metadata_file(raw: RawTree) -> str:
    """Return the name of the metadata of sessions, of which the release and its description have different ones.

    Raises
    ------
    MissingRawFileError
        There is neither.
    """
    for name in METADATA_FILES:
        if (raw.root / name).is_file():
            return name
    raise MissingRawFileError(
        "The metadata of sessions are missing",
        path=raw.root,
        expected=" or ".join(METADATA_FILES),
        mend="fetch it again",
    )


def read_release(raw: RawTree) -> Release:
    """List the sessions and channels of a tree.

    Raises
    ------
    MissingRawFileError, RawFormatError
        There are no metadata of sessions, or not as published.
    """
    metadata = _read_metadata(raw.root / metadata_file(raw))
    sessions, left_out, notes = {}, {}, []
    for folder in sorted((raw.root / SESSIONS).iterdir(), key=lambda path: path.name):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        if folder.name in metadata.bad:
            left_out[folder.name] = "the lab lists it among its bad sessions"
            continue
        session = _session(folder, metadata)
        if not session.channels:
            left_out[folder.name] = "its folder holds no files of channels"
            continue
        sessions[session.name] = session
        notes += _notes(session, metadata)
    return Release(sessions, left_out, tuple(notes))


def _session(folder: Path, metadata: _Metadata) -> Session:
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    counted = sum(COUNTED in name or CHANNEL_FILE.fullmatch(name) is not None for name in names)
    channels: dict[str, Channel] = {}
    left_out = {}
    for name in names:
        file = f"{SESSIONS}/{folder.name}/{name}"
        matched = CHANNEL_FILE.fullmatch(name)
        if matched is None:
            if COUNTED in name:
                left_out[file] = "its name is not that of a channel's file"
            continue
        cell = matched["cell"]
        if cell in channels:
            left_out[file] = f"{channels[cell].file} is of the same channel"
            continue
        area = AREAS.get(folder.name, UNKNOWN)
        x, y = metadata.coordinates.get(folder.name, (None, None))
        channels[cell] = Channel(
            file,
            {
                "cell_id": cell,
                "session_id": matched["session"],
                "animal_id": matched["animal"],
                "hemisphere": metadata.hemispheres.get(folder.name),
                "area_group": metadata.groups.get(folder.name),
                "area": area.area,
                "area_is_certain": area.is_certain,
                "deepstrf_area": area.deepstrf,
                "coord_x": x,
                "coord_y": y,
                "channel": int(matched["channel"]),
                "channel_suffix": matched["suffix"],
                "n_channels_in_session": counted,
                "recording_type": "multi-unit",
                **listed(cell),
            },
        )
    return Session(folder.name, tuple(channels.values()), left_out)


def _notes(session: Session, metadata: _Metadata) -> list[str]:
    notes, name = [], session.name
    lacking = [
        what
        for what, known in (
            ("animal and hemisphere", metadata.hemispheres),
            ("group of fields", metadata.groups),
            ("coordinates", metadata.coordinates),
        )
        if name not in known
    ]
    if lacking:
        notes.append(
            f"Session {name} is built without {', '.join(lacking)}: {metadata.path.name} does not name it there."
        )
    others = sorted({channel.metadata["session_id"] for channel in session.channels} - {name})
    if others:
        notes.append(f"Files in the folder of session {name} name session {', '.join(others)}.")
    animals = {channel.metadata["animal_id"] for channel in session.channels}
    if name in metadata.animals and animals != {metadata.animals[name]}:
        notes.append(
            f"Session {name} is of monkey {metadata.animals[name]} by {metadata.path.name}, "
            f"and of {', '.join(sorted(animals))} by its files."
        )
    return notes


def _read_metadata(path: Path) -> _Metadata:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _error(path, None, error, "YAML text") from error
    if not isinstance(content, Mapping):
        raise _error(path, None, type(content).__name__, "a mapping of names to lists of sessions")
    found = _Metadata(path)
    for key, value in content.items():
        matched = ANIMAL_LIST.fullmatch(str(key))
        if matched:
            for session in _sessions(path, key, value):
                _once(path, key, found.animals, session, matched[1])
                _once(path, key, found.hemispheres, session, matched[2])
    groups = content.get("area_wise_sessions")
    for group, value in (groups if isinstance(groups, Mapping) else {}).items():
        for session in _sessions(path, f"area_wise_sessions.{group}", value):
            _once(path, "area_wise_sessions", found.groups, session, str(group))
    places = content.get("session_coordinates")
    for session, place in (places if isinstance(places, Mapping) else {}).items():
        if not (isinstance(place, list) and len(place) == 2 and all(isinstance(value, int | float) for value in place)):
            raise _error(path, f"session_coordinates.{session}", place, "two numbers, mm")
        found.coordinates[str(session)] = float(place[0]), float(place[1])
    found.bad.update(_sessions(path, "bad_sessions", content.get("bad_sessions")))
    if not found.animals:
        raise _error(path, None, ", ".join(map(str, content)), "lists such as b_RH_sessions")
    return found


def _sessions(path: Path, key: str, value: object) -> list[str]:
    """Return names of sessions, which are numbers or text; none of nothing."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, int | str) for one in value):
        raise _error(path, key, value, "a list of sessions")
    return [str(one) for one in value]


def _once(path: Path, key: str, known: dict[str, str], session: str, value: str) -> None:
    if known.setdefault(session, value) != value:
        raise _error(path, key, f"session {session} under {known[session]} and {value}", "each session once")


def _error(path: Path, key: str | None, found: object, expected: str) -> RawFormatError:
    return RawFormatError(
        "The metadata of sessions are not as published",
        path=path,
        field=key,
        found=found,
        expected=expected,
        mend=REPAIR,
    )
