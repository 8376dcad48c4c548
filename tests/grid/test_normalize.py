"""Normalized responses against plain loops in double precision: scales, warnings, and who gets which."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.errors import DeepstrfError, ParameterError, SelectionError, UnknownNameError
from deepstrf_hf.grid import response_buffer
from deepstrf_hf.grid.transforms import UnscaledNeuronsWarning
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import (
    Array,
    Pairs,
    batch_by_loop,
    dataset_of,
    is_sentinel,
    items_of,
    property_settings,
    with_plain_lists,
)

BINS, N_NEURONS = (5, 4, 6), 4
METHODS = pytest.mark.parametrize("method", ["max", "zscore"])


def ragged_pairs(kind: str = "float32") -> dict[tuple[int, int], Array]:
    """Return responses of four neurons, the last one silent; potentials are negative and lack samples."""
    generator = np.random.default_rng(3)
    trials = {(0, 0): 3, (0, 1): 2, (0, 3): 1, (1, 0): 1, (1, 2): 2, (2, 1): 2, (2, 2): 1, (2, 3): 2}
    pairs = {}
    for (stimulus, neuron), count in trials.items():
        shape = count, BINS[stimulus]
        values = generator.poisson(2, shape) if kind == "uint8" else generator.normal(-60 - neuron, 5, shape)
        pairs[stimulus, neuron] = (values * (neuron != 3)).astype(kind)
    if kind != "uint8":
        pairs[0, 0][1, 2:] = pairs[2, 1][:, 0] = np.nan
    return pairs


def grid(pairs: Pairs | None = None, **options: Any) -> NeuralDataset:
    meta = {
        "stim_meta": [{"stim_id": f"s{index}", "part": "ab"[index % 2]} for index in range(len(BINS))],
        "nrn_meta": [{"neuron_id": f"n{index}", "channel": "xyxy"[index]} for index in range(N_NEURONS)],
    }
    return dataset_of(ragged_pairs() if pairs is None else pairs, BINS, N_NEURONS, **(meta | options))


def scales_by_loop(
    pairs: Pairs, stimuli: Iterable[int], method: str, n_neurons: int = N_NEURONS, eps: float = 1e-8
) -> tuple[Array, Array]:
    """Return scale and offset of every neuron, value by value."""
    scale, offset = np.ones(n_neurons), np.zeros(n_neurons)
    for neuron in range(n_neurons):
        responses = [pairs[stimulus, neuron] for stimulus in sorted(set(stimuli)) if (stimulus, neuron) in pairs]
        values = [float(value) for response in responses for value in response.ravel() if np.isfinite(value)]
        if len(values) < 2:
            continue
        if method == "max":
            scale[neuron] = max(abs(value) for value in values)
        else:
            offset[neuron] = sum(values) / len(values)
            scale[neuron] = (sum((value - offset[neuron]) ** 2 for value in values) / (len(values) - 1)) ** 0.5
        scale[neuron] = max(scale[neuron], eps)
    return scale, offset


def normalized_by_loop(pairs: Pairs, scale: Array, offset: Array) -> dict[tuple[int, int], Array]:
    return {
        (stimulus, neuron): ((response.astype(np.float64) - offset[neuron]) / scale[neuron]).astype(np.float32)
        for (stimulus, neuron), response in pairs.items()
    }


def normalize(dataset: NeuralDataset, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Normalize a dataset some of whose neurons have no data, which is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnscaledNeuronsWarning)
        return dataset.normalize_responses(*arguments, **options)


def assert_holds(dataset: NeuralDataset, pairs: Pairs) -> None:
    """Check every response, sentinels too."""
    for stimulus in range(dataset.get_S()):
        for neuron in range(dataset.N_neurons):
            found = dataset.responses[stimulus][neuron]
            assert found.dtype == torch.float32
            if (stimulus, neuron) in pairs:
                np.testing.assert_allclose(found.numpy(), pairs[stimulus, neuron], rtol=1e-4, atol=1e-5)
            else:
                assert is_sentinel(found)


# Which scales ---------------------------------------------------------------------------------------------------------


def test_the_example_of_the_paradigm() -> None:
    """A neuron that did not hear the stimulus named keeps its scale, and the user is told."""
    pairs = {
        (0, 0): np.array([[0, 3, 1, 0], [1, 0, 0, 0], [2, 2, 2, 2]], np.uint8),
        (0, 1): np.array([[0, 1, 2, 0], [0, 0, 0, 1]], np.uint8),
        (1, 0): np.full((1, 6), 6, np.uint8),
        (1, 1): np.full((1, 6), 3, np.uint8),
        (2, 0): np.full((1, 5), 9, np.uint8),
        (2, 2): np.full((2, 5), 7, np.uint8),
        (3, 0): np.full((2, 3), 1, np.uint8),
    }
    dataset = dataset_of(pairs, [4, 6, 5, 3], 3)
    with pytest.warns(UnscaledNeuronsWarning, match="1 of 3 neurons.* 1 stimuli.*first neuron 2") as caught:
        found = dataset.normalize_responses("max", [0])
    assert caught[0].filename == __file__
    assert list(found) == ["method", "scale", "offset", "stim_indices"]
    assert (found["method"], found["stim_indices"]) == ("max", [0])
    assert found["scale"].tolist() == [3, 2, 1] and found["offset"].tolist() == [0, 0, 0]
    assert found["scale"].dtype == found["offset"].dtype == torch.float32
    assert_holds(dataset, {pair: response / [3, 2, 1][pair[1]] for pair, response in pairs.items()})


@METHODS
@pytest.mark.parametrize("kind", ["float32", "uint8"])
@pytest.mark.parametrize(
    ("condition", "chosen"),
    [(None, [0, 1, 2]), ([0, 2], [0, 2]), (["s1"], [1]), ({"part": "a"}, [0, 2]), (np.array([2, 2]), [2])],
)
@pytest.mark.parametrize("block_values", [1, 2**17])
def test_scales_and_responses_equal_plain_loops(
    method: str, kind: str, condition: Any, chosen: list[int], block_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_buffer, "BLOCK_VALUES", block_values)
    pairs = ragged_pairs(kind)
    dataset = grid(pairs)
    found = normalize(dataset, method, condition)
    scale, offset = scales_by_loop(pairs, chosen, method)
    np.testing.assert_allclose(found["scale"].numpy(), scale, rtol=1e-5)
    np.testing.assert_allclose(found["offset"].numpy(), offset, rtol=1e-5)
    assert found["stim_indices"] == chosen
    expected = normalized_by_loop(pairs, scale, offset)
    assert_holds(dataset, expected)
    items = items_of(dataset)
    batch = batch_by_loop(expected, range(3), range(N_NEURONS))
    for alike in (items, with_plain_lists(items)):
        collated = neural_collate(alike)
        np.testing.assert_allclose(collated["responses"].numpy(), batch, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(collated["valid_mask"].numpy(), ~np.isnan(batch))


@METHODS
def test_neurons_that_are_silent_or_constant_become_zero_or_stay_finite(method: str) -> None:
    dataset = grid(ragged_pairs("uint8"))
    found = normalize(dataset, method)
    assert found["scale"][3] == np.float32(1e-8)
    batch = neural_collate(items_of(dataset))
    recorded = batch["valid_mask"][:, 3]
    assert recorded.sum() == 5 + 12
    assert not batch["responses"][:, 3][recorded].any()


def test_the_smallest_scale_can_be_chosen() -> None:
    found = normalize(grid(), "max", eps=64.0)
    np.testing.assert_allclose(found["scale"].numpy(), scales_by_loop(ragged_pairs(), range(3), "max", eps=64.0)[0])
    assert found["scale"][3] == 64


def test_one_value_is_no_statistic_and_two_are() -> None:
    pairs = {(0, 0): np.array([[4.0]]), (0, 1): np.array([[2.0], [6.0]]), (0, 2): np.array([[np.nan], [3.0]])}
    with pytest.warns(UnscaledNeuronsWarning, match="2 of 3 neurons"):
        found = dataset_of(pairs, [1], 3).normalize_responses("zscore")
    np.testing.assert_allclose(found["scale"].numpy(), [1, 8**0.5, 1], rtol=1e-6)
    assert found["offset"].tolist() == [0, 4, 0]


def test_what_was_returned_is_kept_and_is_not_what_is_used() -> None:
    dataset = grid()
    view = dataset.where(stims=[0])
    assert dataset.response_normalization is None
    found = normalize(dataset)
    assert dataset.response_normalization is found and view.response_normalization is None
    found["scale"].zero_()
    found["offset"].fill_(5)
    pairs = ragged_pairs()
    assert_holds(dataset, normalized_by_loop(pairs, *scales_by_loop(pairs, range(3), "max")))


def test_no_warning_where_all_neurons_have_data() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid().normalize_responses("max", [0, 1, 2])


def test_twice_divides_twice() -> None:
    once, twice = grid(), grid()
    first = normalize(once)
    assert torch.equal(normalize(twice)["scale"], first["scale"])
    again = normalize(twice, eps=1e-12)
    np.testing.assert_allclose(again["scale"][:3].numpy(), 1, rtol=1e-6)
    found = neural_collate(items_of(twice))["responses"][:, :3]
    np.testing.assert_allclose(found, neural_collate(items_of(once))["responses"][:, :3], rtol=1e-5)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["Max", "", None, 1, ["max"]])
def test_unknown_methods(method: Any) -> None:
    with pytest.raises(ParameterError, match="normalizing") as caught:
        grid().normalize_responses(method)
    assert (caught.value.field, caught.value.found) == ("method", repr(method))
    assert caught.value.expected == "'max' or 'zscore'"


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ([], ParameterError),
        (np.zeros(3, bool), ParameterError),
        ({"part": "c"}, ParameterError),
        ([3], SelectionError),
        ([0.5], SelectionError),
        ("s7", UnknownNameError),
        ({"prat": "a"}, UnknownNameError),
    ],
)
def test_stimuli_that_cannot_be_taken(condition: Any, error: type[DeepstrfError]) -> None:
    dataset = grid()
    with pytest.raises(error):
        dataset.normalize_responses("max", condition)
    assert_holds(dataset, ragged_pairs())


@METHODS
@pytest.mark.parametrize("eps", [0, -1.0, np.nan, np.inf, 1e-50, "small"])
def test_smallest_scales_that_would_make_nan_of_silence(method: str, eps: Any) -> None:
    dataset = grid(ragged_pairs("uint8"))
    with pytest.raises(ParameterError, match="must be positive") as caught:
        dataset.normalize_responses(method, eps=eps)
    assert (caught.value.field, caught.value.found) == ("eps", repr(eps))
    batch = neural_collate(items_of(dataset))
    assert torch.equal(batch["valid_mask"], ~torch.isnan(batch["responses"]))


# Who gets which -------------------------------------------------------------------------------------------------------


@METHODS
@pytest.mark.parametrize("neurons", [[2, 0], [1], [3, 1, 0], [0, 0, 2]])
def test_selected_neurons_keep_their_own_scales_and_selections_do_not_matter(method: str, neurons: list[int]) -> None:
    pairs = ragged_pairs()
    dataset = grid()
    dataset.select_population(neurons)
    dataset.select_stims([0, 2])
    normalize(dataset, method, [1, 2])
    expected = normalized_by_loop(pairs, *scales_by_loop(pairs, [1, 2], method))
    assert_holds(dataset, expected)
    items = items_of(dataset)
    batch = neural_collate(items)["responses"].numpy()
    shown = [dataset.nrn_meta.index(entry) for entry in dataset.get_nrn_meta()]
    stimuli = [int(item["stim_meta"]["stim_id"][1]) for item in items]
    np.testing.assert_allclose(batch, batch_by_loop(expected, stimuli, shown), rtol=1e-4, atol=1e-5)


@METHODS
def test_a_view_leaves_its_parent_as_it_is(method: str) -> None:
    parent = grid()
    view = parent.where(neurons=["n2", "n1"], stims=["s2"])
    normalize(view, method, ["s2", "s1"])
    pairs = ragged_pairs()
    expected = normalized_by_loop(pairs, *scales_by_loop(pairs, [1, 2], method))
    assert_holds(view, expected)
    assert_holds(parent, pairs)
    (item,) = items_of(view)
    for response, neuron in zip(item["responses"], (2, 1), strict=True):
        np.testing.assert_allclose(response.numpy(), expected[2, neuron], rtol=1e-4, atol=1e-5)
    assert parent.preprocessing == () and len(view.preprocessing) == 1


@METHODS
def test_pickled_datasets_and_items(method: str) -> None:
    dataset = grid()
    dataset.select_population([2, 0, 3])
    normalize(dataset, method)
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    pairs = ragged_pairs()
    expected = normalized_by_loop(pairs, *scales_by_loop(pairs, range(3), method))
    assert_holds(copy, expected)
    for stimulus, item in enumerate(items_of(dataset)):
        received = pickle.loads(pickle.dumps(item["responses"]))  # noqa: S301
        for response, neuron in zip(received, (2, 0, 3), strict=True):
            if (stimulus, neuron) in pairs:
                np.testing.assert_allclose(response.numpy(), expected[stimulus, neuron], rtol=1e-4, atol=1e-5)
            else:
                assert is_sentinel(response)


@METHODS
def test_smoothing_before_and_after(method: str) -> None:
    pairs = {pair: response.astype(np.float32) for pair, response in ragged_pairs("uint8").items()}
    smooth = HanningSmooth(21.0)
    smoothed = {pair: smooth.apply(response, 5.0) for pair, response in pairs.items()}
    before, after = grid(pairs), grid(pairs)
    before.smooth_responses()
    normalize(before, method)
    assert_holds(before, normalized_by_loop(smoothed, *scales_by_loop(smoothed, range(3), method)))
    normalize(after, method)
    after.smooth_responses()
    normalized = normalized_by_loop(pairs, *scales_by_loop(pairs, range(3), method))
    assert_holds(after, {pair: smooth.apply(response, 5.0) for pair, response in normalized.items()})


@given(st.data(), st.sampled_from(["max", "zscore"]), st.booleans())
@property_settings
def test_any_grid_comes_to_one_scale(data: Any, method: str, counts: bool) -> None:
    n_stimuli, n_neurons = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    bins = data.draw(st.lists(st.integers(1, 4), min_size=n_stimuli, max_size=n_stimuli))
    pairs: dict[tuple[int, int], Array] = {}
    for stimulus in range(n_stimuli):
        for neuron in range(n_neurons):
            shape = data.draw(st.integers(0, 3)), bins[stimulus]
            value = st.integers(0, 255) if counts else st.integers(-50, 50) | st.just(np.nan)
            drawn = data.draw(st.lists(value, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
            if shape[0]:
                pairs[stimulus, neuron] = np.array(drawn, np.uint8 if counts else np.float32).reshape(shape)
    chosen = data.draw(st.lists(st.integers(0, n_stimuli - 1), min_size=1, unique=True))
    dataset = dataset_of(pairs, bins, n_neurons)
    found = normalize(dataset, method, chosen)
    scale, offset = scales_by_loop(pairs, chosen, method, n_neurons)
    np.testing.assert_allclose(found["scale"].numpy(), scale, rtol=1e-4)
    np.testing.assert_allclose(found["offset"].numpy(), offset, rtol=1e-4, atol=1e-5)
    for (stimulus, neuron), response in pairs.items():
        now = dataset.responses[stimulus][neuron].numpy()
        np.testing.assert_array_equal(np.isnan(now), np.isnan(response.astype(float)))
        if (scale > 1e-3).all():
            np.testing.assert_allclose(now, (response - offset[neuron]) / scale[neuron], rtol=1e-3, atol=1e-3)
    items = items_of(dataset)
    if items:
        batch = neural_collate(items)
        assert torch.equal(batch["valid_mask"], ~torch.isnan(batch["responses"]))
