"""What is measured of a grid, the same for every library; each function is a job for a process of its own.

Every job answers with its figures, in seconds; with what it held in memory; and with what came out, so that libraries
can be compared by their results before they are compared by their speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scripts.benchmarks.grids import SIZES, MadeGrid, made_grid
from scripts.benchmarks.library import Library, library_named
from scripts.benchmarks.measure import forget_peak, peak_mb, resident_mb, seconds_of

ITEMS_COMPARED = 8
"""Items whose values are compared between libraries, evenly spread over the dataset."""
ITEMS_TIMED = 32
"""Items fetched in one run of a figure, evenly spread; fewer where that would take longer than `RUN_S`."""
RUN_S = 2.0
BATCH_SIZE = {"est": 32, "val": 6}
"""Items of a batch."""
DENSE_BATCHES = 3
"""Batches timed of an epoch that would take too long."""
SEED = 0


class Memory:
    """What a job holds, from its imports to its first result."""

    def __init__(self) -> None:
        self.marks = {"imports_mb": resident_mb()}
        self.amounts: dict[str, float] = {}

    def have_inputs(self, made: MadeGrid) -> None:
        """Note what the input arrays take, and begin a new peak."""
        self.amounts = made.amounts
        self.marks["inputs_mb"] = resident_mb()
        self.marks["peak_is_of_the_job"] = forget_peak()

    def have_dataset(self) -> None:
        """Note what the dataset takes beside the inputs."""
        self.marks["held_mb"] = resident_mb() - self.marks["inputs_mb"]

    def done(self) -> None:
        """Note the peak."""
        peak = peak_mb()
        self.marks["peak_mb"] = peak
        self.marks["peak_above_imports_mb"] = peak - self.marks["imports_mb"]
        self.marks["peak_above_inputs_mb"] = peak - self.marks["inputs_mb"]


def _begin(library: str, grid: str, size: str, fraction: float) -> tuple[Library, MadeGrid, Memory]:
    used = library_named(library)
    memory = Memory()
    made = made_grid(SIZES[grid, size].scaled(fraction), SEED)
    memory.have_inputs(made)
    return used, made, memory


def _answer(figures: dict[str, Any], memory: Memory, result: Any) -> dict[str, Any]:
    return {"figures": figures, "memory": memory.marks, "amounts": memory.amounts, "result": result}


def construct(library: str, grid: str, size: str, fraction: float) -> dict[str, Any]:
    """Make a dataset of arrays, validation included."""
    used, made, memory = _begin(library, grid, size, fraction)
    dataset = used.construct(made)
    memory.have_dataset()
    memory.done()
    result = [len(dataset), len(dataset.nrn_meta), made.amounts["pairs"]]
    del dataset
    figures = {"construct": seconds_of(lambda: used.construct(made), warm_up=0)}
    if used.can_copy:
        figures["construct_copied"] = seconds_of(lambda: used.construct(made, copy=True), warm_up=0)
    return _answer(figures, memory, result)


def masks(library: str, grid: str, size: str, fraction: float) -> dict[str, Any]:
    """Ask a new dataset who heard what."""
    used, made, memory = _begin(library, grid, size, fraction)
    dataset = used.construct(made)
    memory.have_dataset()
    heard = used.masks(dataset)
    memory.done()
    result = [*heard.shape, int(heard.sum()), int(heard[len(heard) // 2].sum())]
    timing = seconds_of(used.masks, prepare=lambda: used.unmasked(made, dataset), warm_up=0, at_least=2)
    return _answer({"masks": timing}, memory, result)


def items(library: str, grid: str, size: str, fraction: float) -> dict[str, Any]:
    """Fetch items of all neurons."""
    used, made, memory = _begin(library, grid, size, fraction)
    dataset = used.construct(made)
    used.masks(dataset)
    memory.have_dataset()
    figures, result = _items(dataset, memory, "")
    return _answer(figures, memory, result)


def selected_items(library: str, grid: str, size: str, fraction: float) -> dict[str, Any]:
    """Fetch items after the first half of the stimuli was chosen."""
    used, made, memory = _begin(library, grid, size, fraction)
    dataset = used.construct(made)
    used.masks(dataset)
    memory.have_dataset()
    half = list(range(max(1, len(made.blocks) // 2)))
    used.select(dataset, half)
    figures, result = _items(dataset, memory, "selected_")

    def select_and_fetch() -> Any:
        used.select(dataset, half)
        return dataset[0]

    return _answer({"select_and_first_item": seconds_of(select_and_fetch), **figures}, memory, result)


def _items(dataset: Any, memory: Memory, prefix: str) -> tuple[dict[str, Any], Any]:
    def fetch(positions: Sequence[int]) -> list[Any]:
        return [dataset[position] for position in positions]

    def fetch_and_read(positions: Sequence[int]) -> list[Any]:
        # A response is read when its tensor is in hand; deepSTRF's items hold tensors from the start.
        return [list(dataset[position]["responses"]) for position in positions]

    read = fetch_and_read(_spread(len(dataset), ITEMS_COMPARED))
    memory.done()
    result = [len(dataset), [[len(item), sum(map(_finite, item))] for item in read]]
    del read
    one = seconds_of(lambda: fetch([0]), warm_up=0, at_least=1, at_most=1)["seconds"]
    timed = _spread(len(dataset), max(1, min(ITEMS_TIMED, int(RUN_S / one))))
    figures = {
        f"{prefix}item": seconds_of(lambda: fetch(timed), per=len(timed)),
        f"{prefix}item_read": seconds_of(lambda: fetch_and_read(timed), per=len(timed)),
    }
    return figures, result


def _spread(length: int, number: int) -> list[int]:
    """Return some positions of a dataset, evenly spread from its first to its last."""
    positions: list[int] = np.unique(np.linspace(0, length - 1, number).round().astype(int)).tolist()
    return positions


def _finite(response: Any) -> int:
    return 0 if response.shape == (1, 1) else int(response.isfinite().sum())


def est_batch(library: str, grid: str, size: str, fraction: float) -> dict[str, Any]:
    """Make a batch of stimuli that were presented once."""
    return _batch(library, grid, size, fraction, "est")


def val_batch(library: str, grid: str, size: str, fraction: float) -> dict[str, Any]:
    """Make a batch of stimuli that were repeated."""
    return _batch(library, grid, size, fraction, "val")


def _batch(library: str, grid: str, size: str, fraction: float, subset: str) -> dict[str, Any]:
    used, made, memory = _begin(library, grid, size, fraction)
    dataset = used.construct(made)
    used.masks(dataset)
    memory.have_dataset()
    stimuli = made.stimuli_of(subset)
    number = min(BATCH_SIZE[subset], len(stimuli))
    chosen = np.random.default_rng(SEED).choice(stimuli, number, replace=False).tolist()
    chosen_items = [dataset[stimulus] for stimulus in chosen]
    batch = used.collate(chosen_items)
    memory.done()
    result = {
        "shape": list(batch["responses"].shape),
        "valid": int(batch["valid_mask"].sum()),
        "responses": _sum(batch["responses"], batch["valid_mask"]),
        "stims": float(batch["stims"].double().sum()),
    }
    del batch
    return _answer({f"{subset}_batch": seconds_of(lambda: used.collate(chosen_items))}, memory, result)


def _sum(values: Any, valid: Any) -> float:
    """Return the sum of the valid values; a little at a time, for a batch can be gigabytes."""
    pieces = zip(values.flatten().split(2**22), valid.flatten().split(2**22), strict=True)
    return sum(float(piece[which].double().sum()) for piece, which in pieces)


def dense_epoch(library: str, grid: str, size: str, fraction: float) -> dict[str, Any]:
    """Go through a few shuffled batches of an epoch over the stimuli presented once, all neurons in every batch."""
    import torch  # the modules that only make grids do without it

    def loader(used: Library, dataset: Any, est: list[int]) -> Any:
        # A Subset, and not a selection, which makes every item of deepSTRF cost many times as much.
        return torch.utils.data.DataLoader(
            torch.utils.data.Subset(dataset, est),
            BATCH_SIZE["est"],
            shuffle=True,
            collate_fn=used.collate,
            generator=torch.Generator().manual_seed(SEED),
        )

    return _epoch(library, grid, size, fraction, loader, "dense_epoch", DENSE_BATCHES)


def site_epoch(library: str, grid: str, size: str, fraction: float) -> dict[str, Any]:
    """Go through an epoch over the stimuli presented once, in batches of one site's neurons."""

    def loader(used: Library, dataset: Any, est: list[int]) -> Any:
        used.select(dataset, est)
        return used.by_site(dataset, BATCH_SIZE["est"], SEED)

    return _epoch(library, grid, size, fraction, loader, "site_epoch", None)


def _epoch(
    library: str,
    grid: str,
    size: str,
    fraction: float,
    loader_of: Callable[[Library, Any, list[int]], Any],
    figure: str,
    limit: int | None,
) -> dict[str, Any]:
    """Time an epoch, or its first batches; the figure is the time of the whole, worked out where it was not run."""
    used, made, memory = _begin(library, grid, size, fraction)
    dataset = used.construct(made)
    used.masks(dataset)
    memory.have_dataset()
    loader = loader_of(used, dataset, made.stimuli_of("est"))
    total = len(loader)
    timed = total if limit is None else min(limit, total)
    shapes, stimuli = [], 0
    for number, batch in enumerate(loader, start=1):
        shapes.append(list(batch["responses"].shape))
        stimuli += len(batch["stims"])
        del batch
        if number == timed:
            break
    memory.done()

    def go() -> None:
        for number, batch in enumerate(loader, start=1):
            del batch
            if number == timed:
                break

    per_batch = seconds_of(go, warm_up=0, at_least=2, at_most=5, per=timed)
    of_epoch = {key: per_batch[key] * total for key in ("seconds", "fastest", "slowest", "processor")}
    figures = {figure: {**of_epoch, "runs": per_batch["runs"], "batches": total, "batches_timed": timed}}
    return _answer(figures, memory, {"stimuli": stimuli, "largest_batch": max(shapes, key=lambda shape: shape[1])})
