"""What tests read from, and do to, the files of a build."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deepstrf_hf import NeuralDataset
from deepstrf_hf.parquet import METADATA_KEY
from tests.grid.conftest import KnownBuild
from tests.grid.examples import Array
from tests.raw_writers.ns1 import NATURAL_SETS

DT_MS, N_BINS, N_BANDS = 5, 999, 34
STIM_IDS = [f"source{source}.set{set_number}.stim{number:02d}" for source, set_number, number, _ in NATURAL_SETS]
TEST_CLIPS = [3, 6, 9, 19]
"""Of Rahman et al. 2020, counted from 0."""


def table_rows(build: Path, config: str) -> list[dict[str, Any]]:
    """Read all rows of a table with pyarrow alone."""
    return [row for path in sorted((build / config).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def one_file(build: Path, config: str, split: str = "train") -> Path:
    (path,) = (build / config).glob(f"{split}-*.parquet")
    return path


def rewrite(
    path: Path,
    *,
    table: Callable[[pa.Table], pa.Table] = lambda table: table,
    provenance: Callable[[dict[str, Any]], Mapping[str, Any] | None] = lambda provenance: provenance,
) -> None:
    """Write a Parquet file again with another table, or other provenance; None leaves that out."""
    said = provenance(json.loads(pq.read_metadata(path).metadata[METADATA_KEY]))
    changed = table(pq.read_table(path)).replace_schema_metadata(None)
    with pq.ParquetWriter(path, changed.schema) as writer:
        writer.write_table(changed)
        if said is not None:
            writer.add_key_value_metadata({METADATA_KEY: json.dumps(said).encode()})


def rewrite_all(build: Path, provenance: Callable[[dict[str, Any]], Mapping[str, Any] | None]) -> None:
    """Write all files of a build again with other provenance."""
    for path in build.rglob("*.parquet"):
        rewrite(path, provenance=provenance)


def with_column(table: pa.Table, name: str, change: Callable[[list[Any]], list[Any]]) -> pa.Table:
    """Return a table with another column in the place of one."""
    index = table.schema.get_field_index(name)
    values = change(table.column(name).to_pylist())
    return table.set_column(index, table.schema.field(index), pa.array(values, table.schema.field(index).type))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage(path: Path) -> None:
    """Overwrite the data of a Parquet file, but not its index at the end."""
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    content[4 : len(content) - footer] = b"\xff" * (len(content) - footer - 4)
    path.write_bytes(content)


def pair_responses(dataset: NeuralDataset) -> dict[tuple[str, str], Array]:
    """Return all recorded responses by the ids of their stimulus and neuron."""
    return {
        (stimulus["stim_id"], neuron["neuron_id"]): response.numpy()
        for stimulus, responses in zip(dataset.stim_meta, dataset.responses, strict=True)
        for neuron, response in zip(dataset.nrn_meta, responses, strict=True)
        if tuple(response.shape) != (1, 1)
    }


def binned_by_loop(trials: list[Array]) -> Array:
    """Count spikes: bin floor(t / 5 ms), from 0 to 4995 ms."""
    counts = np.zeros((len(trials), N_BINS), int)
    for trial, times in enumerate(trials):
        for time in times:
            position = math.floor(time / DT_MS)
            if 0 <= position < N_BINS:
                counts[trial, position] += 1
    return counts


def true_counts(build: KnownBuild) -> dict[tuple[str, str], Array]:
    """Return the counts of all pairs of the raw tree, by stimulus id and the lab's name of the unit."""
    truth = build.truth
    return {
        (STIM_IDS[clip], path.removesuffix(".mat")): binned_by_loop(
            [
                truth.spike_times[path, clip, repeat]
                for repeat in range(20)
                if (path, clip, repeat) in truth.spike_times  # one unit has 19 repeats of one clip
            ]
        )
        for clip in range(20)
        for path in truth.unit_paths
        if path not in truth.missing_units
    }
