"""What the jobs of the grid answered, kept by grid, size, library and job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class GridAnswers:
    """What the jobs answered.

    Parameters
    ----------
    jobs : dict
        Answers by grid, fraction, library (``"ours"``, ``"peer"``) and job.
    limits : dict
        What memory allows, by grid and figure.
    bandwidth : dict
        Of memory.
    faults : list of str
        Jobs that failed, results that differ between libraries.
    """

    jobs: dict[str, dict[float, dict[str, dict[str, Any]]]] = field(default_factory=dict)
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    bandwidth: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, grid: str, fraction: float, library: str, job: str, answer: dict[str, Any]) -> None:
        """Take an answer; where another library got another result, that is a fault."""
        libraries = self.jobs.setdefault(grid, {}).setdefault(fraction, {})
        for other, answers in libraries.items():
            if other != library and job in answers and not same(answers[job]["result"], answer["result"]):
                self.faults.append(
                    f"{grid} at {fraction:g} of the size, {job}: {other} found {answers[job]['result']}, "
                    f"{library} found {answer['result']}"
                )
        libraries.setdefault(library, {})[job] = answer

    def of(self, grid: str, fraction: float, library: str) -> dict[str, Any]:
        """Return the answers of one library, by job."""
        return self.jobs.get(grid, {}).get(fraction, {}).get(library, {})

    def timing(self, grid: str, fraction: float, library: str, figure: str) -> dict[str, Any] | None:
        """Return one timing, None where it was not measured."""
        for answer in self.of(grid, fraction, library).values():
            if figure in answer["figures"]:
                timing: dict[str, Any] = answer["figures"][figure]
                return timing
        return None

    def memory(self, grid: str, fraction: float, library: str, job: str) -> dict[str, Any] | None:
        """Return what a job held, None where it was not measured."""
        answer = self.of(grid, fraction, library).get(job)
        return None if answer is None else answer["memory"]

    def amounts(self, grid: str, fraction: float) -> dict[str, float] | None:
        """Return how much data there was."""
        for answer in self.of(grid, fraction, "ours").values():
            amounts: dict[str, float] = answer["amounts"]
            return amounts
        return None


def same(one: Any, other: Any) -> bool:
    """Say whether two results agree: the same structure and integers; floats up to rounding."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return bool(one == other)
