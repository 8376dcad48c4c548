"""Transforms of responses together with concatenation, merged neurons and steps of a user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from deepstrf_hf import NeuralDataset, concat_neural_datasets, neural_collate
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import Array, LeaveOutOnset, dataset_of, is_sentinel, items_of, with_plain_lists

BINS = (6, 4, 5)
METHODS = pytest.mark.parametrize("method", ["max", "zscore"])
TRIALS = {(0, 0): 2, (0, 1): 3, (1, 1): 1, (1, 2): 2, (2, 0): 2, (2, 2): 1}


@dataclass(frozen=True)
class SilentIsMissing:
    """A step of a user's own that says nothing of NaN."""

    name: ClassVar[str] = "silent_is_missing"

    def apply(self, values: Array, dt_ms: float) -> Array:
        return np.where(values == 0, np.float32(np.nan), values)

    def describe(self) -> str:
        return "Zero is missing."


def counts(seed: int = 0) -> dict[tuple[int, int], Array]:
    generator = np.random.default_rng(seed)
    return {
        (stimulus, neuron): generator.poisson(3, (trials, BINS[stimulus])).astype(np.uint8)
        for (stimulus, neuron), trials in TRIALS.items()
    }


def grid(seed: int = 0, **options: Any) -> NeuralDataset:
    """Return three neurons of two channels."""
    nrn_meta = [{"neuron_id": f"n{index}", "channel": "xyx"[index]} for index in range(3)]
    stim_meta = [{"stim_id": f"{'abcdef'[seed]}{index}"} for index in range(3)]
    return dataset_of(counts(seed), BINS, 3, nrn_meta=nrn_meta, stim_meta=stim_meta, **options)


def all_responses(dataset: NeuralDataset) -> dict[tuple[int, int], Array]:
    return {
        (stimulus, neuron): response.numpy()
        for stimulus, responses in enumerate(dataset.responses)
        for neuron, response in enumerate(responses)
        if not is_sentinel(response)
    }


def assert_same_responses(found: dict[tuple[int, int], Array], expected: dict[tuple[int, int], Array]) -> None:
    assert found.keys() == expected.keys()
    for pair, response in found.items():
        np.testing.assert_allclose(response, expected[pair], rtol=1e-5, atol=1e-6)


def moved(pairs: dict[tuple[int, int], Array], stimuli: int, neurons: list[int]) -> dict[tuple[int, int], Array]:
    """Return pairs as they stand in a concatenation."""
    return {(stimulus + stimuli, neurons[neuron]): response for (stimulus, neuron), response in pairs.items()}


def scaled(pairs: dict[tuple[int, int], Array], method: str) -> dict[tuple[int, int], Array]:
    """Normalize over all that is there, in double precision."""
    normalized = {}
    for neuron in {neuron for _, neuron in pairs}:
        mine = {pair: response.astype(np.float64) for pair, response in pairs.items() if pair[1] == neuron}
        values = np.concatenate([response.ravel() for response in mine.values()])
        offset, scale = (0, np.abs(values).max()) if method == "max" else (values.mean(), values.std(ddof=1))
        normalized |= {pair: (response - offset) / scale for pair, response in mine.items()}
    return normalized


# Concatenation --------------------------------------------------------------------------------------------------------


@METHODS
def test_each_part_of_a_concatenation_keeps_its_own_scales(method: str) -> None:
    one, other = grid(0), grid(1)
    one.normalize_responses(method)
    expected = moved(scaled(counts(0), method), 0, [0, 1, 2]) | moved(counts(1), 3, [3, 4, 5])
    assert_same_responses(all_responses(concat_neural_datasets([one, other])), expected)
    reverse = moved(counts(1), 0, [0, 1, 2]) | moved(scaled(counts(0), method), 3, [3, 4, 5])
    assert_same_responses(all_responses(concat_neural_datasets([other, one])), reverse)


@METHODS
def test_scales_follow_neurons_that_are_joined(method: str) -> None:
    one, other = grid(0), grid(1)
    other.nrn_meta = [
        {**entry, "neuron_id": name} for entry, name in zip(other.nrn_meta, ("n2", "m", "n0"), strict=True)
    ]
    one.normalize_responses(method)
    other.normalize_responses(method)
    whole = concat_neural_datasets([one, other], join_neurons=True)
    assert whole.N_neurons == 4
    expected = moved(scaled(counts(0), method), 0, [0, 1, 2]) | moved(scaled(counts(1), method), 3, [2, 3, 0])
    assert_same_responses(all_responses(whole), expected)


@METHODS
def test_a_concatenation_has_scales_of_its_own(method: str) -> None:
    one, other = grid(0), grid(1)
    other.smooth_responses()
    before = moved(all_responses(one), 0, [0, 1, 2]) | moved(all_responses(other), 3, [0, 1, 2])
    whole = concat_neural_datasets([one, other], join_neurons=True)
    whole.normalize_responses(method)
    assert_same_responses(all_responses(whole), scaled(before, method))
    assert_same_responses(all_responses(one), counts(0))
    assert_same_responses(moved(all_responses(other), 3, [0, 1, 2]), {p: r for p, r in before.items() if p[0] >= 3})


def test_smoothing_a_concatenation_smooths_all_of_it() -> None:
    one, other = grid(0, preprocessing=[HanningSmooth(35.0)]), grid(1)
    before = moved(all_responses(one), 0, [0, 1, 2]) | moved(all_responses(other), 3, [3, 4, 5])
    whole = one + other
    whole.smooth_responses(gain="unit")
    smooth = HanningSmooth(21.0, gain="unit")
    expected = {pair: smooth.apply(response.astype(np.float32), 5.0) for pair, response in before.items()}
    assert_same_responses(all_responses(whole), expected)


# Merged neurons -------------------------------------------------------------------------------------------------------


def stacked(pairs: dict[tuple[int, int], Array]) -> dict[tuple[int, int], Array]:
    """Return neurons 0 and 2 as one, 1 as another."""
    merged = {}
    for stimulus in range(3):
        for place, members in enumerate(([0, 2], [1])):
            there = [pairs[stimulus, neuron] for neuron in members if (stimulus, neuron) in pairs]
            if there:
                merged[stimulus, place] = np.concatenate(there)
    return merged


@METHODS
def test_neurons_are_merged_as_they_were_scaled(method: str) -> None:
    dataset = grid()
    dataset.smooth_responses()
    smoothed = all_responses(dataset)
    dataset.normalize_responses(method)
    dataset.smooth_responses(35.0)
    merged = dataset.merge_as_trials("channel")
    last = HanningSmooth(35.0)
    expected = {pair: last.apply(r.astype(np.float32), 5.0) for pair, r in scaled(smoothed, method).items()}
    assert_same_responses(all_responses(merged), stacked(expected))


@METHODS
def test_merged_neurons_have_scales_of_their_own(method: str) -> None:
    dataset = grid()
    merged = dataset.merge_as_trials("channel")
    merged.normalize_responses(method)
    assert_same_responses(all_responses(merged), scaled(stacked(counts()), method))
    assert_same_responses(all_responses(dataset), counts())


# Steps of a user's own ------------------------------------------------------------------------------------------------


@METHODS
@pytest.mark.parametrize("step", [LeaveOutOnset(2), SilentIsMissing()])
def test_masks_show_what_a_step_of_a_users_own_leaves_out(method: str, step: Any) -> None:
    generator = np.random.default_rng(2)
    pairs = {(s, n): generator.poisson(1, (2, 6)).astype(np.uint8) for s in range(2) for n in range(3)}
    dataset = dataset_of(pairs, [6, 6], 3, preprocessing=[step])
    dataset.normalize_responses(method)
    batch = neural_collate(items_of(dataset))
    expected = np.stack([[step.apply(pairs[s, n].astype(np.float32), 5.0) for n in range(3)] for s in range(2)])
    missing = np.isnan(expected)
    assert missing.any() and not missing.all()
    np.testing.assert_array_equal(batch["valid_mask"].numpy(), ~missing)
    for neuron in range(3):
        values = expected[:, neuron][~missing[:, neuron]].astype(np.float64)
        offset, scale = (0, values.max()) if method == "max" else (values.mean(), values.std(ddof=1))
        found = batch["responses"][:, neuron].numpy()[~missing[:, neuron]]
        np.testing.assert_allclose(found, (values - offset) / max(scale, 1e-8), rtol=1e-4, atol=1e-5)
    plain = neural_collate(with_plain_lists(items_of(dataset)))
    assert torch.equal(plain["valid_mask"], batch["valid_mask"])


@METHODS
def test_a_step_after_scaling_sees_what_was_scaled(method: str) -> None:
    dataset = grid()
    dataset.normalize_responses(method)
    dataset._replace_grid(dataset._grid.with_step(LeaveOutOnset()))
    expected = {pair: response.copy() for pair, response in scaled(counts(), method).items()}
    for response in expected.values():
        response[:, 0] = np.nan
    assert_same_responses(all_responses(dataset), expected)
    batch = neural_collate(items_of(dataset))
    assert torch.equal(batch["valid_mask"], ~torch.isnan(batch["responses"]))
