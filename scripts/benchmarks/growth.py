"""How a figure grows with the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TOLERATED = 1.1
"""Largest exponent that still passes for growth no faster than the data: timing is noisy."""


def exponent(data: Sequence[float], figures: Sequence[float]) -> float | None:
    """Return the exponent of the power law that fits best: the least-squares slope of the logarithms.

    None where there are not two different sizes, or a figure is not positive.
    """
    if len(set(data)) < 2 or min(*data, *figures) <= 0:
        return None
    return float(np.polyfit(np.log(data), np.log(figures), 1)[0])
