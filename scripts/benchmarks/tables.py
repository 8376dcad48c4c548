"""Markdown tables and numbers for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

ABSENT = "–"


def table(rows: Sequence[Mapping[str, str]], leave_out: Collection[str] = ()) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    rows : sequence of mapping
        Cells by column, all with the same columns. The first column is text, the others are numbers.
    leave_out : collection of str
        Columns that are not wanted.
    """
    if not rows:
        return "Nothing was measured."
    columns = [column for column in rows[0] if column not in leave_out]
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *([row[column] for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(value: float | None) -> str:
    """Return a time with its unit."""
    if value is None:
        return ABSENT
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1:
            return f"{number(value * factor)} {unit}"
    return f"{number(value * 1e9)} ns"


def megabytes(value: float | None) -> str:
    """Return an amount of memory."""
    return ABSENT if value is None else f"{number(value)} MB"


def times(value: float | None) -> str:
    """Return a ratio."""
    return ABSENT if value is None else f"{number(value)}×"


def met(value: float | None, goal: float) -> str:
    """Say whether a goal was met."""
    return ABSENT if value is None else "yes" if value >= goal else "**no**"


def number(value: float | None) -> str:
    """Return a number: a count as it is; others whole from 100 on, with two decimals below 10; thousands set apart."""
    if value is None:
        return ABSENT
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
