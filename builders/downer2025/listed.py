"""The channels that deepSTRF 0.1.0 lists as well tuned: results of its own computation, not the paper's list."""

from __future__ import annotations

import functools
from pathlib import Path

FILE = Path(__file__).with_name("well_tuned.txt")
CLASSES = ("timit", "mvocs")


@functools.cache
def well_tuned() -> dict[str, frozenset[str]]:
    """Return the listed channels, ``cell_id``, by class of stimuli: 417 for ``timit``, 476 for ``mvocs``."""
    lines = (line.split() for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    classes = {cell: frozenset(of) for cell, *of in lines}
    return {name: frozenset(cell for cell, of in classes.items() if name in of) for name in CLASSES}


def listed(cell_id: str) -> dict[str, bool]:
    """Return the columns of a channel."""
    return {f"listed_well_tuned_{name}": cell_id in cells for name, cells in well_tuned().items()}
