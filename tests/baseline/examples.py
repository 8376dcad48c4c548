"""A simulated cohort in which every reason occurs for which a neuron is not scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepstrf_hf import NeuralDataset
from deepstrf_hf.baselines.settings import Settings

N_BANDS, N_BINS, N_LAGS = 3, 160, 4
TRAIN, TEST = tuple(range(8)), (8, 9, 10)
STILL = 10
"""A test clip that does not change."""
SETTINGS = Settings(5.0, 1, N_LAGS, (1e-3, 1e-1, 10.0))
IDS = (
    "linear", "linear too", "heard less", "silent", "deaf", "silent in test", "one trial", "contrary trials",
    "few training clips", "no test clip", "gaps", "gaps too", "still clip", "still clip repeated", "unlike halves",
)  # fmt: skip
AREAS = ("A1", "A1", "MGB")


def true_fields(seed: int = 0) -> np.ndarray:
    """Receptive fields of all neurons, (neurons, bands, lags)."""
    return np.random.default_rng(seed).normal(size=(len(IDS), N_BANDS, N_LAGS))


def driven(sound: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Return the response of a linear neuron."""
    return np.sum([np.convolve(sound[band], field[band])[: sound.shape[1]] for band in range(N_BANDS)], axis=0)


def contrary(rng: np.random.Generator) -> np.ndarray:
    """Three trials whose mean covariance is positive and whose halves do not correlate, (3, bins of two clips)."""
    noise = rng.normal(size=(2 * N_BINS, 3))
    a, b, _ = np.linalg.qr(noise - noise.mean(axis=0))[0].T * 30
    return np.stack([10 * a, 10 * (0.2 * a + np.sqrt(0.96) * b), -0.6 * a - 0.6 * b])


def cohort_arrays(seed: int = 0) -> tuple[list[np.ndarray], dict[tuple[int, int], np.ndarray]]:
    """Return spectrograms, and responses by (stimulus, neuron)."""
    rng = np.random.default_rng(seed)
    sounds = [rng.normal(size=(N_BANDS, N_BINS)).astype(np.float32) for _ in (*TRAIN, *TEST)]
    sounds[STILL][:] = 0.7
    fields, unlike = true_fields(), contrary(rng)
    pairs: dict[tuple[int, int], np.ndarray] = {}
    for s, sound in enumerate(sounds):
        for n, name in enumerate(IDS):
            trials = driven(sound, fields[n]) + 0.2 * rng.normal(size=(3, N_BINS))
            if name in ("deaf",) or (name == "heard less" and s in (0, 3)) or (name == "no test clip" and s in TEST):
                continue
            if (name == "few training clips" and s in TRAIN[1:]) or (name == "still clip" and s in TEST[:2]):
                continue
            if name == "still clip repeated" and s == 9:
                continue
            if name == "silent":
                trials[:] = 0
            if name == "silent in test" and s in TEST:
                trials[:] = 2.5
            if name in ("one trial",) or (name == "still clip repeated" and s == 8):
                trials = trials[:1]
            if name == "contrary trials" and s in TEST:
                noise = 50 * rng.normal(size=N_BINS)
                trials = np.stack([trials[0] + noise, trials[1] - noise])
            if name.startswith("gaps"):
                trials[:, 20:50] = np.nan
            if name.startswith("still clip") and s == STILL:
                trials += rng.normal(size=N_BINS)  # a response, to no change of the sound
                trials[:, : N_LAGS - 1] = np.nan  # where the prediction still rises from the silence before
            if name == "unlike halves" and s in TEST[:2]:
                trials = unlike[:, (s - TEST[0]) * N_BINS :][:, :N_BINS]
            if name == "unlike halves" and s == STILL:
                continue
            pairs[s, n] = trials.astype(np.float32)
    return sounds, pairs


def cohort(
    seed: int = 0,
    stimulus_order: Sequence[int] | None = None,
    neuron_order: Sequence[int] | None = None,
    published: bool = True,
    pairs: dict[tuple[int, int], np.ndarray] | None = None,
) -> NeuralDataset:
    """Return the cohort as a grid, stimuli and neurons in any order."""
    sounds, made = cohort_arrays(seed)
    made = made if pairs is None else pairs
    stimuli = list(range(len(sounds)) if stimulus_order is None else stimulus_order)
    neurons = list(range(len(IDS)) if neuron_order is None else neuron_order)
    place, column = {s: i for i, s in enumerate(stimuli)}, {n: i for i, n in enumerate(neurons)}
    ids = [f"s{number:02d}" for number in range(len(sounds))]
    return NeuralDataset.from_arrays(
        [sounds[s] for s in stimuli],
        {(place[s], column[n]): values for (s, n), values in made.items()},
        [{"stim_id": ids[s], "type": "ab"[s % 2], "motif": f"m{s // 2}"} for s in stimuli],
        [{"neuron_id": IDS[n], "area": AREAS[n % 3], "good": n < 3, "depth": None if n else 1.0} for n in neurons],
        dt_ms=5,
        name="simulated",
        splits={"train": [ids[s] for s in TRAIN], "test": [ids[s] for s in TEST]} if published else None,
    )
