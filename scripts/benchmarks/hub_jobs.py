"""What is measured of the Hub's clients; each function runs in a client's process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

PASS_S = 20.0
"""Time after which a pass through a stream is not continued; its rate is known by then."""


def push(directory: str, repository: str) -> dict[str, Any]:
    """Push a directory to a private repository."""
    import deepstrf_hf

    started = time.perf_counter()
    pushed = deepstrf_hf.push(directory, repository, private=True)
    return {"seconds": time.perf_counter() - started, "files": pushed.files}


def first_row(repository: str, config: str) -> dict[str, Any]:
    """Open a stream with `datasets`, and wait for its first row."""
    from datasets import load_dataset

    started = time.perf_counter()
    next(iter(load_dataset(repository, config, split="train", streaming=True)))
    return {"seconds": time.perf_counter() - started}


def first_item(repository: str, config: str) -> dict[str, Any]:
    """Open a stream of ours, and wait for its first item: a stimulus with all its responses."""
    import deepstrf_hf

    opening = deepstrf_hf.stream  # what importing takes is not part of the figure
    started = time.perf_counter()
    coming = iter(opening(repository, config, split="train"))
    next(coming)
    seconds = time.perf_counter() - started
    coming.close()  # type: ignore[attr-defined]
    return {"seconds": seconds}


def rows_of_datasets(repository: str, config: str, workers: int) -> dict[str, Any]:
    """Go through a stream of `datasets` in NumPy format, in a loader."""
    from datasets import load_dataset
    from torch.utils.data import DataLoader

    rows = load_dataset(repository, config, split="train", streaming=True).with_format("numpy")
    loader = DataLoader(rows, batch_size=None, num_workers=workers, collate_fn=as_it_is)
    return _rate(loader, lambda row: 1)


def rows_of_ours(repository: str, config: str, workers: int) -> dict[str, Any]:
    """Go through a stream of ours, in a loader; a row is a pair of stimulus and neuron."""
    from torch.utils.data import DataLoader

    import deepstrf_hf

    stream = deepstrf_hf.stream(repository, config, split="train")
    loader = DataLoader(stream, batch_size=None, num_workers=workers, collate_fn=as_it_is)
    return _rate(loader, lambda item: int(item["valid_mask"].sum()))


def as_it_is(item: Any) -> Any:
    """Hand an item on; loaders of single items would make tensors of it."""
    return item


def _rate(items: Iterable[Any], rows_in: Any) -> dict[str, Any]:
    """Return rows per second from the first item to the last; what comes before the first is `first_row`'s."""
    rows, started, last = 0, None, 0.0
    for item in items:
        now = time.perf_counter()
        if started is None:
            started = now
            continue
        rows, last = rows + rows_in(item), now
        if now - started > PASS_S:
            break
    took = last - started if started is not None and rows else None
    return {"rows": rows, "seconds": took, "rows_per_s": rows / took if took else None}


def fetch(repository: str, config: str, options: dict[str, Any]) -> dict[str, Any]:
    """Stream all of a split with some options of `load_dataset`."""
    from datasets import load_dataset

    if "filters" in options:
        options = {**options, "filters": [tuple(one) for one in options["filters"]]}
    started = time.perf_counter()
    rows = sum(1 for _ in load_dataset(repository, config, split="train", streaming=True, **options))
    return {"rows": rows, "seconds": time.perf_counter() - started}


def load(repository: str, config: str) -> dict[str, Any]:
    """Open a cohort as a grid."""
    import deepstrf_hf

    opening = deepstrf_hf.load
    started = time.perf_counter()
    grid = opening(repository, config)
    return {"seconds": time.perf_counter() - started, "stimuli": len(grid.stim_meta), "neurons": len(grid.nrn_meta)}
