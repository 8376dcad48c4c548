"""What a build leaves out or remarks on: nothing is dropped without a line here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from deepstrf_hf.errors import RawDataError

Item = TypeVar("Item")


@dataclass
class BuildLog:
    """Collects, during a build, what was left out and why.

    Parameters
    ----------
    on_error : str
        ``"raise"``: a recording that cannot be used stops the build. ``"skip"``: it is left out and listed here.
    """

    on_error: str = "raise"
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)
    amounts: Counter[tuple[str, str]] = field(default_factory=Counter)
    counts: dict[str, dict[str, bool]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def leave_out(self, kind: str, name: str, reason: str) -> None:
        """Note that a named thing is not in the tables.

        Parameters
        ----------
        kind : str
            What it is, in the plural: ``"units"``, ``"clips"`` …
        name : str
            The lab's name of it.
        reason : str
            Why, in words that read well in a table.
        """
        self.left_out[kind, name] = reason

    def leave_out_amount(self, kind: str, reason: str, amount: int) -> None:
        """Note how many nameless things (spikes, samples) are not in the tables."""
        if amount:
            self.amounts[kind, reason] += amount

    def count(self, name: str, item: str, counts: bool) -> None:
        """Say whether an item belongs to a count that the cohort declares, for example units that pass a filter."""
        self.counts.setdefault(name, {})[item] = counts

    def note(self, text: str) -> None:
        """Remark on something that a user of the tables should know."""
        self.notes[text] = None

    def usable(self, kind: str, items: Iterable[tuple[str, Item | RawDataError]]) -> Iterator[Item]:
        """Pass on what could be read; stop at, or leave out, what could not.

        Parameters
        ----------
        kind : str
            What the items are, in the plural.
        items : iterable of (name, item or RawDataError)
            Results of reading.

        Yields
        ------
        object
            The items that could be read.

        Raises
        ------
        RawDataError
            The first item that could not be read, with ``on_error="raise"``.
        """
        for name, item in items:
            if not isinstance(item, RawDataError):
                yield item
            elif self.on_error == "skip":
                self.leave_out(kind, name, str(item))
                self.skipped.append((kind, name))
            else:
                raise item

    def merge(self, other: BuildLog) -> None:
        """Take in the log of another part."""
        self.left_out.update(other.left_out)
        self.amounts.update(other.amounts)
        self.notes.update(other.notes)
        for name, items in other.counts.items():
            self.counts.setdefault(name, {}).update(items)

    def counted(self) -> dict[str, int]:
        """Return the counts noted with `count`."""
        return {name: sum(items.values()) for name, items in sorted(self.counts.items())}
