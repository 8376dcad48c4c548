"""What is measured of streaming; each function is a job for a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from scripts.benchmarks.measure import forget_peak, peak_mb, resident_mb, seconds_of

ROW_COLUMNS = ["stim_id", "neuron_id", "n_trials", "n_bins", "response"]
STIMULUS_COLUMNS = ["stim_id", "spectrogram"]
"""Columns that an item is made of."""
PASSES = 7
"""How often everything is read at most."""


def plain_read(directory: str) -> dict[str, Any]:
    """Read the columns that items are made of with pyarrow alone, row group by row group."""
    import pyarrow.parquet as pq

    from deepstrf_hf.repository import Repository

    repository = Repository.open(directory)
    config = repository.main_config(None)
    tables = [(path, ROW_COLUMNS) for path in repository.files(config)]
    tables += [(path, STIMULUS_COLUMNS) for path in repository.files(f"{config}-stimuli")]

    def read_all() -> None:
        for path, columns in tables:
            with pq.ParquetFile(path) as file:
                for index in range(file.num_row_groups):
                    file.read_row_group(index, columns=columns)

    return _measured(read_all)


def stream_in_order(directory: str) -> dict[str, Any]:
    """Go through a stream in stored order."""
    return _measured_stream(directory, shuffle=False)


def stream_shuffled(directory: str) -> dict[str, Any]:
    """Go through a shuffled stream."""
    return _measured_stream(directory, shuffle=True)


def _measured_stream(directory: str, shuffle: bool) -> dict[str, Any]:
    import deepstrf_hf

    deepstrf_hf.stream(directory)  # what importing takes is not part of the figures
    before = resident_mb()
    opening = seconds_of(lambda: deepstrf_hf.stream(directory), at_most=5)
    stream = deepstrf_hf.stream(directory, shuffle=shuffle)

    def read_all() -> None:
        for item in stream:
            del item

    measured = _measured(read_all, before)
    return {**measured, "opening": opening, **_amounts(iter(stream))}


def _measured(read_all: Callable[[], None], before: float | None = None) -> dict[str, Any]:
    before = resident_mb() if before is None else before
    can = forget_peak()
    read_all()  # also fills the system's cache of the files, for all ways alike
    peak = peak_mb()
    memory = {"before_mb": before, "peak_mb": peak, "peak_above_mb": peak - before, "peak_is_of_the_job": can}
    return {"memory": memory, "pass": seconds_of(read_all, warm_up=0, at_most=PASSES, budget_s=20.0)}


def _amounts(items: Iterator[dict[str, Any]]) -> dict[str, float]:
    """Count items, and the MB of what they hold as it is stored: values of responses, and spectrograms."""
    number = stored = 0
    for item in items:
        number += 1
        rows = item["responses"].rows()
        stored += rows.stored.nbytes + item["stims"].numel() * item["stims"].element_size()
    return {"items": number, "mb": stored / 1e6}
