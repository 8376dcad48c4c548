"""Section `grid`: the (stimulus, neuron) grid in the shape of two corpora, at three sizes, beside deepSTRF."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.benchmarks.grid_answers import GridAnswers
from scripts.benchmarks.grid_report import report_grids
from scripts.benchmarks.job import JobFailedError, run_jobs
from scripts.benchmarks.section import FRACTIONS, Report, Request

DESCRIPTION = "the grid beside deepSTRF's: construction, masks, items; time, memory and growth"
PARTS = ("nat4", "wingert")
JOBS = dict.fromkeys(PARTS, ("construct", "masks", "items", "selected_items"))
"""Jobs of each grid, functions of `scripts.benchmarks.grid_jobs`."""
OURS_ALONE = ("site_epoch",)
"""Jobs that deepSTRF has nothing for."""


Job = tuple[float, str]
"""Fraction of the data, and name of a job."""


def run(request: Request) -> Report:
    """Measure the grids that are asked for."""
    return measure(request, JOBS, "The grid")


def measure(request: Request, jobs_of: Mapping[str, Sequence[str]], title: str) -> Report:
    """Run jobs of the made-up grids that are asked for.

    Parameters
    ----------
    request : Request
        What is asked.
    jobs_of : mapping of str to sequence of str
        Functions of `scripts.benchmarks.grid_jobs`, by grid.
    title : str
        Of the report.
    """
    answers = GridAnswers()
    for grid, names in jobs_of.items():
        if grid in request.parts:
            for library, python, jobs in _processes(names, request):
                _measure(answers, request.size, grid, library, python, jobs)
    _measure_limits(answers, request)
    return report_grids(answers, request, title)


def _processes(jobs: Sequence[str], request: Request) -> Iterator[tuple[str, str, list[Job]]]:
    """Yield what runs in a process of its own: library, its interpreter, jobs."""
    libraries = {"ours": request.environment.python, "peer": request.environment.peer_python}
    for fraction in FRACTIONS:
        for library, python in libraries.items():
            names = [name for name in jobs if library == "ours" or name not in OURS_ALONE]
            if python is None:
                continue
            if request.is_measurement:
                yield from ((library, python, [(fraction, name)]) for name in names)
            elif fraction == FRACTIONS[-1]:
                # Tiny is a check, not a measurement: one process for all jobs of a library is enough.
                yield library, python, [(part, name) for part in FRACTIONS for name in names]


def _measure(answers: GridAnswers, size: str, grid: str, library: str, python: str, jobs: Sequence[Job]) -> None:
    """Run some jobs in one process; those that fail leave a fault, not a gap without reason."""
    first = f"{jobs[0][1]} at {jobs[0][0]:g} of the size" + (f" and {len(jobs) - 1} more" if len(jobs) > 1 else "")
    print(f"{grid}, {library}: {first}", file=sys.stderr, flush=True)
    try:
        results = run_jobs(
            python,
            [
                (
                    f"scripts.benchmarks.grid_jobs:{job}",
                    {"library": library, "grid": grid, "size": size, "fraction": part},
                )
                for part, job in jobs
            ],
        )
    except JobFailedError as error:
        answers.faults.append(str(error))
        return
    for (part, job), result in zip(jobs, results, strict=True):
        answers.add(grid, part, library, job, result)


def _measure_limits(answers: GridAnswers, request: Request) -> None:
    """Measure what memory allows for the figures that it bounds: copying the inputs, writing a batch."""
    module = "scripts.benchmarks.limits"
    jobs: list[tuple[str, str, tuple[str, dict[str, Any]]]] = []
    for grid in answers.jobs:
        of_grid, amounts = answers.of(grid, FRACTIONS[-1], "ours"), answers.amounts(grid, FRACTIONS[-1])
        if amounts is not None and "construct" in of_grid:
            n_bytes = int((amounts["counts_mb"] + amounts["spectrograms_mb"]) * 1e6)
            jobs.append((grid, "construct_copied", (f"{module}:fresh_copy", {"n_bytes": n_bytes})))
        for figure in ("est_batch", "val_batch"):
            if figure in of_grid:
                shape = of_grid[figure]["result"]["shape"]
                jobs.append((grid, figure, (f"{module}:fresh_batch", {"shape": shape})))
    if not jobs:
        return
    jobs.append(("", "bandwidth", (f"{module}:bandwidth", {})))
    for group in [[job] for job in jobs] if request.is_measurement else [jobs]:
        results = run_jobs(request.environment.python, [job for *_, job in group])
        for (grid, figure, _), result in zip(group, results, strict=True):
            if grid:
                answers.limits.setdefault(grid, {})[figure] = result
            else:
                answers.bandwidth = result
