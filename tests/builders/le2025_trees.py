"""What the tests of Le 2025 share: reading tables back, and independent computations of what they must hold."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from tests.raw_writers.le2025_truth import Le2025Truth, WrittenTrial

Rows = dict[tuple[str, str], dict[str, Any]]


def table_rows(out: Path, config: str) -> list[dict[str, Any]]:
    """Read all rows of a configuration, without what cannot be compared."""
    import pyarrow.parquet

    files = sorted((out / config).glob("*.parquet"))
    columns = [name for name in pyarrow.parquet.read_schema(files[0]).names if name not in ("picture", "audio")]
    return [row for file in files for row in pyarrow.parquet.read_table(file, columns=columns).to_pylist()]


def pairs(out: Path, config: str) -> Rows:
    """Read the main table by stimulus and unit (its name in the lab)."""
    return {(row["stim_name"], row["neuron_cell_id"]): row for row in table_rows(out, config)}


def expected_counts(trials: list[WrittenTrial], n_bins: int, dt_ms: float) -> NDArray[np.int64]:
    """Count events per bin one by one, shape (trials, bins)."""
    counts = np.zeros((len(trials), n_bins), np.int64)
    for index, trial in enumerate(trials):
        for time in trial.times_ms:
            place = math.floor(round(time / dt_ms, 9))
            if 0 <= place < n_bins:
                counts[index, place] += 1
    return counts


def waveform(truth: Le2025Truth, experiment: str, stem: str) -> NDArray[np.float64]:
    """Return a sound in ±1, mean over channels."""
    samples = truth.samples[experiment, stem] / 32768
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def expected_spectrogram(
    sound: NDArray[np.float64],
    rate: int,
    *,
    dt_ms: float = 5.0,
    n_bands: int = 50,
    fmin: float = 1000.0,
    fmax: float = 8000.0,
    window_ms: float = 2.5,
    hop: int | None = None,
) -> NDArray[np.float64]:
    """Compute the amplitude of a sound in gammatone bands from the published formulas; `hop` places frames by hops."""
    shift = 9.26449 * 24.7
    window = math.floor(window_ms * rate / 1000 + 0.5)
    starts = [hop * t if hop else math.floor(t * dt_ms * rate / 1000 + 0.5) for t in range(len(sound))]
    starts = [start for start in starts if start + window <= len(sound)]
    bands = []
    for k in range(n_bands, 0, -1):
        centre = -shift + math.exp(k / n_bands * (math.log(fmin + shift) - math.log(fmax + shift))) * (fmax + shift)
        width = 1.019 * 2 * math.pi * (centre / 9.26449 + 24.7)
        period, angle, decay = 1 / rate, 2 * math.pi * centre / rate, math.exp(-width / rate)
        z, g = np.exp(2j * angle), np.exp(1j * angle - width / rate)
        gain = (period / decay / (-decay + 1 + z * (1 - 1 / decay))) ** 4
        filtered = sound
        for root in (math.sqrt(3 + 2**1.5), -math.sqrt(3 + 2**1.5), math.sqrt(3 - 2**1.5), -math.sqrt(3 - 2**1.5)):
            mix = math.cos(angle) + root * math.sin(angle)
            gain = gain * (z - g * mix)
            denominator = [1, -2 * math.cos(angle) * decay, decay**2]
            filtered = scipy.signal.lfilter([period, -period * decay * mix, 0], denominator, filtered)
        filtered = filtered / abs(gain)
        bands.append([math.sqrt(np.mean(filtered[start : start + window] ** 2)) for start in starts])
    return np.array(bands)


def expected_powers(responses: list[NDArray[Any]]) -> tuple[float, float, float]:
    """Compute signal power, noise power and their ratio over the responses of a unit, with two trials or more."""
    signal = noise = weight = 0.0
    for response in responses:
        trials, bins = response.shape
        if trials < 2:
            continue
        single = np.mean([np.var(trial, ddof=1) for trial in response.astype(float)])
        of_mean = np.var(response.astype(float).mean(axis=0), ddof=1)
        power = (trials * of_mean - single) / (trials - 1)
        signal, noise, weight = signal + bins * power, noise + bins * (single - power), weight + bins
    return signal / weight, noise / weight, signal / noise


def smoothed(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Convolve trials of 5 ms bins with the Hann window of 21 ms, which is 0, 1/2, 1, 1/2, 0 there."""
    return np.stack([np.convolve(trial, [0, 0.5, 1, 0.5, 0])[2:-2] for trial in counts.astype(float)])


def change_unit(truth: Le2025Truth, folder: str, stem: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change the file of a unit in place, and return it."""
    path = truth.directory / folder / f"{stem}.pprox"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def change_table(truth: Le2025Truth, name: str, change: Callable[[str], str]) -> Path:
    """Change the text of a table of the lab, and return its file."""
    path = truth.directory / "metadata" / f"{name}.csv"
    path.write_text(change(path.read_text()))
    return path
