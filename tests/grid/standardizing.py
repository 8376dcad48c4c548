"""A grid of spectrograms in dB, and what standardizing it must give, in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from deepstrf_hf import NeuralDataset
from tests.grid.examples import Array

BINS = (6, 4, 9, 5)


def spectrograms(seed: int = 0, bins: Sequence[int] = BINS) -> list[Array]:
    """Return spectrograms in dB: bands of different level and range, all far from zero."""
    generator = np.random.default_rng(seed)
    level, spread = np.array([[-90.0], [-60.0], [-18.4]]), np.array([[1.0], [12.0], [0.05]])
    return [(level + spread * generator.normal(size=(3, length))).astype(np.float32) for length in bins]


def grid(stims: Sequence[Any] | None = None, **options: Any) -> NeuralDataset:
    """Return spectrograms as a dataset; neuron 0 heard all, neuron 1 only the second stimulus."""
    stims = spectrograms() if stims is None else stims
    hop = 8 if "audio_fs" in options else 1
    bins = [np.asarray(stimulus).shape[-1] // hop for stimulus in stims]
    responses = [
        [np.ones((1, length)), np.ones((2, length)) if index == 1 else None] for index, length in enumerate(bins)
    ]
    meta = [{"stim_id": f"s{index}", "subset": ("val", "est", "est", "val")[index % 4]} for index in range(len(bins))]
    return NeuralDataset.from_arrays(
        stims, responses, meta, [{"neuron_id": "a"}, {"neuron_id": "b"}], dt_ms=5, **options
    )


def statistics(stims: Sequence[Array], chosen: Sequence[int], per_band: bool = True) -> tuple[Array, Array]:
    """Return mean and standard deviation, (bands, 1) or (1, 1), of some stimuli, in double precision."""
    together = np.concatenate([np.atleast_2d(stims[index]).astype(np.float64) for index in chosen], axis=1)
    together = together if per_band else together.reshape(1, -1)
    return together.mean(axis=1, keepdims=True), together.std(axis=1, ddof=1, keepdims=True)


def assert_standardized(
    dataset: NeuralDataset, stims: Sequence[Array], chosen: Sequence[int], per_band: bool = True
) -> None:
    """Check all stimuli of a dataset, those that statistics were not taken of too."""
    mean, std = statistics(stims, chosen, per_band)
    for index, stimulus in enumerate(stims):
        expected = (np.atleast_2d(stimulus).astype(np.float64) - mean) / std
        found = dataset.stims[index]
        assert found.dtype == torch.float32
        assert tuple(found.shape) == (1, *np.shape(stimulus))
        np.testing.assert_allclose(found.numpy().reshape(expected.shape), expected, rtol=1e-4, atol=1e-3)


def all_stimuli(dataset: NeuralDataset) -> list[Array]:
    return [stimulus[0].numpy().copy() for stimulus in dataset.stims]
