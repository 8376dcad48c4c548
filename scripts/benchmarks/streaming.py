"""Section `stream`: items from Parquet row groups against a plain read of the same columns, at three sizes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.goals import Goal
from scripts.benchmarks.growth import exponent
from scripts.benchmarks.job import JobFailedError, run_jobs
from scripts.benchmarks.section import FRACTIONS, Curve, Report, Request
from scripts.benchmarks.tables import ABSENT, megabytes, met, number, seconds, table

DESCRIPTION = "streaming from Parquet files against a plain read of the same columns; time and memory"
GOAL = 0.7
"""Part of the speed of a plain read that a stream should reach."""
FLAT = 0.15
"""Largest exponent of growth that passes for none: an allocator's pools are not quite the same from run to run."""
PARTS = ("nat4", "wingert")
JOBS = ("plain_read", "stream_in_order", "stream_shuffled")
LABELS = {"plain_read": "plain pyarrow", "stream_in_order": "stream", "stream_shuffled": "stream, shuffled"}


Found = dict[str, dict[float, dict[str, Any]]]
"""Answers by grid, fraction and job."""


def run(request: Request) -> Report:
    """Build made-up corpora, where they are not yet there, and read them."""
    found: Found = {}
    report = Report("", {"corpora": found})
    try:
        _measure(request, found)
    except JobFailedError as error:
        report.faults.append(str(error))
    for grid, of_grid in found.items():
        if all(set(JOBS) <= set(of_grid.get(fraction, ())) for fraction in FRACTIONS):
            report.curves.append(_curve(grid, list(of_grid.values())))
            report.goals += _goals(grid, of_grid[FRACTIONS[-1]])
    report.markdown = _markdown(found, report.curves, request.is_measurement)
    return report


def _goals(grid: str, jobs: Mapping[str, Any]) -> list[Goal]:
    plain = jobs["plain_read"]["pass"]["seconds"]
    goals = []
    for job in JOBS[1:]:
        took = jobs[job]["pass"]["seconds"]
        what = f"an epoch of the {LABELS[job]}, like {grid}"
        against = "`pyarrow` decode of the same columns"
        goals.append(Goal(what, against, seconds(took), seconds(plain), plain / took, least=GOAL, unit="%"))
    return goals


def _measure(request: Request, found: Found) -> None:
    """Build the corpora at all sizes, then read them; answers go into `found`."""
    python = request.environment.python
    print("streaming: building", file=sys.stderr, flush=True)
    corpora = [(grid, fraction) for grid in request.parts for fraction in FRACTIONS]
    place = {"directory": str(request.scratch), "size": request.size}
    build = "scripts.benchmarks.corpora:built_corpus"
    built = run_jobs(python, [(build, {**place, "grid": grid, "fraction": fraction}) for grid, fraction in corpora])
    jobs = [(*corpus, directory, job) for corpus, directory in zip(corpora, built, strict=True) for job in JOBS]
    # Tiny is a check, not a measurement: one process for all jobs is enough.
    for group in [[job] for job in jobs] if request.is_measurement else [jobs]:
        grid, fraction, _, job = group[0]
        print(f"streaming: {grid}, {job} at {fraction:g} of the size", file=sys.stderr, flush=True)
        answers = run_jobs(
            python, [(f"scripts.benchmarks.stream_jobs:{job}", {"directory": place}) for *_, place, job in group]
        )
        for (grid, fraction, directory, job), answer in zip(group, answers, strict=True):
            of_corpus = found.setdefault(grid, {}).setdefault(fraction, {"on_disk_mb": _size_mb(Path(directory))})
            of_corpus[job] = answer


def _size_mb(directory: Path) -> float:
    return sum(path.stat().st_size for path in directory.rglob("*.parquet")) / 1e6


def _markdown(corpora: Found, curves: Sequence[Curve], judged: bool) -> str:
    rows = []
    for grid, found in corpora.items():
        for fraction, jobs in found.items():
            for job in (job for job in JOBS if set(JOBS) <= set(jobs)):
                took = jobs[job]["pass"]["seconds"]
                ratio = None if job == "plain_read" else jobs["plain_read"]["pass"]["seconds"] / took
                items, stored, opening = (jobs["stream_in_order"][key] for key in ("items", "mb", "opening"))
                rows.append(
                    {
                        "corpus": f"like {grid}, {fraction:g} of the size: {LABELS[job]}",
                        "on disk": megabytes(jobs["on_disk_mb"]),
                        "items": number(items),
                        "stored data": megabytes(stored),
                        "opening": ABSENT if ratio is None else seconds(opening["seconds"]),
                        "items/s": number(items / took),
                        "MB/s": number(stored / took),
                        "of plain": ABSENT if ratio is None else f"{ratio:.0%}",
                        f"goal {GOAL:.0%} met": met(ratio, GOAL),
                        "peak above imports": megabytes(jobs[job]["memory"]["peak_above_mb"]),
                    }
                )
    hidden = () if judged else (f"goal {GOAL:.0%} met",)
    growth = map(_growth, curves) if judged else ()
    return "\n\n".join(["# Streaming", table(rows, hidden), *growth])


def _growth(curve: Curve) -> str:
    parts = []
    for way, values in curve.figures.items():
        slope = exponent(curve.data, values)
        if slope is not None:
            parts.append(f"{way} exponent {number(slope)} ({'flat' if slope <= FLAT else '**grows**'})")
    return f"Peak memory over corpus size, {curve.title}: {', '.join(parts)}."


def _curve(grid: str, found: list[dict[str, Any]]) -> Curve:
    return Curve(
        f"{grid}-stream-memory",
        f"like {grid}",
        "stored data, MB",
        "peak memory above imports, MB",
        [jobs["stream_in_order"]["mb"] for jobs in found],
        {LABELS[job]: [jobs[job]["memory"]["peak_above_mb"] for jobs in found] for job in JOBS},
    )
