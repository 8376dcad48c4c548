"""What the jobs of the grid found, as tables, plain data and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmarks.grid_answers import GridAnswers
from scripts.benchmarks.growth import TOLERATED, exponent
from scripts.benchmarks.section import FRACTIONS, Curve, Report, Request
from scripts.benchmarks.tables import ABSENT, megabytes, met, number, seconds, table, times

WHOLE = FRACTIONS[-1]
TITLES = {"nat4": "Grid like NAT4", "wingert": "Grid like Wingert 2026"}
NAMES = {"peer": "deepSTRF", "ours": "deepstrf-hf"}
LABELS = {
    "construct": "make the dataset, validation included",
    "construct_copied": "make the dataset of copies (`copy=True`)",
    "masks": "first `nrn_masks`",
    "item": "item, no selection",
    "item_read": "item, no selection, every response read",
    "select_and_first_item": "select half of the stimuli, first item",
    "selected_item": "item, half of the stimuli selected",
    "selected_item_read": "item, half of the stimuli selected, every response read",
    "est_batch": "batch of est items",
    "val_batch": "batch of val items",
    "dense_epoch": "epoch of est items, all neurons in each batch",
    "site_epoch": "epoch of est items, batches by site",
}
GOALS = {
    "nat4": dict.fromkeys(LABELS, 20),
    "wingert": {
        **dict.fromkeys(LABELS, 20),
        **dict.fromkeys(("masks", "item", "item_read", "selected_item", "selected_item_read"), 50),
    },
}
"""How many times faster than deepSTRF each figure should be."""
MEMORY_GOAL = 4
"""How many times less memory than deepSTRF each job should need, above imports and input arrays."""
SMALLEST_MB = 0.1
"""Memory is not told apart below this, MB: it comes in pages, and allocators keep some."""
COMPARED_WITH = {"site_epoch": "dense_epoch", "construct_copied": "construct"}
"""Figures and jobs that deepSTRF has another one for."""
NOTES = {
    "wingert": "Masks, items and batches of all neurons hold neurons × stimuli entries, recorded or not, and so does "
    "an epoch of such batches; batches by site hold what was recorded."
}


def report_grids(answers: GridAnswers, request: Request, title: str) -> Report:
    """Write the report."""
    hidden = _hidden(request)
    paragraphs = [f"# {title}", _preface(request)]
    curves: list[Curve] = []
    for grid in answers.jobs:
        of_grid = _curves(answers, grid)
        curves += of_grid
        paragraphs += [f"## {TITLES[grid]}", _amounts(answers, grid), table(_times(answers, grid), hidden)]
        paragraphs += ["### Memory: peak of each job", table(_memory(answers, grid), hidden)]
        paragraphs += ["### Growth", table(_growth(of_grid)), *([NOTES[grid]] if grid in NOTES else [])]
    if answers.bandwidth:
        paragraphs += ["## What memory allows", _bandwidth(answers.bandwidth)]
    figures = {
        "grids": answers.jobs,
        "limits": answers.limits,
        "bandwidth": answers.bandwidth,
        "growth": {
            curve.name: {library: exponent(curve.data, values) for library, values in curve.figures.items()}
            for curve in curves
        },
    }
    return Report("\n\n".join(paragraphs), figures, curves, list(answers.faults))


def _hidden(request: Request) -> set[str]:
    """Return the columns that make no sense without deepSTRF, or at a size that measures nothing."""
    hidden = set() if request.is_measurement else {"goal", "met"}
    if request.environment.peer_python is None:
        hidden |= {"deepSTRF", "ratio", "ratio of processor time", "goal", "met", "deepSTRF, in all", "ratio, in all"}
    return hidden


def _preface(request: Request) -> str:
    if request.environment.peer_python is None:
        compared = "Without --peer-python there is nothing to compare with: deepSTRF's columns are absent."
    else:
        compared = "Both libraries get the same arrays."
    return (
        f"{compared} Times are medians of several runs. Processor time, of all threads, depends less on what else runs "
        "meanwhile."
    )


def _amounts(answers: GridAnswers, grid: str) -> str:
    amounts = answers.amounts(grid, WHOLE)
    if amounts is None:
        return "Nothing was measured."
    return (
        f"{amounts['neurons']:,} neurons, {amounts['stimuli']:,} stimuli, {amounts['pairs']:,} pairs "
        f"({amounts['filled']:.1%} of the grid), {megabytes(amounts['counts_mb'])} of counts (uint8), "
        f"{megabytes(amounts['spectrograms_mb'])} of spectrograms (float32)."
    )


def _times(answers: GridAnswers, grid: str) -> list[dict[str, str]]:
    rows = []
    for name, label in LABELS.items():
        ours = answers.timing(grid, WHOLE, "ours", name)
        if ours is None:
            continue
        peer = answers.timing(grid, WHOLE, "peer", COMPARED_WITH.get(name, name))
        limit = answers.limits.get(grid, {}).get(name)
        ratio = None if peer is None else peer["seconds"] / ours["seconds"]
        rows.append(
            {
                "figure": label + _shape(answers, grid, name) + _timed(ours, peer),
                "deepSTRF": seconds(_entry(peer, "seconds")),
                "deepstrf-hf": seconds(ours["seconds"]),
                "ratio": times(ratio),
                "ratio of processor time": times(_processor_ratio(ours, peer)),
                "goal": times(GOALS[grid][name]),
                "met": met(ratio, GOALS[grid][name]),
                "memory allows": seconds(_entry(limit, "seconds")),
                "deepstrf-hf / that": times(None if limit is None else ours["seconds"] / limit["seconds"]),
            }
        )
    return rows


def _entry(measured: Mapping[str, Any] | None, key: str) -> float | None:
    return None if measured is None else float(measured[key])


def _processor_ratio(ours: Mapping[str, Any], peer: Mapping[str, Any] | None) -> float | None:
    """Compare the time that threads ran; the clock that tells it has steps."""
    return None if peer is None or not ours["processor"] else float(peer["processor"] / ours["processor"])


def _shape(answers: GridAnswers, grid: str, name: str) -> str:
    result = answers.of(grid, WHOLE, "ours").get(name, {}).get("result")
    return f" {tuple(result['shape'])}" if isinstance(result, dict) and "shape" in result else ""


def _timed(ours: Mapping[str, Any], peer: Mapping[str, Any] | None) -> str:
    """Say how many batches of an epoch were timed, where not all were."""
    parts = [
        f"{NAMES[library]}: {timing['batches_timed']} of {timing['batches']} batches timed"
        for library, timing in (("peer", peer), ("ours", ours))
        if timing is not None and timing.get("batches_timed") != timing.get("batches")
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def _memory(answers: GridAnswers, grid: str) -> list[dict[str, str]]:
    rows = []
    for job in answers.of(grid, WHOLE, "ours"):
        ours = answers.memory(grid, WHOLE, "ours", job)
        peer = answers.memory(grid, WHOLE, "peer", COMPARED_WITH.get(job, job))
        if ours is None:
            continue
        ratio = {
            kind: None if peer is None else peer[kind] / max(ours[kind], SMALLEST_MB)
            for kind in ("peak_mb", "peak_above_inputs_mb")
        }
        rows.append(
            {
                "above imports and input arrays": job.replace("_", " "),
                "deepSTRF": megabytes(_entry(peer, "peak_above_inputs_mb")),
                "deepstrf-hf": megabytes(ours["peak_above_inputs_mb"])
                + ("" if ours["peak_is_of_the_job"] else " (or less: this system counts the making of the inputs)"),
                "ratio": times(ratio["peak_above_inputs_mb"]),
                "goal": times(MEMORY_GOAL),
                "met": met(ratio["peak_above_inputs_mb"], MEMORY_GOAL),
                "deepSTRF, in all": megabytes(_entry(peer, "peak_mb")),
                "deepstrf-hf, in all": megabytes(ours["peak_mb"]),
                "ratio, in all": times(ratio["peak_mb"]),
            }
        )
    return rows


def _curves(answers: GridAnswers, grid: str) -> list[Curve]:
    """Return how each figure grows, for figures that were measured at all sizes."""
    amounts = [answers.amounts(grid, fraction) for fraction in FRACTIONS]
    data = [entry["counts_mb"] for entry in amounts if entry is not None]
    curves = []
    for name, label in {**LABELS, "memory": "peak memory of construction above its inputs"}.items():
        found = {}
        for library, shown in NAMES.items():
            values = [_figure(answers, grid, fraction, library, name) for fraction in FRACTIONS]
            known = [value for value in values if value is not None]
            if len(known) == len(FRACTIONS) == len(data):
                found[shown] = known
        if found:
            unit = "MB" if name == "memory" else "s"
            curves.append(
                Curve(f"{grid}-{name}", f"{TITLES[grid]}: {label}", "responses as stored, MB", unit, data, found)
            )
    return curves


def _figure(answers: GridAnswers, grid: str, fraction: float, library: str, name: str) -> float | None:
    if name == "memory":
        held = answers.memory(grid, fraction, library, "construct")
        return None if held is None else max(held["peak_above_inputs_mb"], SMALLEST_MB)
    timing = answers.timing(grid, fraction, library, name)
    return None if timing is None else timing["seconds"]


def _growth(curves: Sequence[Curve]) -> list[dict[str, str]]:
    rows = []
    for curve in curves:
        write = megabytes if curve.unit == "MB" else seconds
        for library, values in curve.figures.items():
            slope = exponent(curve.data, values)
            rows.append(
                {"figure": f"{curve.title.partition(': ')[2]}: {library}"}
                | {f"{number(amount)} MB": write(value) for amount, value in zip(curve.data, values, strict=True)}
                | {
                    "exponent": number(slope),
                    "faster than the data": ABSENT if slope is None else "no" if slope <= TOLERATED else "**yes**",
                }
            )
    return rows


def _bandwidth(bandwidth: Mapping[str, float]) -> str:
    return (
        f"Copying within memory: {number(bandwidth['one_thread_gb_per_s'])} GB/s with one thread, "
        f"{number(bandwidth['torch_threads_gb_per_s'])} GB/s with {bandwidth['torch_threads']} threads. "
        "“Memory allows” is the time to copy the input arrays, or to write a batch of the same shape "
        "(float32 and its mask), into new memory, in the fastest of the ways tried."
    )
