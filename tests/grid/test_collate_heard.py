"""Batches of the neurons with data in them: the dense batch, restricted to those neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.collate import collate_heard_neurons
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import (
    Array,
    LeaveOutOnset,
    assert_same_batch,
    dataset_of,
    full_counts,
    items_of,
    property_settings,
    toy,
    toy_with_waveforms,
    with_plain_lists,
)

NAN = np.nan


def sites(kind: str = "float32", **options: Any) -> NeuralDataset:
    """Return two sites of ragged trials: neurons 0, 2, 5 heard stimuli 0 and 2; 1, 4 heard 1; nobody is neuron 3."""
    pairs, bins = {}, (6, 4, 5)
    for stimulus, neurons in enumerate(((0, 2, 5), (1, 4), (0, 2, 5))):
        for neuron in neurons:
            shape = 1 + (stimulus + neuron) % 3, bins[stimulus]
            pairs[stimulus, neuron] = np.random.default_rng([stimulus, neuron]).integers(0, 99, shape).astype(kind)
    return dataset_of(pairs, bins, 6, **options)


def restricted(items: Sequence[Mapping[str, Any]], neurons: Sequence[int]) -> dict[str, Any]:
    """Return the dense batch cut down to some neurons, and to the trials and bins that they have."""
    dense = neural_collate(items)
    theirs = [item["responses"][neuron] for item in items for neuron in neurons]
    trials, bins = (max([response.shape[axis] for response in theirs], default=1) for axis in (0, 1))
    responses, valid = (dense[key][:, list(neurons)] for key in ("responses", "valid_mask"))
    assert not valid[:, :, trials:].any() and not valid[..., bins:].any()
    return {
        **dense,
        "responses": responses[:, :, :trials, :bins],
        "valid_mask": valid[:, :, :trials, :bins],
        "neurons": torch.tensor(list(neurons), dtype=torch.int64),
    }


def assert_restricted(items: Sequence[Mapping[str, Any]], neurons: Sequence[int]) -> None:
    """Check lazy items and plain ones."""
    for alike in (items, with_plain_lists(items), [items[0], *with_plain_lists(items[1:])]):
        assert_same_batch(collate_heard_neurons(alike), restricted(alike, neurons))


# Which neurons --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float32", "uint8"])
@pytest.mark.parametrize(
    ("positions", "neurons"),
    [([0], [0, 2, 5]), ([1], [1, 4]), ([2, 0], [0, 2, 5]), ([1, 2], [0, 1, 2, 4, 5]), ([0, 0], [0, 2, 5])],
)
def test_batches_hold_the_neurons_with_data(kind: str, positions: list[int], neurons: list[int]) -> None:
    dataset = sites(kind)
    assert_restricted([dataset[position] for position in positions], neurons)


@pytest.mark.parametrize(
    ("selected", "position", "neurons"),
    [
        ([5, 3, 0], 0, [0, 2]),
        ([4, 5, 1, 2], 1, [0, 2]),  # the second stimulus
        ([2, 2, 0], 0, [0, 1, 2]),
        ([0, 1], 1, [1]),
        (None, 1, [1, 4]),
    ],
)
def test_neurons_are_counted_among_the_selected(selected: list[int] | None, position: int, neurons: list[int]) -> None:
    dataset = sites()
    dataset.I = selected
    assert_restricted([dataset[position]], neurons)
    batch = collate_heard_neurons([dataset[position]])
    everybody = dataset.get_nrn_meta()
    assert batch["responses"].shape[1] == len(neurons) <= len(everybody)
    stimulus = int(batch["stims"][0, 0, 0, 0]) - 1  # stimuli are numbered
    chosen = list(range(6)) if selected is None else selected
    for place, neuron in enumerate(batch["neurons"].tolist()):
        expected = dataset.responses[stimulus][chosen[neuron]]
        assert torch.equal(batch["responses"][0, place, : expected.shape[0]], expected)


def test_every_value_is_that_of_its_neuron_in_any_order() -> None:
    pairs = {(s, n): np.full((1, 3), 10 * s + n, np.float32) for s in range(2) for n in (0, 2)}
    dataset = dataset_of(pairs, [3, 3], 3)
    for selected in ([2, 1, 0], [0, 1, 2], [2, 0], [1, 2]):
        dataset.select_population(selected)
        for stimulus, item in enumerate(items_of(dataset)):
            batch = collate_heard_neurons([item])
            found = [selected[neuron] for neuron in batch["neurons"].tolist()]
            assert batch["responses"][0, :, 0, 0].tolist() == [10 * stimulus + neuron for neuron in found]
            assert sorted(found) == sorted(set(selected) - {1})


def test_neurons_of_nan_alone_have_no_data() -> None:
    pairs: dict[tuple[int, int], Array] = {
        (0, 0): np.ones((1, 4)),
        (0, 1): np.full((3, 4), NAN),
        (1, 1): np.full((2, 4), NAN),
        (1, 2): np.array([[NAN, NAN, NAN, 2.0]]),
    }
    dataset = dataset_of(pairs, [4, 4], 3)
    assert_restricted(items_of(dataset), [0, 2])
    batch = collate_heard_neurons(items_of(dataset))
    assert tuple(batch["responses"].shape) == (2, 2, 1, 4)
    assert batch["valid_mask"].sum(dim=(2, 3)).tolist() == [[4, 0], [0, 1]]


@pytest.mark.parametrize("plain", [False, True])
def test_nobody_heard(plain: bool) -> None:
    dataset = dataset_of({(0, 0): np.full((2, 4), NAN)}, [4], 2)
    items: Any = [{"stims": dataset.stims[0], "responses": dataset.responses[0], "stim_meta": {"a": 1}}] * 2
    batch = collate_heard_neurons(with_plain_lists(items) if plain else items)
    assert batch["neurons"].tolist() == [] and batch["neurons"].dtype == torch.int64
    assert batch["responses"].shape[:2] == batch["valid_mask"].shape[:2] == (2, 0)
    assert batch["responses"].dtype == torch.float32 and batch["valid_mask"].dtype == torch.bool
    assert tuple(batch["stims"].shape) == (2, 1, 2, 4) and batch["stim_meta"] == [{"a": 1}] * 2


def test_a_selection_of_nobody() -> None:
    dataset = sites()
    items = [{"stims": dataset.stims[0], "responses": []}]
    assert collate_heard_neurons(items)["neurons"].tolist() == []


def test_everybody_heard_is_the_dense_batch() -> None:
    dataset = dataset_of(full_counts(2, 3, 2, 4), [4, 4], 3)
    batch = collate_heard_neurons(items_of(dataset))
    assert batch.pop("neurons").tolist() == [0, 1, 2]
    assert_same_batch(batch, neural_collate(items_of(dataset)))


# What else is in a batch ----------------------------------------------------------------------------------------------


def test_the_keys_are_those_of_the_dense_batch_and_the_neurons() -> None:
    items = [{**item, "behaviour": index} for index, item in enumerate(items_of(toy()))]
    batch = collate_heard_neurons(items)
    assert list(batch) == ["stims", "responses", "valid_mask", "stim_meta", "behaviour", "neurons"]
    assert batch["behaviour"] == [0, 1, 2, 3]
    assert "neurons" not in items[0] and len(items[0]["responses"]) == 3  # items stay as they are


def test_waveforms() -> None:
    dataset = toy_with_waveforms()
    assert_restricted([dataset[3]], [0])
    assert tuple(collate_heard_neurons([dataset[3]])["stims"].shape) == (1, 1, 120)


@pytest.mark.parametrize("steps", [[HanningSmooth(21.0)], [LeaveOutOnset()], [HanningSmooth(35.0), LeaveOutOnset()]])
@pytest.mark.parametrize("kind", ["float32", "uint8"])
@pytest.mark.parametrize("method", [None, "max", "zscore"])
def test_transforms(steps: list[Any], kind: str, method: str | None) -> None:
    dataset = sites(kind, preprocessing=steps)
    if method is not None:
        with pytest.warns(UserWarning, match="1 of 6 neurons"):
            dataset.normalize_responses(method)
    assert_restricted([dataset[0], dataset[2]], [0, 2, 5])
    dataset.select_population([4, 2, 0])
    assert_restricted([dataset[0], dataset[2]], [1, 2])
    assert_restricted([dataset[1]], [0])


# What cannot be a batch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [[], ()])
def test_no_items(nothing: Any) -> None:
    with pytest.raises(GridError, match="one item at least"):
        collate_heard_neurons(nothing)


def test_items_of_different_neurons() -> None:
    dataset = toy()
    everybody = dataset[0]
    dataset.select_population([0, 1])
    with pytest.raises(GridError, match="different selections of neurons") as caught:
        collate_heard_neurons([everybody, dataset[1]])
    assert caught.value.found == [2, 3]


@given(st.data())
@property_settings
def test_any_batch_is_the_dense_one_restricted(data: Any) -> None:
    n_stimuli, n_neurons = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    bins = data.draw(st.lists(st.integers(1, 4), min_size=n_stimuli, max_size=n_stimuli))
    counts, pairs = data.draw(st.booleans()), {}
    value = st.integers(0, 9) if counts else st.sampled_from([NAN, 1.0, 2.0])
    for stimulus in range(n_stimuli):
        for neuron in range(n_neurons):
            trials = data.draw(st.integers(0, 2))
            drawn = data.draw(st.lists(value, min_size=trials * bins[stimulus], max_size=trials * bins[stimulus]))
            if trials:
                pairs[stimulus, neuron] = np.array(drawn, np.uint8 if counts else np.float32).reshape(trials, -1)
    dataset = dataset_of(pairs, bins, n_neurons)
    dataset.I = data.draw(st.none() | st.lists(st.integers(0, n_neurons - 1), min_size=1, max_size=5))
    items = items_of(dataset)
    if items:
        dense = neural_collate(items)["valid_mask"].numpy()
        assert_restricted(items, np.flatnonzero(dense.any(axis=(0, 2, 3))).tolist())
