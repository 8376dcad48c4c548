"""Section `batch`: batches and epochs of made-up grids, and an epoch of a corpus, beside deepSTRF's `DataLoader`."""

from __future__ import annotations

from scripts.benchmarks.goals import Goal, over
from scripts.benchmarks.grid import measure
from scripts.benchmarks.job import JobFailedError
from scripts.benchmarks.section import Report, Request
from scripts.benchmarks.tables import ABSENT, seconds, table, times
from scripts.benchmarks.trees import SITES, Answer, Trees, tree_of_sites

DESCRIPTION = "batches and epochs of the grid beside deepSTRF's DataLoader; time, memory and growth"
PARTS = ("nat4", "wingert", "epoch")
JOBS = {
    "nat4": ("est_batch", "val_batch", "dense_epoch"),
    "wingert": ("est_batch", "val_batch", "dense_epoch", "site_epoch"),
}
"""Jobs of each grid, functions of `scripts.benchmarks.grid_jobs`."""
BATCH_SIZE = 8
FASTER = 20.0
"""How many times faster than deepSTRF's an epoch should be."""
WAYS = {"by_site": "batches of one site", "dense": "batches of all neurons"}


def run(request: Request) -> Report:
    """Measure what is asked for."""
    report = measure(request, JOBS, "Batches")
    if "epoch" in request.parts:
        report.markdown += f"\n\n## One training epoch, batches of {BATCH_SIZE}\n\n{_epoch(request, report)}"
    return report


def _epoch(request: Request, report: Report) -> str:
    trees, tree = Trees(request), tree_of_sites(SITES[request.size][1], request.size)
    try:
        ours, theirs = trees.epoch(tree, BATCH_SIZE), trees.peer_epoch(tree, BATCH_SIZE)
    except JobFailedError as error:
        report.faults.append(str(error))
        return ABSENT
    report.figures["epoch"] = {"ours": ours, "deepSTRF": theirs}
    if theirs is not None and (ours["stimuli"], ours["neurons"]) != (theirs["stimuli"], theirs["neurons"]):
        report.faults.append(f"the epochs differ: ours of {_amounts(ours)}, deepSTRF's of {_amounts(theirs)}")
    peer = None if theirs is None else theirs["dense"]
    rows = [] if peer is None else [_row("deepSTRF's DataLoader", peer, None)]
    for way, label in WAYS.items():
        rows.append(_row(label, ours[way], peer))
        report.goals.append(
            Goal(
                f"an epoch of {tree.title}, batch {BATCH_SIZE}, {label}",
                "deepSTRF's `DataLoader`" + ("" if peer is None else _extrapolated(peer)),
                seconds(ours[way]["seconds"]) + _extrapolated(ours[way]),
                seconds(None if peer is None else peer["seconds"]),
                over(None if peer is None else peer["seconds"], ours[way]["seconds"]),
                least=FASTER,
            )
        )
    return f"{tree.title}: {_amounts(ours)} presented once.\n\n{table(rows)}"


def _amounts(answer: Answer) -> str:
    return f"{answer['neurons']:,} neurons, {answer['stimuli']:,} stimuli"


def _row(label: str, took: Answer, peer: Answer | None) -> dict[str, str]:
    return {
        "epoch": label + _extrapolated(took),
        "batches": str(took["batches"]),
        "time": seconds(took["seconds"]),
        "times faster": times(over(None if peer is None else peer["seconds"], took["seconds"])),
    }


def _extrapolated(took: Answer) -> str:
    timed = took.get("batches_timed", took["batches"])
    return "" if timed == took["batches"] else f" ({timed} of {took['batches']} batches timed)"
