"""What the synthetic CRCNS AC1 corpus is made of: MATLAB files, sounds, potentials and spikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

Float = NDArray[np.float64]

SCALE_MV = 1000.0 / 65535
"""Millivolts per count; the step seen in published traces."""


def structs(*rows: Mapping[str, Any]) -> NDArray[Any]:
    """Make a MATLAB structure array, shape (1, rows); absent fields are empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for index, row in enumerate(rows):
        for name in names:
            array[0, index][name] = row.get(name, np.zeros((0, 0)))
    return array


def cells(rows: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    """Make a MATLAB cell array of structures."""
    array = np.empty((1, len(rows)), dtype=object)
    for index, row in enumerate(rows):
        array[0, index] = structs(row)
    return array


def save(path: Path, **variables: Any) -> None:
    """Write a MATLAB 5 file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, variables, do_compression=True, oned_as="column")


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Read a MATLAB file, let `edit` change its variables, and write it back."""
    content = {name: value for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    edit(content)
    save(path, **content)


def response(millivolts: Float, rate_hz: float) -> NDArray[Any]:
    """Make the response variable: counts of 16 bits, scale, rate."""
    counts = np.clip(np.round(millivolts / SCALE_MV), -32768, 32767).astype(np.int16)
    return structs({"trace": counts[:, None], "scale": SCALE_MV, "sf": rate_hz, "unit": "mV"})


def sound(rng: np.random.Generator, duration_s: float, rate_hz: float) -> Float:
    """Draw a rising tone in bursts, with noise; peak 0.8."""
    time = np.arange(round(duration_s * rate_hz)) / rate_hz
    low, high = rng.uniform(400, 2000), rng.uniform(3000, 15000)
    tone = np.sin(2 * np.pi * (low * time + 0.5 * (high - low) / duration_s * time**2))
    envelope = np.clip(np.sin(2 * np.pi * rng.uniform(3, 9) * time + rng.uniform(0, 6)), 0, 1) ** 2
    samples = tone * envelope + 0.05 * rng.standard_normal(len(time))
    return np.asarray(0.8 * samples / np.abs(samples).max())


def depolarisations(rng: np.random.Generator, length: int, rate_hz: float) -> Float:
    """Draw potentials of 4 to 14 mV and 15 ms, which a baseline of 100 ms leaves as they are."""
    trace = np.zeros(length)
    number = int(rng.poisson(14 * length / rate_hz)) + 4
    trace[rng.integers(0, length, number)] = rng.uniform(4, 14, number)
    time = np.arange(int(0.06 * rate_hz)) / rate_hz
    return np.convolve(trace, time / 0.004 * np.exp(1 - time / 0.004))[:length]


def spikes(rng: np.random.Generator, times: Float, length: int, rate_hz: float) -> Float:
    """Draw a cell-attached trace with spikes at some samples, mV."""
    trace = 0.15 * rng.standard_normal(length) + 0.8 * np.sin(2 * np.pi * 1.1 * np.arange(length) / rate_hz)
    shape = np.concatenate([np.hanning(11)[1:-1] * 4, -1.6 * np.hanning(13)[1:-1]])
    for at in times.astype(int):
        if at + len(shape) < length:
            trace[at : at + len(shape)] += shape
    return trace
