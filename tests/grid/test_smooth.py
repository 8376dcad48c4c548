"""Smoothing of a whole grid: the examples of the paradigm, both gains, and what is smoothed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import (
    Array,
    batch_by_loop,
    dataset_of,
    is_sentinel,
    items_of,
    property_settings,
    toy,
    toy_pairs,
    with_plain_lists,
)

EXAMPLE = [0, 0, 1, 0, 0, 0, 2]
HANNING_21_MS = {1: [np.sin(np.pi * k / 20) ** 2 for k in range(21)], 5: [0.5, 1, 0.5]}


def convolved(response: Array, kernel: Any) -> Array:
    """Convolve every trial, zero-padded and of the same length, bin by bin."""
    half, result = len(kernel) // 2, np.zeros(response.shape)
    for trial in range(response.shape[0]):
        for time in range(response.shape[1]):
            for lag, weight in enumerate(kernel, start=-half):
                if 0 <= time - lag < response.shape[1]:
                    result[trial, time] += weight * float(response[trial, time - lag])
    return result


def of_example(dt_ms: float, **options: Any) -> NeuralDataset:
    return dataset_of({(0, 0): np.array([EXAMPLE, EXAMPLE], np.uint8)}, [7], 2, dt_ms=dt_ms, **options)


def counts(bins: tuple[int, ...] = (60, 45)) -> dict[tuple[int, int], Array]:
    generator = np.random.default_rng(4)
    trials = {(0, 0): 2, (0, 1): 3, (1, 1): 1}
    return {pair: generator.integers(0, 9, (count, bins[pair[0]]), dtype=np.uint8) for pair, count in trials.items()}


# The examples of the paradigm -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dt_ms", "smoothed"), [(5, [0, 0.5, 1, 0.5, 0, 1, 2]), (7, EXAMPLE), (10, EXAMPLE), (50, EXAMPLE)]
)
def test_the_examples_of_the_paradigm(dt_ms: float, smoothed: list[float]) -> None:
    dataset = of_example(dt_ms)
    assert dataset.smooth_responses() is None
    assert dataset.responses[0][0].dtype == torch.float32
    np.testing.assert_allclose(dataset.responses[0][0].numpy(), [smoothed, smoothed], atol=1e-7)
    assert is_sentinel(dataset.responses[0][1])


@pytest.mark.parametrize(("dt_ms", "gain"), [(1, 10), (2, 5), (5, 2), (7, 1), (10, 1)])
def test_what_a_single_spike_amounts_to(dt_ms: float, gain: float) -> None:
    """The published window multiplies; the other keeps the number of spikes, away from the ends."""
    spike = np.zeros((1, 41), np.uint8)
    spike[0, 20] = 1
    sums = {}
    for choice in ("published", "unit"):
        dataset = dataset_of({(0, 0): spike}, [41], 1, dt_ms=dt_ms)
        dataset.smooth_responses(21.0, gain=choice)
        sums[choice] = float(dataset.responses[0][0].sum())
    assert sums == {"published": pytest.approx(gain, rel=1e-5), "unit": pytest.approx(1, rel=1e-6)}


@pytest.mark.parametrize("dt_ms", [1, 5])
@pytest.mark.parametrize("gain", ["published", "unit"])
def test_responses_items_and_batches_against_plain_loops(dt_ms: int, gain: str) -> None:
    dataset = dataset_of(counts(), [60, 45], 2, dt_ms=dt_ms)
    dataset.smooth_responses(gain=gain)
    kernel = np.array(HANNING_21_MS[dt_ms])
    kernel = kernel / kernel.sum() if gain == "unit" else kernel
    expected = {pair: convolved(response, kernel) for pair, response in counts().items()}
    items = items_of(dataset)
    for (stimulus, neuron), response in expected.items():
        for found in (dataset.responses[stimulus][neuron], items[stimulus]["responses"][neuron]):
            np.testing.assert_allclose(found.numpy(), response, rtol=1e-5, atol=1e-5)
    batch = batch_by_loop(expected, [0, 1], [0, 1])
    for alike in (items, with_plain_lists(items)):
        collated = neural_collate(alike)
        np.testing.assert_allclose(collated["responses"].numpy(), batch, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(collated["valid_mask"].numpy(), ~np.isnan(batch))


def test_it_is_the_published_preprocessing() -> None:
    smoothed, loaded = of_example(5), of_example(5, preprocessing=[HanningSmooth(21.0)])
    smoothed.smooth_responses()
    assert smoothed.preprocessing == loaded.preprocessing == (HanningSmooth(21.0, "published"),)
    np.testing.assert_array_equal(smoothed.responses[0][0].numpy(), loaded.responses[0][0].numpy())


def test_twice_smooths_twice_and_in_order() -> None:
    dataset = dataset_of(counts(), [60, 45], 2)
    dataset.smooth_responses(21.0)
    dataset.smooth_responses(35.0, gain="unit")
    assert dataset.preprocessing == (HanningSmooth(21.0), HanningSmooth(35.0, "unit"))
    wider = np.array([0.25, 0.75, 1, 0.75, 0.25]) / 3
    for (stimulus, neuron), response in counts().items():
        expected = convolved(convolved(response, [0.5, 1, 0.5]), wider)
        np.testing.assert_allclose(dataset.responses[stimulus][neuron].numpy(), expected, rtol=1e-5, atol=1e-5)


# What is left as it was -----------------------------------------------------------------------------------------------


def test_who_heard_what_and_the_selection() -> None:
    dataset = toy()
    dataset.select_population([2, 0])
    before = dataset.nrn_masks
    length, neurons = len(dataset), dataset.get_nrn_meta()
    dataset.smooth_responses()
    assert torch.equal(dataset.nrn_masks, before)
    assert (len(dataset), dataset.get_nrn_meta(), dataset.I) == (length, neurons, [2, 0])
    found = dataset[0]["responses"]
    assert is_sentinel(found[0])
    np.testing.assert_allclose(found[1].numpy(), convolved(toy_pairs()[0, 0], [0.5, 1, 0.5]), rtol=1e-6)


def test_a_view_leaves_its_parent_as_it_is() -> None:
    parent = toy()
    view = parent.where(stims=[1])
    view.smooth_responses()
    assert parent.preprocessing == () and len(view.preprocessing) == 1
    np.testing.assert_array_equal(parent.responses[1][1].numpy(), toy_pairs()[1, 1])
    np.testing.assert_array_equal(parent[0]["responses"][0].numpy(), toy_pairs()[0, 0])
    np.testing.assert_allclose(view[0]["responses"][1].numpy(), convolved(toy_pairs()[1, 1], [0.5, 1, 0.5]), rtol=1e-6)


def test_missing_samples_spread_to_their_neighbours_and_not_to_other_trials() -> None:
    response = np.arange(1, 19, dtype=np.float32).reshape(2, 9)
    response[0, 8] = np.nan
    dataset = dataset_of({(0, 0): response}, [9], 1)
    dataset.smooth_responses()
    found = dataset.responses[0][0].numpy()
    assert np.argwhere(np.isnan(found)).tolist() == [[0, 7], [0, 8]]
    batch = neural_collate(items_of(dataset))
    assert torch.equal(batch["valid_mask"], ~torch.isnan(batch["responses"]))
    assert int(batch["valid_mask"].sum()) == 16
    expected = convolved(np.nan_to_num(response), [0.5, 1, 0.5])
    np.testing.assert_allclose(found[~np.isnan(found)], expected[~np.isnan(found)], rtol=1e-6)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"window_ms": 0}, "window_ms"),
        ({"window_ms": -21.0}, "window_ms"),
        ({"window_ms": float("nan")}, "window_ms"),
        ({"window_ms": float("inf")}, "window_ms"),
        ({"gain": "Unit"}, "gain"),
        ({"gain": 1}, "gain"),
        ({"gain": None}, "gain"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(arguments: dict[str, Any], field: str) -> None:
    dataset = of_example(5)
    with pytest.raises(ParameterError) as caught:
        dataset.smooth_responses(**arguments)
    assert caught.value.field == field
    assert dataset.preprocessing == ()
    assert dataset.responses[0][0].tolist() == [EXAMPLE, EXAMPLE]


@given(
    values=st.lists(st.integers(0, 20), min_size=1, max_size=30),
    window_ms=st.integers(1, 90),
    dt_ms=st.sampled_from([1, 2, 5, 10]),
)
@property_settings
def test_unit_gain_keeps_the_number_of_spikes(values: list[int], window_ms: int, dt_ms: int) -> None:
    """With silence as long as the window around them."""
    around = [0] * (window_ms // dt_ms + 1)
    response = np.array([around + values + around], np.uint8)
    dataset = dataset_of({(0, 0): response}, [response.shape[1]], 1, dt_ms=dt_ms)
    dataset.smooth_responses(window_ms, gain="unit")
    found = dataset.responses[0][0]
    assert float(found.sum()) == pytest.approx(sum(values), rel=1e-4, abs=1e-6)
    assert float(found.min()) >= 0 and float(found.max()) <= max(values) * (1 + 1e-5)
