"""Comparisons of our selections, transforms, concatenation and quality with deepSTRF's; for deepSTRF's environment.

The recording has no missing samples here: what a NaN within a response means is one of the deliberate differences.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from scripts.parity.comparison import Collate, Comparison
from scripts.parity.fits import TRAIN, batches
from scripts.parity.recordings import BINS, N_NEURONS, SEED

ROUNDING = 1e-5
"""deepSTRF takes statistics in single precision, we in double."""
N_SELECTIONS = 40


def comparisons() -> Iterator[Comparison]:
    """Yield all comparisons of this module."""
    yield Comparison("items under random selections", selections, missing_samples=False)
    yield Comparison("concatenation", concatenation, missing_samples=False)
    for name, measure in (
        ("standardize_stims per band", partial(standardized, per_band=True)),
        ("standardize_stims over all bands", partial(standardized, per_band=False)),
        ("normalize_responses max", partial(normalized, method="max")),
        ("normalize_responses zscore", partial(normalized, method="zscore")),
        ("smooth_responses 21 ms", partial(smoothed, window_ms=21)),
        ("smooth_responses 35 ms", partial(smoothed, window_ms=35)),
        ("compute_neuron_quality", quality),
    ):
        yield Comparison(name, measure, missing_samples=False, tolerance=ROUNDING)


def standardized(dataset: Any, collate: Collate, per_band: bool) -> list[Any]:
    """Return what standardizing on the training stimuli returns, and all stimuli."""
    return [dataset.standardize_stims(TRAIN, per_band=per_band), list(dataset.stims)]


def normalized(dataset: Any, collate: Collate, method: str) -> list[Any]:
    """Return what normalizing on the training stimuli returns, numbers only, and all responses."""
    found = dataset.normalize_responses(method, TRAIN)
    return [found["scale"], found["offset"], found["stim_indices"], all_responses(dataset)]


def smoothed(dataset: Any, collate: Collate, window_ms: float) -> list[Any]:
    """Return all responses, smoothed."""
    dataset.smooth_responses(window_ms)
    return all_responses(dataset)


def all_responses(dataset: Any) -> list[list[Any]]:
    """Return all responses, absent ones included."""
    return [list(row) for row in dataset.responses]


def selections(dataset: Any, collate: Collate) -> list[Any]:
    """Return what there is to see under random choices of stimuli and neurons."""
    generator = np.random.default_rng(SEED)
    seen = []
    for _ in range(N_SELECTIONS):
        neurons = generator.permutation(N_NEURONS)[: generator.integers(1, N_NEURONS + 1)].tolist()
        stimuli = generator.permutation(len(BINS))[: generator.integers(0, len(BINS) + 1)].tolist()
        dataset.select_population(neurons)
        dataset.select_stims(stimuli)
        items = [dataset[index] for index in range(len(dataset))]
        seen.append([len(dataset), [collate([item]) | {"stim_meta": []} for item in items]])
    return seen


def concatenation(dataset: Any, collate: Collate) -> list[Any]:
    """Return the batches of a data set beside itself."""
    return batches(dataset + dataset, collate)


def quality(dataset: Any, collate: Collate) -> dict[str, Any]:
    """Return signal-to-noise ratio and noise ceiling, with deepSTRF's conventions where ours can be told them."""
    theirs = {"half_splits": "first", "ccmax_without_repeats": 1.0}
    ours = "max_ccmax_iters" not in inspect.signature(dataset.compute_neuron_quality).parameters
    found = dataset.compute_neuron_quality(**(theirs if ours else {}))
    return {name: found[name] for name in ("snr", "ccmax")}
