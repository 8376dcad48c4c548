"""The lab's tables: birds, songs with their critical intervals, and recording sites. Read as text, columns by name."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.le2025.names import MOTIFS_OF_NAT8B, SYNTHETIC
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.raw_tree import RawTree

BIRDS, SONGS, SITES = (f"metadata/{name}.csv" for name in ("ephys-birds", "song-birds", "recordings"))
BLANK = ("", "n/a", "na", "nan", "none", "null", "unknown")
ALIASES = {"Rb219": "Rb291"}
"""Birds that files name otherwise than the table of birds: the lab's list of recordings has Rb219 under Rb291."""
SCRAMBLED_MS: dict[str, dict[str, tuple[float, float]]] = {
    "synth8mk0": {"2a": (262, 332), "4a": (623, 693)},
    "synth8mk1": {"2a": (303, 373), "4a": (669, 739)},
    "synth8mk2": {"2a": (239, 309), "4a": (658, 728)},
    "synth8mk3": {"2a": (168, 238), "4a": (625, 695)},
    "synth8mk4": {"2a": (167, 237), "4a": (639, 709)},
    "synth8mk5": {"2a": (230, 300), "4a": (584, 653)},
    "synth8mk6": {"2a": (133, 203), "4a": (464, 534)},
    "synth8mk7": {"2a": (314, 384), "4a": (721, 790)},
}
"""Critical intervals of scrambled motifs, ms; not in the release, but in the tables of the lab's analysis
(https://github.com/melizalab/auditory-restoration)."""

Row = Mapping[str, str | None]
"""Values by column, blanks None."""


@dataclass(frozen=True)
class LabTables:
    """What the tables tell.

    Parameters
    ----------
    birds : mapping
        Row of each bird by its name.
    sites : mapping
        Row of each recording site by its name.
    intervals_s : mapping
        Begin and end of critical intervals, s, by motif (also as nat8b names it) and interval.
    song_birds : mapping
        Song bird by motif.
    groups : mapping
        Room of each song bird.
    """

    birds: Mapping[str, Row]
    sites: Mapping[str, Row]
    intervals_s: Mapping[tuple[str, str], tuple[float, float]]
    song_birds: Mapping[str, str]
    groups: Mapping[str, str | None]

    def listed_bird(self, animal: str, uuid: str | None = None) -> str | None:
        """Return the name of a bird in the table of birds: its own, that of its identifier, or its alias."""
        if animal in self.birds:
            return animal
        by_uuid = (name for name, row in self.birds.items() if uuid is not None and row["uuid"] == uuid)
        alias = ALIASES.get(animal)
        return next(by_uuid, alias if alias in self.birds else None)

    def familiar(self, room: str | None) -> tuple[str, ...] | None:
        """Return the song birds of a room, sorted; None where no room is told, or none of its songs is known."""
        if room is None:
            return None
        return tuple(sorted(bird for bird, group in self.groups.items() if group == room)) or None


def read_lab_tables(raw: RawTree) -> LabTables:
    """Read the three tables.

    Raises
    ------
    MissingRawFileError
        One is not there.
    RawFormatError
        Not a table with the published columns, a name that stands twice, or an interval that is none.
    """
    birds = _by_name(raw.path(BIRDS), ("bird", "uuid", "sex", "age"))
    sites = _by_name(raw.path(SITES), ("site", "hemisphere", "area"))
    songs_path = raw.path(SONGS)
    songs = _rows(songs_path, ("bird", "group", "gap", "gap_start", "gap_stop"))
    intervals = {
        (motif, interval): (begin / 1000, end / 1000)
        for motif, named in SCRAMBLED_MS.items()
        for interval, (begin, end) in named.items()
    }
    song_birds: dict[str, str] = dict(MOTIFS_OF_NAT8B)
    groups: dict[str, str | None] = {}
    for line, row in songs:
        bird, interval = row["bird"], row["gap"]
        if bird is None or interval is None:
            raise _error(songs_path, line, f"bird {bird}, gap {interval}", "a bird and the number of its interval")
        encoding = row.get("nat8b_encoding") or row.get("nat8b_coding")
        groups[bird] = row["group"]
        for motif in (bird, encoding):
            if motif is None:
                continue
            if (motif, interval) in intervals and not motif.startswith(SYNTHETIC):
                raise _error(songs_path, line, f"interval {interval} of {motif} again", "each interval once")
            intervals[motif, interval] = _bounds(songs_path, line, row)
            song_birds[motif] = bird
    return LabTables(birds, sites, intervals, song_birds, groups)


def _bounds(path: Path, line: str, row: Row) -> tuple[float, float]:
    try:
        begin, end = (float(row[name] or "") / 1000 for name in ("gap_start", "gap_stop"))
    except ValueError as error:
        raise _error(path, line, error, "begin and end of the interval, ms") from error
    if not 0 <= begin < end < float("inf"):
        raise _error(path, line, f"{begin:g} to {end:g} s", "an interval that begins before it ends")
    return begin, end


def _by_name(path: Path, columns: Sequence[str]) -> dict[str, Row]:
    """Return rows by their first column."""
    named: dict[str, Row] = {}
    for line, row in _rows(path, columns):
        name = row[columns[0]]
        if name is None or name in named:
            raise _error(path, line, f"{columns[0]} {name}", "a name that no other row has")
        named[name] = row
    return named


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[str, Row]]:
    """Return the rows of a table, each with its line for messages."""
    rows: list[tuple[str, Row]] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            header = reader.fieldnames or []
            absent = [name for name in columns if list(header).count(name) != 1]
            if absent:
                raise _error(path, "line 1", f"not once: {', '.join(absent)}", f"the columns {', '.join(columns)}")
            for row in reader:
                line = f"line {reader.line_num}"
                if None in row or None in row.values():
                    raise _error(path, line, "another number of values than columns", f"{len(header)} values")
                rows.append((line, {name: _said(value) for name, value in row.items()}))
        except (csv.Error, UnicodeDecodeError) as error:
            raise _error(path, f"after line {reader.line_num}", error, "comma-separated text") from error
    return rows


def _said(value: str) -> str | None:
    text = value.strip()
    return None if text.lower() in BLANK else text


def _error(path: Path, field: str, found: object, expected: str) -> RawFormatError:
    return RawFormatError(
        "A table of the lab is not as published",
        path=path,
        field=field,
        found=found,
        expected=expected,
        mend="the table is damaged or not the published one: fetch it again",
    )
