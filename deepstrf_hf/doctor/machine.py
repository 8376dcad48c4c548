"""Processors, memory, and how many files a process may hold open."""

from __future__ import annotations

import os
import sys

from deepstrf_hf.doctor.findings import NOTE, OK, Check

TOPIC = "machine"
LITTLE_MEMORY_BYTES = 2 * 10**9
"""Builds of the larger corpora take about 1 GB for each process."""
FEW_FILES = 1024
"""The grid, streams and parallel builds hold files open."""


def examine_machine() -> list[Check]:
    """Check processors, memory and the limit of open files, as far as the system tells them."""
    checks = [Check(TOPIC, "processors", OK, f"{os.cpu_count()}, {_usable_processors()} for this process")]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        checks.append(_memory(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    if sys.platform != "win32":
        import resource

        checks.append(_open_files(*resource.getrlimit(resource.RLIMIT_NOFILE), resource.RLIM_INFINITY))
    return checks


def _usable_processors() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory(n_bytes: int) -> Check:
    found = f"{n_bytes / 1e9:.1f} GB"
    if n_bytes < LITTLE_MEMORY_BYTES:
        return Check(TOPIC, "memory", NOTE, found, "build with one process, and stream instead of load")
    return Check(TOPIC, "memory", OK, found)


def _open_files(soft: int, hard: int, unlimited: int) -> Check:
    soft_text, hard_text = ("unlimited" if limit == unlimited else str(limit) for limit in (soft, hard))
    found = f"{soft_text}, can be raised to {hard_text}"
    if soft != unlimited and soft < FEW_FILES:
        return Check(
            TOPIC, "open files", NOTE, found, f"raise it with `ulimit -n {FEW_FILES}` if files cannot be opened"
        )
    return Check(TOPIC, "open files", OK, found)
