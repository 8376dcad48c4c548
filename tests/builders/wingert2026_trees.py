"""Wingert 2026: builds of synthetic trees read back, and the two scalings of them, by their formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq

from tests.raw_writers.wingert2026_truth import RATE_HZ, Wingert2026Truth, WrittenSession

QUIET = 1e-6


def rows_of(out: Path, config: str) -> list[dict[str, Any]]:
    """Return all rows of a configuration, splits one after the other; audio as its bytes."""
    files = sorted((out / config).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def pairs_of(out: Path, config: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return the rows of a main table by session, sound and cell."""
    return {(row["stim_session"], row["stim_name"], row["neuron_id"]): row for row in rows_of(out, config)}


def stimuli_of(out: Path, config: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows of a stimuli table by session and sound."""
    return {(row["stim_session"], row["stim_name"]): row for row in rows_of(out, f"{config}-stimuli")}


def neurons_of(out: Path, config: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a neurons table by cell."""
    return {row["neuron_id"]: row for row in rows_of(out, f"{config}-neurons")}


def left_out(report: Any, kind: str) -> dict[str, str]:
    """Return the reasons for what was left out of a cohort, by name."""
    return {name: reason for of_kind, name, reason in report.left_out if of_kind == kind}


def compressed(values: np.ndarray, d: float = 0.1) -> np.ndarray:
    """Return log((x + d) / d) in double precision."""
    return np.log((np.asarray(values, np.float64) + d) / d)


def scaled(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return values from low to high scaled to 0 … 1, what is quiet to 0; where both are equal, their distance."""
    result = (values - low) / np.where(high > low, high - low, 1)
    return np.where(result < QUIET, 0, result)


def published_tile(session: WrittenSession, name: str) -> np.ndarray:
    """Return a spectrogram as the paper has it: compressed, then scaled over the rasterised recording."""
    whole = compressed(session.rasterised())
    return scaled(compressed(session.tiles[name]), whole.min(axis=1)[:, None], whole.max(axis=1)[:, None])


def deepstrf_tiles(sessions: list[WrittenSession]) -> dict[tuple[str, str], np.ndarray]:
    """Return spectrograms as deepSTRF has them: compressed, then scaled over all spectrograms of all sessions."""
    tiles = {(one.session, name): compressed(tile) for one in sessions for name, tile in one.tiles.items()}
    everything = np.concatenate(list(tiles.values()), axis=1)
    low, high = everything.min(axis=1)[:, None], everything.max(axis=1)[:, None]
    return {key: scaled(tile, low, high) for key, tile in tiles.items()}


def expected_neuron(truth: Wingert2026Truth, cell: str) -> dict[str, Any]:
    """Return what the neurons table must hold of a cell, from the text of its row in the list."""
    row = truth.cells[cell]
    parts = cell.split("-")
    probe = parts[1] if len(parts) == 4 else None
    return {
        "neuron_cell_id": cell,
        "neuron_site": row["siteid"],
        "neuron_session": parts[0],
        "neuron_area": row["area"] or None,
        "neuron_layer": row["layer"] or None,
        "neuron_depth_um": float(row["depth"]) if row["depth"] else None,
        "neuron_narrow": {"True": True, "False": False, "": None}[row["narrow"]],
        "neuron_celltype": row["celltype"] or None,
        "neuron_sw_ms": float(row["sw"]),
        "neuron_goodpred": row["goodpred"] == "True",
        "neuron_animal": cell[:3],
        "neuron_probe": probe,
        "neuron_electrode": int(parts[-2]),
        "neuron_unit_in_electrode": int(parts[-1]),
        "neuron_recording_max": int(truth.sessions[parts[0]].raster(cell).max()),
    }


def count_rule(session: WrittenSession) -> dict[str, str]:
    """Return the published division of a session: sounds played more often than the mean of the distinct counts."""
    names = {name for name, _, _ in session.epochs if name.startswith("STIM_")}
    counts = {name: len(session.starts(name)) for name in names}
    distinct = sorted(set(counts.values()))
    if len(distinct) == 1:
        first = sorted(names)[: int(0.8 * len(names))]
        return {name: "est" if name in first else "val" for name in names}
    middle = sum(distinct) / len(distinct)
    return {name: "val" if count > middle else "est" for name, count in counts.items()}


def spikes_in_no_presentation(session: WrittenSession, cell: str) -> int:
    """Count the spikes of a cell whose bin lies in no presentation that is built."""
    inside = set()
    for name in session.heard:
        for start in session.starts(name):
            first = round(start * RATE_HZ)
            inside.update(range(first, first + session.tiles[name].shape[1]))
    return sum(int(np.floor(time * RATE_HZ)) not in inside for time in session.times_s[cell])


def load_rows(out: Path, config: str, split: str, **options: Any) -> Any:
    """Return a configuration as `datasets` loads it."""
    return datasets.load_dataset(str(out), config, split=split, **options)
