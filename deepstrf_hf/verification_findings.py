"""What a verification finds: failures and remarks, each with where it is and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from deepstrf_hf.errors import DeepstrfError

FAILURE, REMARK = "failure", "remark"
BUILD_AGAIN = "build or download it again"
LONGEST = 300
"""Characters kept of a value that is shown."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, or that a user should know.

    Parameters
    ----------
    severity : str
        ``"failure"`` or ``"remark"``.
    problem : str
        What is wrong, in one sentence.
    file : str
        File, below the directory or repository; a configuration or split where several files are concerned.
    field : str, optional
        Column, key or count concerned.
    found, expected : str, optional
        What is there and what should be.
    mend : str, optional
        What to do about it.
    """

    severity: str
    problem: str
    file: str
    field: str | None = None
    found: str | None = None
    expected: str | None = None
    mend: str | None = None


class Found:
    """What has findings: failures and remarks.

    Attributes
    ----------
    findings : tuple of Finding
        All of them.
    """

    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What is wrong."""
        return tuple(finding for finding in self.findings if finding.severity == FAILURE)

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """What is not wrong but should be known."""
        return tuple(finding for finding in self.findings if finding.severity == REMARK)


@dataclass
class Findings:
    """Collects what is found; nothing stops at the first failure."""

    all: list[Finding] = field(default_factory=list)

    def failure(
        self,
        problem: str,
        file: str,
        *,
        field: str | None = None,
        found: object = None,
        expected: object = None,
        mend: str | None = BUILD_AGAIN,
    ) -> None:
        """Note something that is wrong (arguments as in `Finding`)."""
        self.all.append(Finding(FAILURE, problem, file, field, _shown(found), _shown(expected), mend))

    def remark(
        self,
        problem: str,
        file: str,
        *,
        field: str | None = None,
        found: object = None,
        expected: object = None,
        mend: str | None = None,
    ) -> None:
        """Note something that is not wrong but should be known (arguments as in `Finding`)."""
        self.all.append(Finding(REMARK, problem, file, field, _shown(found), _shown(expected), mend))

    def error(self, error: DeepstrfError, file: str) -> None:
        """Note an error that reading a file raised."""
        self.failure(
            error.problem,
            file,
            field=error.field,
            found=error.found,
            expected=error.expected,
            mend=error.mend or BUILD_AGAIN,
        )


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return findings as a table for the terminal, in their order."""
    table = Table("", "file", "field", "problem", "found", "expected", "mend")
    for finding in findings:
        texts = (finding.file, finding.field, finding.problem, finding.found, finding.expected, finding.mend)
        style = "bold red" if finding.severity == FAILURE else "yellow"
        table.add_row(Text(finding.severity, style), *(Text(text or "") for text in texts))
    return table


def how_many(number: int, what: str) -> str:
    """Return a number of things in words: ``"1 failure"``, ``"2 failures"``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _shown(value: object) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


class RowFaults:
    """Rows of one file that fail a check: how many, and the first of them; one finding for each check.

    Parameters
    ----------
    file : str
        File, for the findings.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._faults: dict[tuple[str, str], tuple[int, str, str | None]] = {}

    def note(
        self,
        problem: str,
        column: str,
        wrong: NDArray[np.bool_] | Sequence[bool],
        describe: Callable[[int], str],
        expected: str | None = None,
    ) -> None:
        """Note the rows that fail a check.

        Parameters
        ----------
        problem : str
            What is wrong with them.
        column : str
            Column concerned.
        wrong : array of bool, shape (rows,)
            Whether each row of those being looked at fails.
        describe : callable
            Gives, for the place of a row among these, what is found there.
        expected : str, optional
            What should be there.
        """
        places = np.flatnonzero(wrong)
        if not len(places):
            return
        before, first, wanted = self._faults.get((problem, column), (0, None, expected))
        self._faults[problem, column] = (before + len(places), first or describe(int(places[0])), wanted)

    def report(self, findings: Findings) -> None:
        """Add what was noted to the findings."""
        for (problem, column), (number, first, expected) in self._faults.items():
            rows = "1 row" if number == 1 else f"{number} rows, the first"
            findings.failure(problem, self._file, field=column, found=f"{rows}: {first}", expected=expected)
