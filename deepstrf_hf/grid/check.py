"""Checks that a grid's stimuli, responses and metadata fit together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.description import GridDescription
from deepstrf_hf.grid.storage import PackedGrid


def check_grid(
    grid: PackedGrid,
    stimuli: Sequence[NDArray[np.float32]],
    stim_meta: Sequence[Mapping[str, Any]],
    nrn_meta: Sequence[Mapping[str, Any]],
    description: GridDescription,
    *,
    known_finite: bool = False,
) -> None:
    """Check a grid; `known_finite` spares looking at the values of stimuli.

    Raises
    ------
    GridError
        No stimuli or neurons; a number of metadata that does not fit; a bin width or hearing range that makes no
        sense; NaN in a stimulus; a stimulus whose bands or bins do not fit; a waveform that does not fit its bins.
    """
    if not len(stimuli) or not grid.n_neurons:
        raise GridError("A grid needs a stimulus and a neuron", found=f"{len(stimuli)} and {grid.n_neurons}")
    for field, entries, length in (("stim_meta", stim_meta, len(stimuli)), ("nrn_meta", nrn_meta, grid.n_neurons)):
        if len(entries) != length:
            raise GridError("Metadata do not fit", field=field, found=f"{len(entries)} entries", expected=length)
    if grid.n_stimuli != len(stimuli):
        raise GridError("Responses do not fit the stimuli", found=f"{grid.n_stimuli} rows", expected=len(stimuli))
    if not (math.isfinite(description.dt_ms) and description.dt_ms > 0):
        raise GridError("A bin width must be positive", field="dt_ms", found=description.dt_ms)
    for field, key, entries in (("stim_meta", "stim_id", stim_meta), ("nrn_meta", "neuron_id", nrn_meta)):
        counts = Counter(entry[key] for entry in entries if entry.get(key) is not None)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise GridError("An id stands twice", field=f"{key} in {field}", found=", ".join(map(str, twice[:3])))
    heard = description.hearing_range_hz
    if heard is not None and not (len(heard) == 2 and 0 < heard[0] < heard[1]):
        raise GridError("A hearing range must be (low, high) in Hz", field="hearing_range_hz", found=heard)
    hop = whole_hop(description.audio_fs, description.dt_ms) if description.waveform else None
    for index, stimulus in enumerate(stimuli):
        field = f"stimulus {index} ({stim_meta[index].get('stim_id') or stim_meta[index].get('name') or 'unnamed'})"
        if not known_finite:
            refuse_not_finite(stimulus, field)
        bins = int(grid.bins[index]) or None  # None: nobody heard it
        if hop is not None:
            expected = None if bins is None else bins * hop
            if stimulus.shape[-1] % hop or expected not in (None, stimulus.shape[-1]):
                raise GridError(
                    "A waveform does not fit the bins of its responses",
                    field=field,
                    found=f"{stimulus.shape[-1]} samples",
                    expected=f"{expected} samples, {hop} a bin" if expected else f"a multiple of {hop} samples",
                )
        elif stimulus.shape[0] != description.n_bands or bins not in (None, stimulus.shape[1]):
            raise GridError(
                "A spectrogram does not fit the other stimuli or its responses",
                field=field,
                found=f"{stimulus.shape[0]} bands, {stimulus.shape[1]} bins",
                expected=f"{description.n_bands} bands" + (f", {bins} bins" if bins else ""),
            )


def refuse_not_finite(stimulus: NDArray[np.float32], field: str, path: str | None = None) -> None:
    """Refuse a stimulus that holds NaN or infinite values.

    Raises
    ------
    GridError
        Naming the stimulus.
    """
    if not _all_finite(stimulus):
        raise GridError(
            "A stimulus holds NaN or infinite values",
            path=path,
            field=field,
            mend="a stimulus is known everywhere; fill it in",
        )


def _all_finite(values: NDArray[np.float32]) -> bool:
    """Return whether no value is NaN or infinite; a sum shows it four times as fast."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


def whole_hop(audio_fs: int | None, dt_ms: float) -> int:
    """Return the samples of a waveform per bin.

    Raises
    ------
    GridError
        Not a whole number, so that samples and bins would drift apart.
    """
    exact = (audio_fs or 0) * dt_ms / 1000
    if audio_fs is None or audio_fs <= 0 or abs(exact - round(exact)) > 1e-6 or round(exact) < 1:
        raise GridError(
            "A waveform needs a whole number of samples per bin",
            field="audio_fs",
            found=f"{audio_fs} Hz at {dt_ms:g} ms bins: {exact:g} samples",
            expected="audio_fs * dt_ms / 1000 a whole number",
            mend=f"take a multiple of {1000 / dt_ms:g} Hz",
        )
    return round(exact)
