"""What the jobs of the grid need of a library, so that they are written once for all."""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from scripts.benchmarks.grids import MadeGrid


class Library(Protocol):
    """A library with a (stimulus, neuron) grid, as far as it is measured. Making one imports the library."""

    can_copy: bool
    """Whether a dataset can be made of copies of the arrays, or of the arrays themselves, at the user's choice."""

    def construct(self, made: MadeGrid, copy: bool = False) -> Any:
        """Return a validated dataset."""

    def unmasked(self, made: MadeGrid, dataset: Any) -> Any:
        """Return a dataset of the same data that nobody has asked for its masks."""

    def masks(self, dataset: Any) -> Any:
        """Return who heard what, (stimuli, neurons)."""

    def select(self, dataset: Any, stimuli: list[int]) -> None:
        """Choose stimuli."""

    def collate(self, items: list[Any]) -> dict[str, Any]:
        """Make a batch in which all items have all selected neurons."""

    def by_site(self, dataset: Any, batch_size: int, seed: int) -> Any:
        """Return a shuffled loader whose batches hold the neurons that heard them; None where there is none."""


def library_named(name: str) -> Library:
    """Import a library: ``"ours"`` or ``"peer"``."""
    module = importlib.import_module(f"scripts.benchmarks.library_{name}")
    library: Library = module.Grid()
    return library
