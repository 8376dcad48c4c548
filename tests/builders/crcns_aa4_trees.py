"""What tests do with CRCNS AA4 trees: build, read back, and compute again from the definitions."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.raw_writers.crcns_aa4 import Aa4Truth, WrittenPresentation, WrittenSound, WrittenUnit

UNIT_TYPES = ("single", "singl", "multi")
BUILT_TYPES = ("song", "call", "mlnoise")


def table_rows(out: Path, config: str) -> list[dict]:
    """Return all rows of a configuration."""
    return [row for file in sorted((out / config).glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def pairs(out: Path, config: str = "all") -> dict[tuple[str, str], dict]:
    """Return the rows of the main table by (stim_id, neuron_id)."""
    return {(row["stim_id"], row["neuron_id"]): row for row in table_rows(out, config)}


def neuron_id(unit: WrittenUnit) -> str:
    return f"{unit.animal}-{unit.cell}"


def real_units(truth: Aa4Truth) -> list[WrittenUnit]:
    """Return the units that are neither noise nor unsorted."""
    return [unit for unit in truth.units if unit.attributes["sortType"] in UNIT_TYPES]


def sounds_heard(unit: WrittenUnit) -> list[WrittenSound]:
    """Return the sounds that a unit heard and a build has, each once."""
    built = [one.sound for one in unit.presentations if one.sound.type in BUILT_TYPES and one.sound.name != "nowhere"]
    return list({sound.name: sound for sound in built}.values())


def count_spikes(times_s: np.ndarray, n_bins: int, dt_ms: float = 1.0) -> np.ndarray:
    """Count spikes bin by bin: bin b holds b dt <= t < (b + 1) dt. Times are whole nanoseconds."""
    nanoseconds = np.round(np.asarray(times_s) * 1e9).astype(np.int64)
    width = round(dt_ms * 1e6)
    return np.array([((nanoseconds >= b * width) & (nanoseconds < (b + 1) * width)).sum() for b in range(n_bins)])


def expected_response(presentations: list[WrittenPresentation], n_bins: int, dt_ms: float = 1.0) -> np.ndarray:
    """Return the counts of all trials of presentations, by protocol, then number, then trial number."""
    ordered = sorted(presentations, key=lambda one: (one.protocol, one.number))
    return np.stack([count_spikes(one.spikes(trial), n_bins, dt_ms) for one in ordered for trial in sorted(one.trials)])


def fixed_hop_bins(sound: WrittenSound, dt_ms: float = 1.0) -> int:
    """T = 1 + n // hop with hop = int(rate dt), even window."""
    return 1 + len(sound.samples) // max(1, int(sound.rate * dt_ms / 1000))


def mel_of(samples: np.ndarray, rate: int, starts: np.ndarray, n_fft: int, n_bands: int = 32) -> np.ndarray:
    """Compute mel power (bands, frames) from the definition, frame by frame, in float64.

    Frames are centred: frame k begins at ``starts[k]`` of the sound padded by n_fft // 2 reflected samples. Triangles
    on the mel scale m = 2595 log10(1 + f / 700) from 0 to rate // 2, peak 1.
    """
    padded = np.pad(samples, n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    bins = np.linspace(0, rate // 2, n_fft // 2 + 1)
    corners = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + (rate // 2) / 700), n_bands + 2) / 2595) - 1)
    result = np.empty((n_bands, len(starts)))
    for k, start in enumerate(starts):
        power = np.abs(np.fft.rfft(padded[start : start + n_fft] * window)) ** 2
        for band in range(n_bands):
            low, middle, high = corners[band : band + 3]
            weights = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)).clip(0)
            result[band, k] = weights @ power
    return result
