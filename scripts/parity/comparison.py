"""What is measured on two data sets of the same arrays, and how near the results must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Collate = Callable[..., dict[str, Any]]
Measure = Callable[[Any, Collate], Any]


@dataclass(frozen=True)
class Comparison:
    """One comparison.

    Parameters
    ----------
    name : str
        What is compared.
    measure : callable
        A function of a data set and of its collate function that returns nested numbers.
    waveform : bool
        Whether it wants waveforms.
    missing_samples : bool
        Whether the recording may have them.
    tolerance : float
        Largest relative difference; 0 where equal batches make equal arithmetic.
    """

    name: str
    measure: Measure
    waveform: bool = False
    missing_samples: bool = True
    tolerance: float = 0.0
