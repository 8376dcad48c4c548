"""Downer 2025: builds of synthetic trees read back, and what they must hold, by the formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.raw_writers.downer2025 import Downer2025Truth, WrittenSession

KINDS = {"timit": "timit", "mvocs": "mVoc"}
TYPES = {"timit": "timit", "mvocs": "mvoc"}


def rows_of(out: Path, config: str) -> list[dict[str, Any]]:
    """Return all rows of a configuration, splits one after the other; audio as its bytes."""
    files = sorted((out / config).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def pairs_of(out: Path, config: str) -> dict[tuple[int, str], dict[str, Any]]:
    """Return the rows of a main table by number of the stimulus and cell."""
    return {(row["stim_code"], row["neuron_id"]): row for row in rows_of(out, config)}


def stimuli_of(out: Path, config: str) -> dict[int, dict[str, Any]]:
    """Return the rows of a stimuli table by number."""
    return {row["stim_code"]: row for row in rows_of(out, f"{config}-stimuli")}


def neurons_of(out: Path, config: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a neurons table by cell."""
    return {row["neuron_id"]: row for row in rows_of(out, f"{config}-neurons")}


def left_out(report: Any, kind: str) -> dict[str, str]:
    """Return the reasons for what was left out of a cohort, by name."""
    return {name: reason for of_kind, name, reason in report.left_out if of_kind == kind}


def n_bins(duration_s: float, dt_ms: float = 5.0) -> int:
    """Return the bins of a duration, half to even."""
    return round(duration_s * 1000 / dt_ms)


def counts(session: WrittenSession, cell: str, onsets_s: NDArray[Any], bins: int, dt_ms: float = 5.0) -> NDArray[Any]:
    """Count spikes spike by spike, shape (presentations, bins)."""
    edges = np.linspace(0, bins * dt_ms / 1000, bins + 1)
    rows = np.zeros((len(onsets_s), bins), np.int64)
    for row, onset in zip(rows, onsets_s, strict=True):
        for since in session.times_s[cell] - onset:
            if edges[0] <= since < edges[-1]:
                row[np.flatnonzero(edges <= since)[-1]] += 1
    return rows


def expected_pairs(truth: Downer2025Truth, cohort: str, dt_ms: float = 5.0) -> dict[tuple[int, str], NDArray[Any]]:
    """Return the counts of all pairs that were recorded, by number of the stimulus and cell."""
    kind, found = KINDS[cohort], {}
    for name, session in truth.sessions.items():
        if name == "180405":  # the bad one
            continue
        for code in truth.codes(kind):
            onsets = session.onsets_of(kind, code)
            bins = n_bins(truth.duration_s(kind, code), dt_ms)
            for cell in session.times_s if len(onsets) and bins else ():
                found[code, cell] = counts(session, cell, onsets, bins, dt_ms)
    return found


def spikes_in_no_trial(truth: Downer2025Truth, cohort: str, dt_ms: float = 5.0) -> int:
    """Count the spikes of sessions that played the class which lie in none of its trials."""
    kind, lost = KINDS[cohort], 0
    for name, session in truth.sessions.items():
        if name == "180405" or not session.codes[kind].any():
            continue
        for times in session.times_s.values():
            heard = np.zeros(len(times), bool)
            for code in truth.codes(kind):
                length = n_bins(truth.duration_s(kind, code), dt_ms) * dt_ms / 1000
                for onset in session.onsets_of(kind, code):
                    heard |= (times - onset >= 0) & (times - onset < length)
            lost += int((~heard).sum())
    return lost
