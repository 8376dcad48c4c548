"""The lab's table of the words that were spoken."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from builders.alice_eeg.release import SEGMENTS
from deepstrf_hf.errors import RawFormatError

REQUIRED = ("Word", "Segment", "onset", "offset")
TEXT = frozenset({"Word"})
"""Columns of text; all others hold numbers, or the text NaN."""
REPAIR = "the file is damaged or not the published one: fetch it again"


class Words(NamedTuple):
    """The words of a segment.

    Parameters
    ----------
    n_words : int
        How many.
    table : str
        JSON: a list of values by column of the lab's table; null is NaN there.
    """

    n_words: int
    table: str


def read_words(path: Path) -> Mapping[int, Words]:
    """Read the word table.

    Columns are known by their names, since editions of the table differ in them.

    Parameters
    ----------
    path : Path
        A table separated by commas, with a header.

    Returns
    -------
    mapping of int to Words
        By segment; rows keep their order.

    Raises
    ------
    RawFormatError
        Columns are missing or twice there, a row has another number of fields, or a value is no number or segment.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RawFormatError("The word table is no text", path=path, found=error, mend=REPAIR) from error
    missing = [name for name in REQUIRED if name not in header]
    if missing or len(set(header)) < len(header):
        raise RawFormatError(
            "The word table has other columns",
            path=path,
            field=", ".join(missing) or "a column twice",
            found=", ".join(header),
            expected=", ".join(REQUIRED),
            mend=REPAIR,
        )
    tables: dict[int, dict[str, list[str | float | None]]] = {}
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise _at(path, line, "fields", len(row), str(len(header)))
        values = _values(path, line, header, row)
        segment = values.pop("Segment")
        if segment not in SEGMENTS:
            raise _at(path, line, "Segment", segment, "1 to 12")
        table = tables.setdefault(int(segment), {name: [] for name in values})
        for name, value in values.items():
            table[name].append(value)
    return {
        segment: Words(len(table["Word"]), json.dumps(table, ensure_ascii=False, separators=(",", ":")))
        for segment, table in tables.items()
    }


def _values(path: Path, line: int, header: Sequence[str], row: Sequence[str]) -> dict[str, str | float | None]:
    values: dict[str, str | float | None] = {}
    for name, text in zip(header, row, strict=True):
        if name in TEXT:
            values[name] = text
            continue
        try:
            number = float(text)
        except ValueError as error:
            raise _at(path, line, name, repr(text), "a number, or NaN") from error
        if math.isinf(number):
            raise _at(path, line, name, repr(text), "a number, or NaN")
        values[name] = None if math.isnan(number) else int(number) if text.strip().lstrip("+-").isdigit() else number
    return values


def _at(path: Path, line: int, field: str, found: object, expected: str) -> RawFormatError:
    return RawFormatError(
        "A row of the word table cannot be read",
        path=path,
        field=f"line {line}, {field}",
        found=found,
        expected=expected,
        mend=REPAIR,
    )
