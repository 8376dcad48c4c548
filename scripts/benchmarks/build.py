"""Section `build`: raw files to tables and to an opened grid, beside deepSTRF's constructor; growth; size on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.benchmarks.goals import Goal, over
from scripts.benchmarks.growth import exponent
from scripts.benchmarks.job import JobFailedError
from scripts.benchmarks.section import Curve, Report, Request
from scripts.benchmarks.tables import ABSENT, megabytes, number, seconds, table, times
from scripts.benchmarks.trees import SITES, Answer, Tree, Trees, tree_of, tree_of_sites
from scripts.benchmarks.trees import add_arguments as add_arguments

DESCRIPTION = "raw files to tables and to an opened grid beside deepSTRF; processes, memory by sites, size on disk"
PARTS = ("raw", "scale", "disk")
PROCESSES = (1, 2)
FASTER, LESS_MEMORY = 2.0, 3.0
"""Of raw files to an opened grid: how many times faster than deepSTRF, and with how many times less memory."""
SPEED_UP, FLAT, ON_DISK = 1.7, 1.1, 1.1
"""Of two processes over one; of memory at the sites with most over those with least; of our tables over plain ones."""


def run(request: Request) -> Report:
    """Measure what is asked for."""
    trees = Trees(request)
    report = Report("", {})
    paragraphs = ["# Build"]
    if "raw" in request.parts:
        paragraphs += ["## Raw files to an opened grid", _raw(request, trees, report)]
    if "scale" in request.parts:
        paragraphs += ["## By recording sites", _scale(request, trees, report)]
    if "disk" in request.parts:
        paragraphs += ["## On disk", _disk(request, trees, report)]
    report.markdown = "\n\n".join(paragraphs)
    return report


def against_constructor(
    job: str, ours: Answer, theirs: Answer | None, faster: float, less_memory: float | None
) -> list[Goal]:
    """Return goals of time and memory against deepSTRF's constructor: memory in all, and beyond imports."""
    against = "deepSTRF's constructor"
    peer = theirs or {}
    goals = [
        Goal(
            f"{job}: time",
            against,
            seconds(ours["seconds"]),
            seconds(peer.get("seconds")),
            over(peer.get("seconds"), ours["seconds"]),
            least=faster,
        )
    ]
    if less_memory is None:
        return goals
    for name, key in (("peak memory", "peak_mb"), ("peak memory beyond imports", "peak_above_imports_mb")):
        goals.append(
            Goal(
                f"{job}: {name}",
                against,
                megabytes(ours[key]),
                megabytes(peer.get(key)),
                over(peer.get(key), ours[key]),
                least=less_memory,
            )
        )
    return goals


def _raw(request: Request, trees: Trees, report: Report) -> str:
    rows: list[dict[str, str]] = []
    found: dict[str, Any] = {}
    report.figures["raw"] = found
    for tree in (tree_of(corpus, request.size) for corpus in request.corpora):
        try:
            theirs = trees.constructor(tree)
            ours = {processes: trees.raw_to_grid(tree, processes) for processes in PROCESSES}
        except JobFailedError as error:
            report.faults.append(str(error))
            continue
        found[tree.title] = {"raw_mb": trees.raw_mb(tree), "deepSTRF": theirs, "ours": ours}
        if theirs is not None:
            rows.append(
                _row(tree, f"deepSTRF's constructor, {megabytes(trees.raw_mb(tree))} of raw files", theirs, None)
            )
        for processes, took in ours.items():
            what = f"build and open, {processes} process{'es' if processes > 1 else ''}"
            rows.append(_row(tree, what, took, theirs))
            report.goals += against_constructor(f"{tree.title}: {what}", took, theirs, FASTER, LESS_MEMORY)
    return table(rows)


def _row(tree: Tree, what: str, took: Answer, theirs: Answer | None) -> dict[str, str]:
    peer = theirs or {}
    return {
        "corpus": f"{tree.title}: {what}",
        "time": seconds(took["seconds"]),
        "times faster": times(over(peer.get("seconds"), took["seconds"])),
        "peak memory": megabytes(took["peak_mb"]),
        "times less": times(over(peer.get("peak_mb"), took["peak_mb"])),
        "beyond imports": megabytes(took["peak_above_imports_mb"]),
        "times less beyond imports": times(over(peer.get("peak_above_imports_mb"), took["peak_above_imports_mb"])),
        "stimuli": number(took["stimuli"]),
        "neurons": number(took["neurons"]),
    }


def _scale(request: Request, trees: Trees, report: Report) -> str:
    sites = SITES[request.size]
    try:
        took = {
            processes: [trees.build(tree_of_sites(count, request.size), processes) for count in sites]
            for processes in PROCESSES
        }
    except JobFailedError as error:
        report.faults.append(str(error))
        return ABSENT
    report.figures["scale"] = {"sites": sites, "processes": took}
    for key, unit in (("seconds", "s"), ("peak_mb", "MB")):
        figures = {f"{count} processes" if count > 1 else "1 process": [one[key] for one in of_count]
                   for count, of_count in took.items()}  # fmt: skip
        title = "Building Wingert 2026: " + ("time" if unit == "s" else "peak memory")
        report.curves.append(Curve(f"build-{key}", title, "recording sites", unit, list(map(float, sites)), figures))
    one, two = (took[count] for count in PROCESSES)
    for count, alone, both in zip(sites, one, two, strict=True):
        report.goals.append(
            Goal(
                f"build {count} sites with two processes",
                "one process",
                seconds(both["seconds"]),
                seconds(alone["seconds"]),
                alone["seconds"] / both["seconds"],
                least=SPEED_UP,
            )
        )
    for processes, of_count in took.items():
        peaks = [answer["peak_mb"] for answer in of_count]
        report.goals.append(
            Goal(
                f"peak memory of a build with {processes} process{'es' if processes > 1 else ''}, "
                f"at {', '.join(map(str, sites))} sites",
                "the least of them",
                megabytes(max(peaks)),
                megabytes(min(peaks)),
                max(peaks) / min(peaks),
                most=FLAT,
            )
        )
    return f"{table(_by_sites(sites, took))}\n\n{_growth(report.curves)}"


def _by_sites(sites: Sequence[int], took: dict[int, list[Answer]]) -> list[dict[str, str]]:
    return [
        {
            "sites, processes": f"{count}, {processes}",
            "time": seconds(answer["seconds"]),
            "a site": seconds(answer["seconds"] / count),
            "peak memory": megabytes(answer["peak_mb"]),
            "beyond imports": megabytes(answer["peak_above_imports_mb"]),
        }
        for processes, answers in took.items()
        for count, answer in zip(sites, answers, strict=True)
    ]


def _growth(curves: Sequence[Curve]) -> str:
    told = [
        f"{curve.title.partition(': ')[2]} with {name} {number(exponent(curve.data, values))}"
        for curve in curves
        for name, values in curve.figures.items()
    ]
    return f"Exponents of growth with the number of sites: {'; '.join(told)}."


def _disk(request: Request, trees: Trees, report: Report) -> str:
    rows, found = [], {}
    for tree in (tree_of(corpus, request.size) for corpus in request.corpora):
        try:
            sizes = found[tree.title] = trees.sizes(tree)
        except JobFailedError as error:
            report.faults.append(str(error))
            continue
        with_media, without = (
            sizes[f"tables{suffix}"] / sizes[f"normalised{suffix}"] for suffix in ("", "_without_media")
        )
        rows.append(
            {
                "corpus": tree.title,
                "as built": megabytes(sizes["tables"]),
                "three plain tables": megabytes(sizes["normalised"]),
                "ratio": times(with_media),
                "as built, without sound and pictures": megabytes(sizes["tables_without_media"]),
                "plain, without them": megabytes(sizes["normalised_without_media"]),
                "ratio without them": times(without),
            }
        )
        report.goals.append(
            Goal(
                f"{tree.title}: Parquet on disk, without sound and pictures",
                "three normalised tables, zstd",
                megabytes(sizes["tables_without_media"]),
                megabytes(sizes["normalised_without_media"]),
                without,
                most=ON_DISK,
            )
        )
    report.figures["disk"] = found
    return table(rows)
