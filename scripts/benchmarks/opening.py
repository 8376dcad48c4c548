"""Section `open`: a built cohort opened first and again, beside deepSTRF's constructor and the page cache."""

from __future__ import annotations

from typing import Any

from scripts.benchmarks.build import against_constructor
from scripts.benchmarks.goals import Goal, over
from scripts.benchmarks.growth import exponent
from scripts.benchmarks.job import JobFailedError
from scripts.benchmarks.section import Curve, Report, Request
from scripts.benchmarks.tables import ABSENT, megabytes, number, seconds, table, times
from scripts.benchmarks.trees import SITES, Answer, Tree, Trees, tree_of, tree_of_sites
from scripts.benchmarks.trees import add_arguments as add_arguments

DESCRIPTION = "a built cohort opened first and again, beside deepSTRF's constructor and a read from the page cache"
PARTS = ("corpora", "scale")
FIRST_FASTER, FIRST_LESS_MEMORY, AGAIN_FASTER = 30.0, 4.0, 100.0
"""How many times faster than deepSTRF's constructor, and with how many times less memory."""
OF_PAGE_CACHE = 4.0
"""How many times the time of reading the same bytes from the page cache opening may take."""
OF_DATA = 0.1
"""Part of the data that opening again may hold: our reading of “RSS ≪ data”."""
WAYS = {"first": "open, first", "again": "open, again", "read": "open again and read every value"}


def run(request: Request) -> Report:
    """Measure what is asked for."""
    trees = Trees(request)
    report = Report("", {})
    paragraphs = ["# Open"]
    if "corpora" in request.parts:
        paragraphs += ["## Beside deepSTRF's constructor", _corpora(request, trees, report)]
    if "scale" in request.parts:
        paragraphs += ["## By recording sites", _scale(request, trees, report)]
    report.markdown = "\n\n".join(paragraphs)
    return report


def _corpora(request: Request, trees: Trees, report: Report) -> str:
    rows: list[dict[str, str]] = []
    found: dict[str, Any] = {}
    report.figures["corpora"] = found
    for tree in (tree_of(corpus, request.size) for corpus in request.corpora):
        try:
            measured = _measured(trees, tree)
        except JobFailedError as error:
            report.faults.append(str(error))
            continue
        found[tree.title] = measured
        theirs = measured["deepSTRF"]
        if theirs is not None:
            rows.append(_row(tree, "deepSTRF's constructor", theirs, None, None))
        limits = {"again": measured["page_cache_of_touched"], "read": measured["page_cache"]}
        rows += [_row(tree, what, measured[way], theirs, limits.get(way)) for way, what in WAYS.items()]
        report.goals += _goals(tree, measured)
    return table(rows)


def _measured(trees: Trees, tree: Tree) -> dict[str, Any]:
    again = trees.opened_again(tree)
    return {
        "deepSTRF": trees.constructor(tree),
        "first": trees.opened_first(tree),
        "again": again,
        "read": trees.opened_and_read(tree),
        "page_cache": trees.page_cache(tree),
        "page_cache_of_touched": trees.page_cache(tree, again["touched_mb"]),
    }


def _goals(tree: Tree, measured: dict[str, Any]) -> list[Goal]:
    theirs, first, again, read = (measured[name] for name in ("deepSTRF", "first", "again", "read"))
    data = measured["page_cache"]
    goals = against_constructor(f"{tree.title}: open, first", first, theirs, FIRST_FASTER, FIRST_LESS_MEMORY)
    goals += against_constructor(f"{tree.title}: open, again", again, theirs, AGAIN_FASTER, None)
    goals.append(
        Goal(
            f"{tree.title}: open, again: peak memory beyond imports",
            "the data",
            megabytes(again["peak_above_imports_mb"]),
            megabytes(data["mb"]),
            again["peak_above_imports_mb"] / data["mb"],
            most=OF_DATA,
            unit="%",
        )
    )
    for what, one, limit in (
        ("open, again", again, measured["page_cache_of_touched"]),
        ("open again and read every value", read, data),
    ):
        goals.append(
            Goal(
                f"{tree.title}: {what}",
                f"page-cache read of the {megabytes(limit['mb'])} touched",
                seconds(one["seconds"]),
                seconds(limit["seconds"]),
                one["seconds"] / limit["seconds"],
                most=OF_PAGE_CACHE,
            )
        )
    return goals


def _row(tree: Tree, what: str, took: Answer, theirs: Answer | None, limit: Answer | None) -> dict[str, str]:
    peer = theirs or {}
    return {
        "corpus": f"{tree.title}: {what}",
        "time": seconds(took["seconds"]),
        "times faster": times(over(peer.get("seconds"), took["seconds"])),
        "peak memory": megabytes(took["peak_mb"]),
        "times less": times(over(peer.get("peak_mb"), took["peak_mb"])),
        "beyond imports": megabytes(took["peak_above_imports_mb"]),
        "bytes touched": ABSENT if limit is None else megabytes(limit["mb"]),
        "page-cache read": ABSENT if limit is None else seconds(limit["seconds"]),
        "of that": times(over(took["seconds"], None if limit is None else limit["seconds"])),
    }


def _scale(request: Request, trees: Trees, report: Report) -> str:
    sites = SITES[request.size]
    try:
        answers = [
            (trees.opened_first(tree), trees.opened_again(tree))
            for tree in (tree_of_sites(count, request.size) for count in sites)
        ]
    except JobFailedError as error:
        report.faults.append(str(error))
        return ABSENT
    took: dict[str, list[Answer]] = dict(zip(("first", "again"), map(list, zip(*answers, strict=True)), strict=True))
    report.figures["scale"] = {"sites": sites, **took}
    for key, unit in (("seconds", "s"), ("peak_mb", "MB")):
        title = "Opening Wingert 2026: " + ("time" if unit == "s" else "peak memory")
        figures = {WAYS[way]: [answer[key] for answer in of_way] for way, of_way in took.items()}
        report.curves.append(Curve(f"open-{key}", title, "recording sites", unit, list(map(float, sites)), figures))
    rows = [
        {
            "sites": f"{count} sites, {WAYS[way]}",
            "time": seconds(answer["seconds"]),
            "peak memory": megabytes(answer["peak_mb"]),
            "beyond imports": megabytes(answer["peak_above_imports_mb"]),
        }
        for way, of_way in took.items()
        for count, answer in zip(sites, of_way, strict=True)
    ]
    growth = [
        f"{curve.title.partition(': ')[2]}, {name}: {number(exponent(curve.data, values))}"
        for curve in report.curves
        for name, values in curve.figures.items()
    ]
    return f"{table(rows)}\n\nExponents of growth with the number of sites: {'; '.join(growth)}."
