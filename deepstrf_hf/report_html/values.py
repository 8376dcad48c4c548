"""Values of tables as text, and the columns of a table that tell its rows apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

Fact = tuple[str, str]
"""What something is called, and what it is."""
LARGE = 1e7
"""From here on numbers are written with powers of ten."""
EXACT = 8
"""Digits of what is told once, such as a sampling rate of 48828.125 Hz."""


def shown(value: Any, digits: int = 4) -> str:
    """Return a value as text, a fraction with so many digits; empty where it is absent."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return rounded(value, digits) if isinstance(value, float) else str(value)


def rounded(value: float, digits: int = 3) -> str:
    """Return a number with so many digits at least, without a power of ten where it has no more than seven."""
    return f"{value:.0f}" if 10**digits <= abs(value) < LARGE else f"{value:.{digits}g}"


def divide_columns(table: pa.Table, names: Sequence[str]) -> tuple[list[str], list[Fact]]:
    """Divide columns into those whose values differ from row to row, and those of one value for all.

    Parameters
    ----------
    table : pyarrow.Table
        With these columns.
    names : sequence of str
        Columns.

    Returns
    -------
    list of str
        Columns that differ.
    list of (str, str)
        The others, with their value; those that are absent everywhere are left out.
    """
    differing, constant = [], []
    for name in names:
        values = table.column(name).unique()
        if len(values) > 1:
            differing.append(name)
        elif len(values) and (value := shown(values[0].as_py(), EXACT)):
            constant.append((name, value))
    return differing, constant


def in_words(name: str, prefix: str = "") -> str:
    """Return the name of a column as people write it."""
    return name.removeprefix(prefix).replace("_", " ")


def size_in_words(n_bytes: float) -> str:
    """Return a size in MB, a small one in kB."""
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:,.1f} kB"
