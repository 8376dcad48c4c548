"""What tests do with Espejo trees: build, read back, and compute again from the definitions."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.raw_writers.espejo import EspejoTruth, WrittenRecording, WrittenTrial


def table_rows(out: Path, config: str) -> list[dict]:
    """Return all rows of a configuration, with the split each is in."""
    rows = []
    for file in sorted((out / config).glob("*.parquet")):
        rows += [{**row, "hf_split": file.name.partition("-")[0]} for row in pq.read_table(file).to_pylist()]
    return rows


def pairs(out: Path, config: str) -> dict[tuple[str, str], dict]:
    """Return the rows of the main table by (stim_id, neuron_id)."""
    rows = table_rows(out, config)
    by_pair = {(row["stim_id"], row["neuron_id"]): row for row in rows}
    assert len(by_pair) == len(rows)
    return by_pair


def of_sound(rows: dict[tuple[str, str], dict], sound: str, cell: str) -> list[dict]:
    """Return the rows of a neuron and a sound, which may stand under several stimuli."""
    return [row for (_, neuron), row in rows.items() if neuron == cell and row["stim_name"] == f"STIM_{sound}"]


def nems_counts(times_s: np.ndarray, trial: WrittenTrial) -> np.ndarray:
    """Count spikes of one presentation as NEMS does: bins of the recording, floor(t fs), from round(start fs) on."""
    begin = round(trial.start_s * 100)  # half to even
    found = Counter(math.floor(float(time) * 100) - begin for time in times_s)
    return np.array([found[b] for b in range(trial.bins)])


def counts_from_start(times_s: np.ndarray, trial: WrittenTrial) -> np.ndarray:
    """Count spikes of one presentation from its start: floor((t - start) / 0.01)."""
    found = Counter(math.floor((float(time) - trial.start_s) / 0.01) for time in times_s)
    return np.array([found[b] for b in range(trial.bins)])


def expected_trials(recording: WrittenRecording, sound: str, cell: str, count=nems_counts) -> list[np.ndarray]:
    """Return the counts of each presentation of a sound, in the order of the epoch table."""
    if recording.resp is not None:
        column = recording.resp[:, recording.cells.index(cell)]
        begins = [round(trial.start_s * 100) for trial in recording.of(sound)]
        return [column[begin : begin + trial.bins] for begin, trial in zip(begins, recording.of(sound), strict=True)]
    return [count(recording.spikes_s[cell], trial) for trial in recording.of(sound)]


def expected_tile(recording: WrittenRecording, sound: str) -> np.ndarray:
    """Return what was heard at the first presentation of a sound, float32 (bands, bins)."""
    first = recording.of(sound)[0]
    if recording.stim is not None:
        begin = round(first.start_s * 100)
        return recording.stim[begin : begin + first.bins].T.astype(np.float32)
    return recording.tiles[sound].astype(np.float32)


def heard_pairs(truth: EspejoTruth, release: str) -> dict[tuple[str, str, int], list[WrittenRecording]]:
    """Return the recordings that hold each (sound, cell, bins), in the order of their names."""
    found: dict[tuple[str, str, int], list[WrittenRecording]] = {}
    for recording in truth.recordings[release]:
        for sound, bins in dict.fromkeys((trial.sound, trial.bins) for trial in recording.trials):
            if recording.stim is None and sound not in recording.tiles:
                continue
            for cell in recording.cells:
                found.setdefault((sound, cell, bins), []).append(recording)
    return found


def published_subset(recording: WrittenRecording, sound: str) -> str:
    """Return est or val by the rule of NEMS, in words of the definition."""
    counts = Counter(trial.sound for trial in recording.trials)
    distinct = set(counts.values())
    if len(distinct) == 1:
        names = sorted(counts)
        return "est" if names.index(sound) < int(0.8 * len(names)) else "val"
    if len(distinct) == 2:
        return "val" if counts[sound] == max(distinct) else "est"
    return "val" if counts[sound] > sum(distinct) / len(distinct) else "est"
