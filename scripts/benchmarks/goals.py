"""Goals: what was to be reached, and whether it was."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass

from scripts.benchmarks.tables import ABSENT, number, table


@dataclass(frozen=True)
class Goal:
    """One goal, and the figure that was found.

    Parameters
    ----------
    job, against : str
        What was measured, and what it stands against.
    ours, theirs : str
        Both figures, for people.
    ratio : float or None
        What is judged; None where something was not measured.
    least, most : float, optional
        Bounds of the ratio; one of them is given.
    unit : str
        Of the ratio: ``"×"`` or ``"%"``.
    """

    job: str
    against: str
    ours: str
    theirs: str
    ratio: float | None
    least: float | None = None
    most: float | None = None
    unit: str = "×"

    @property
    def is_met(self) -> bool | None:
        """Whether it was reached; None where that is not known."""
        if self.ratio is None:
            return None
        bound, holds = (self.most, operator.le) if self.least is None else (self.least, operator.ge)
        return bool(holds(self.ratio, bound))

    def row(self) -> dict[str, str]:
        """Return it as a row of a table."""
        sign, bound = ("≤", self.most) if self.least is None else ("≥", self.least)
        return {
            "job": self.job,
            "against": self.against,
            "ours": self.ours,
            "that": self.theirs,
            "figure": self._shown(self.ratio),
            "goal": f"{sign} {self._shown(bound)}",
            "met": {True: "yes", False: "**no**", None: ABSENT}[self.is_met],
        }

    def as_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return {**vars(self), "met": self.is_met}

    def _shown(self, value: float | None) -> str:
        if value is None:
            return ABSENT
        return f"{value:.0%}" if self.unit == "%" else f"{number(value)}×"


def goal_table(goals: Iterable[Goal], judged: bool) -> str:
    """Return goals as a table; at a size that measures nothing, without verdicts."""
    return table([goal.row() for goal in goals], () if judged else ("goal", "met"))


def over(one: float | None, other: float | None) -> float | None:
    """Return a ratio, None where one of the two is not known."""
    return None if one is None or other is None else one / other
