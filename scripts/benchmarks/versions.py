"""What an interpreter has installed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def installed(distributions: Sequence[str]) -> dict[str, Any]:
    """Return the version of each distribution, None where it is not installed, and the processors to be used."""
    versions: dict[str, Any] = {}
    for name in distributions:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return {**versions, "processors": len(usable)}
