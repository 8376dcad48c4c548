"""Which stimuli a linear reference is fitted to, and which it is tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepstrf_hf.grid.conditions import plain
from deepstrf_hf.grid.indexing import require_key
from deepstrf_hf.grid.splits import Splits, stratified_splits
from deepstrf_hf.linear_baseline import LinearBaseline

if TYPE_CHECKING:
    from deepstrf_hf.grid.dataset import NeuralDataset

FRACTIONS = {"train": 0.8, "test": 0.2}
"""Shares of stimuli in a division that is drawn."""


def divisions_of(grid: NeuralDataset, declared: LinearBaseline, n_seeds: int) -> tuple[list[Splits], str]:
    """Return the published division, or several drawn ones where there is none, and words for it.

    Raises
    ------
    UnknownNameError
        No stimulus has a declared column.
    """
    published = grid.splits
    if all(published.get(name) for name in FRACTIONS):
        return [published], f"published: {published.source}" if published.source else "published"
    shares = " and ".join(f"{share:.0%} {name}" for name, share in FRACTIONS.items())
    words = f"none published: {n_seeds} drawn, {shares} of the stimuli, seeds 0 to {n_seeds - 1}, scores averaged"
    if declared.stratify:
        words += f"; each kind of {' and '.join(declared.stratify)} in these shares"
    if declared.together:
        words += f"; all stimuli of one {declared.together} together"
    return [_drawn(grid.stim_meta, declared, seed) for seed in range(n_seeds)], words


def _drawn(stim_meta: list[dict[str, Any]], declared: LinearBaseline, seed: int) -> Splits:
    """Draw a division of stimuli, or of sets of stimuli that stay together."""
    if declared.together is None:
        return stratified_splits(stim_meta, FRACTIONS, by=declared.stratify, seed=seed)
    require_key(stim_meta, declared.together, "stimulus")
    sets: dict[str, list[str]] = {}
    first: dict[str, dict[str, Any]] = {}
    for entry in stim_meta:
        value = repr(plain(entry.get(declared.together)))
        sets.setdefault(value, []).append(entry["stim_id"])
        first.setdefault(value, {**entry, "stim_id": value})
    drawn = stratified_splits(list(first.values()), FRACTIONS, by=declared.stratify, seed=seed)
    return Splits({name: sorted(i for value in values for i in sets[value]) for name, values in drawn.items()})
