"""Wall time and memory of this process."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
MEGABYTE = 1e6


def seconds_of(
    run: Callable[..., Any],
    *,
    prepare: Callable[[], Any] | None = None,
    warm_up: int = 1,
    at_least: int = 3,
    at_most: int = 25,
    budget_s: float = 6.0,
    per: int = 1,
) -> dict[str, Any]:
    """Time a function again and again; what it returns is thrown away before the next run.

    Parameters
    ----------
    run : callable
        What is timed. Called with what `prepare` returned, where that is given.
    prepare : callable, optional
        Called before each run, not timed.
    warm_up : int
        Runs before the first that counts.
    at_least, at_most : int
        Bounds of the number of runs that count.
    budget_s : float
        Time after which no further run is begun, s.
    per : int
        How many things one run does; times are for one of them.

    Returns
    -------
    dict
        ``seconds`` (the median), ``fastest``, ``slowest``, each for one thing; ``processor``, the median time that
        all threads of this process ran, which depends less on what else runs; and ``runs``.
    """
    times: list[float] = []
    processor: list[float] = []
    begun = time.perf_counter()
    for number in range(warm_up + at_most):
        if len(times) >= at_least and time.perf_counter() - begun > budget_s:
            break
        given = () if prepare is None else (prepare(),)
        start, ran = time.perf_counter(), time.process_time()
        result = run(*given)
        seconds, ran = time.perf_counter() - start, time.process_time() - ran
        del result, given
        if number >= warm_up:
            times.append(seconds / per)
            processor.append(ran / per)
    return {
        "seconds": statistics.median(times),
        "fastest": min(times),
        "slowest": max(times),
        "processor": statistics.median(processor),
        "runs": len(times),
    }


def resident_mb() -> float:
    """Return the memory this process holds now, MB; where the system does not say, the most it has held."""
    return _status_mb("VmRSS:") if STATUS.exists() else _most_mb()


def peak_mb() -> float:
    """Return the most memory this process has held, MB, since `forget_peak` where that works."""
    # Not ru_maxrss where it can be helped: on Linux it is at least what the parent held when it started this process.
    return _status_mb("VmHWM:") if STATUS.exists() else _most_mb()


def forget_peak() -> bool:
    """Begin a new peak; say whether the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status_mb(field: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise LookupError(f"{STATUS} has no {field}")


def _most_mb() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / MEGABYTE
