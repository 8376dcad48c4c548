"""Memory of a process and of all that it started."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from scripts.benchmarks.measure import MEGABYTE, forget_peak, peak_mb, resident_mb

PERIOD_S = 0.05
"""Between two samples, at least."""
SHARE = 0.05
"""Part of the time that sampling may take: the kernel walks all pages for it, and the process waits."""


class PeakOfAll:
    """Peak memory of this process and its descendants together, sampled; pages that several share count once."""

    def __init__(self) -> None:
        self.mb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakOfAll:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        took = 0.0
        while not self._done.wait(max(PERIOD_S, took / SHARE)):
            start = time.perf_counter()
            self.mb = max(self.mb, memory_of_all_mb())
            took = time.perf_counter() - start


def measured(run: Callable[[], Any], processes: int = 1) -> tuple[dict[str, float], Any]:
    """Run a function once and say what it took.

    Parameters
    ----------
    run : callable
        What is measured.
    processes : int
        How many it uses. The kernel tells the peak of one; that of several together is sampled.

    Returns
    -------
    dict
        ``seconds``, ``peak_mb`` of this process and all that it started, ``peak_above_imports_mb``: that beyond what
        this process held before.
    object
        What the function returned.
    """
    before = resident_mb()
    forget_peak()
    peak = PeakOfAll()
    with peak if processes > 1 else nullcontext():
        start = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - start
    most = max(peak_mb(), peak.mb)
    return {"seconds": seconds, "peak_mb": most, "peak_above_imports_mb": most - before}, result


def memory_of_all_mb() -> float:
    """Return what this process and its descendants hold now; pages that several share count once."""
    return sum(map(_share_mb, descendants()))


def descendants() -> list[Path]:
    """Return this process and those below it, as directories of ``/proc``; none where the system has no such thing."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        except OSError:  # ended meanwhile
            continue
        parents[int(stat.parent.name)] = int(after_name.split()[1])
    found = [int(Path("/proc/self").resolve().name)] if parents else []
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return [Path("/proc") / str(process) for process in found]


def _share_mb(process: Path) -> float:
    """Return the proportional share of memory of a process; 0 once it has ended."""
    try:
        rollup = (process / "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024 / MEGABYTE
