"""From raw files to a grid: what is measured of this library; each function is a job for a process of its own.

What importing takes counts for nobody: the modules that a job needs are there before it begins.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.measure import seconds_of
from scripts.benchmarks.peak import measured

SEED = 0
PREPROCESSING = "deepstrf"
"""What deepSTRF's constructor hands out."""
DENSE_BATCHES = 3
"""Batches timed of an epoch in which every batch holds all neurons."""


def write_raw(corpus: str, options: Mapping[str, Any], directory: str) -> None:
    """Write a raw tree.

    Parameters
    ----------
    corpus : str
        Name among `scripts.parity.corpus_list`.
    options : mapping
        Of its writer.
    directory : str
        Where to.
    """
    from scripts.parity.corpus_list import CORPORA

    CORPORA[corpus].write(Path(directory), SEED, options)


def build(corpus: str, cohort: str, raw: str, out: str, processes: int) -> dict[str, Any]:
    """Build a cohort."""
    deepstrf_hf = _imported(corpus)
    took, _ = measured(lambda: _build(deepstrf_hf, corpus, cohort, raw, out, processes), processes)
    return took


def raw_to_grid(corpus: str, cohort: str, raw: str, out: str, cache: str, processes: int) -> dict[str, Any]:
    """Build a cohort and open it, for the first time."""
    import torch  # noqa: F401 (deepSTRF's constructor is measured after its imports too)

    deepstrf_hf = _imported(corpus)
    _ = deepstrf_hf.load

    def both() -> Any:
        _build(deepstrf_hf, corpus, cohort, raw, out, processes)
        return deepstrf_hf.load(out, cohort, preprocessing=PREPROCESSING, cache=cache)

    took, grid = measured(both, processes)
    return {**took, **_amounts(grid)}


def open_grid(out: str, cohort: str, cache: str) -> dict[str, Any]:
    """Open a cohort that was built; the first time or again, as the cache is empty or not.

    Returns
    -------
    dict
        What it took, and what opening it again in the same process took: ``again_seconds``, and ``touched_mb``, the
        bytes that were read or mapped into memory for it.
    """
    import deepstrf_hf

    load = deepstrf_hf.load  # which imports torch
    took, grid = measured(lambda: load(out, cohort, preprocessing=PREPROCESSING, cache=cache))
    amounts = _amounts(grid)
    del grid
    gc.collect()
    before, start = _read_mb(), time.perf_counter()
    grid = load(out, cohort, preprocessing=PREPROCESSING, cache=cache)
    again, touched = time.perf_counter() - start, _read_mb() - before + _mapped_mb(cache)
    del grid  # only now: what it has mapped was counted
    return {**took, **amounts, "again_seconds": again, "touched_mb": touched}


def open_and_read(out: str, cohort: str, cache: str) -> dict[str, Any]:
    """Open a cohort and copy every stored response and spectrogram into memory, stimulus by stimulus."""
    import deepstrf_hf

    load = deepstrf_hf.load

    def read() -> Any:
        grid = load(out, cohort, preprocessing=PREPROCESSING, cache=cache)
        for item in map(grid.__getitem__, range(len(grid))):
            np.array(item["responses"].rows().stored)
            item["stims"].clone()
        return grid

    took, grid = measured(read)
    return {**took, **_amounts(grid)}


def page_cache(directory: str, n_bytes: int | None = None) -> dict[str, Any]:
    """Read files that the system holds in memory already: all below a directory, or some bytes of the largest ones."""
    files = sorted((path for path in Path(directory).rglob("*") if path.is_file()), key=lambda path: -_size(path))
    total = sum(map(_size, files)) if n_bytes is None else n_bytes
    buffer = bytearray(2**20)

    def read_all() -> None:
        left = total
        for path in files:
            with path.open("rb", buffering=0) as file:
                while left > 0:
                    n_read = file.readinto(memoryview(buffer)[: min(left, len(buffer))])
                    if not n_read:
                        break
                    left -= n_read
            if left <= 0:
                return

    return {**seconds_of(read_all), "mb": total / 1e6}


def epoch(out: str, cohort: str, cache: str, batch_size: int) -> dict[str, Any]:
    """Go through an epoch over the stimuli presented once: in batches of one site, and in batches of all neurons."""
    import torch

    import deepstrf_hf

    grid = deepstrf_hf.load(out, cohort, preprocessing=PREPROCESSING, cache=cache).where(stims={"subset": "est"})
    sampler = deepstrf_hf.SiteBatchSampler(grid, batch_size, shuffle=True, seed=SEED)
    by_site = torch.utils.data.DataLoader(grid, batch_sampler=sampler, collate_fn=deepstrf_hf.collate_heard_neurons)
    stimuli = 0

    def whole() -> None:
        nonlocal stimuli
        stimuli = sum(len(batch["stim_meta"]) for batch in by_site)

    took = seconds_of(whole, warm_up=0, at_least=2, at_most=3, budget_s=30.0)
    dense = dense_epoch(grid, deepstrf_hf.neural_collate, batch_size)
    return {"by_site": {**took, "batches": len(by_site)}, "dense": dense, "stimuli": stimuli, "neurons": grid.get_N()}


def dense_epoch(items: Any, collate: Any, batch_size: int) -> dict[str, Any]:
    """Time the first batches of a shuffled epoch and work out the whole; the same for every library."""
    import torch

    loader = torch.utils.data.DataLoader(
        items, batch_size, shuffle=True, collate_fn=collate, generator=torch.Generator().manual_seed(SEED)
    )
    timed = min(DENSE_BATCHES, len(loader))

    def some() -> None:
        coming = iter(loader)
        for _ in range(timed):
            next(coming)

    per_batch = seconds_of(some, warm_up=0, at_least=2, at_most=3, per=timed)
    return {"seconds": per_batch["seconds"] * len(loader), "batches": len(loader), "batches_timed": timed}


def _imported(corpus: str) -> Any:
    import deepstrf_hf
    from deepstrf_hf.registry import load_builder

    load_builder(corpus)
    _ = deepstrf_hf.build  # imported when it is asked for
    return deepstrf_hf


def _build(deepstrf_hf: Any, corpus: str, cohort: str, raw: str, out: str, processes: int) -> None:
    deepstrf_hf.build(corpus, [cohort], data_dir=raw, out=out, on_error="skip", num_proc=processes)


def _amounts(grid: Any) -> dict[str, int]:
    return {"stimuli": len(grid.stim_meta), "neurons": len(grid.nrn_meta)}


def _size(path: Path) -> int:
    return path.stat().st_size


def _read_mb() -> float:
    """Return what this process has read from files so far; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar:")) / 1e6


def _mapped_mb(directory: str) -> float:
    """Return how much of the files below a directory is mapped into this process and in memory."""
    try:
        lines = Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    total, counts = 0, False
    for line in lines:
        field, _, rest = line.partition(" ")
        if not field.endswith(":"):  # the header of a mapping: addresses, rights, ..., file
            counts = directory in rest
        elif counts and field == "Rss:":
            total += int(rest.split()[0]) * 1024
    return total / 1e6
