"""What the doctor finds: one verdict for each thing looked at, and how to mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

OK, NOTE, PROBLEM = "ok", "note", "problem"
STYLES = {OK: "green", NOTE: "yellow", PROBLEM: "bold red"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    topic : str
        ``"packages"``, ``"optional parts"``, ``"corpora"``, ``"logins"``, ``"storage"`` or ``"machine"``.
    name : str
        What it is.
    verdict : str
        ``"ok"``; ``"note"``: something that works without it does not need it; ``"problem"``: something fails.
    found : str
        What is there.
    mend : str or None
        What to do, where there is something.
    """

    topic: str
    name: str
    verdict: str
    found: str
    mend: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """All checks.

    Parameters
    ----------
    checks : tuple of Check
        Topic by topic.
    """

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem."""
        return all(check.verdict != PROBLEM for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return everything as what JSON can hold."""
        return {"healthy": self.healthy, "checks": [asdict(check) for check in self.checks]}

    def print(self, console: Console) -> None:
        """Print the checks as a table, and a summary.

        Parameters
        ----------
        console : Console
            Where to print.
        """
        table = Table("", "what", "found", "mend")
        topic = None
        for check in self.checks:
            if check.topic != topic:
                topic = check.topic
                table.add_section()
                table.add_row("", Text(topic, "bold"))
            mend = Text(check.mend or "")  # not read as markup: extras stand in square brackets
            table.add_row(Text(check.verdict, STYLES[check.verdict]), Text(check.name), Text(check.found), mend)
        console.print(table)
        numbers = {verdict: sum(check.verdict == verdict for check in self.checks) for verdict in STYLES}
        console.print(", ".join(f"{number} {verdict}" for verdict, number in numbers.items()), highlight=False)
