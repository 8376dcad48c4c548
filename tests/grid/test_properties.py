"""What holds for every ragged grid and every selection."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, neural_collate
from tests.grid.examples import (
    Array,
    assert_same_batch,
    batch_by_loop,
    dataset_of,
    heard_by_loop,
    is_sentinel,
    items_of,
    property_settings,
    visible_by_loop,
    with_plain_lists,
)


@dataclass(frozen=True)
class Example:
    """A ragged grid, and a selection on it."""

    pairs: dict[tuple[int, int], Array]
    bins: list[int]
    n_neurons: int
    neurons: list[int] | None
    stimuli: list[int] | None

    def dataset(self) -> NeuralDataset:
        meta = [{"number": number} for number in range(max(len(self.bins), self.n_neurons))]
        return dataset_of(
            self.pairs, self.bins, self.n_neurons, stim_meta=meta[: len(self.bins)], nrn_meta=meta[: self.n_neurons]
        )

    def selected(self) -> NeuralDataset:
        dataset = self.dataset()
        dataset.I, dataset.S_sel = self.neurons, self.stimuli
        return dataset

    def visible(self) -> tuple[list[int], list[int]]:
        return visible_by_loop(heard_by_loop(self.pairs, len(self.bins), self.n_neurons), self.neurons, self.stimuli)


@st.composite
def examples(draw: Any) -> Example:
    n_stimuli, n_neurons = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    bins = draw(st.lists(st.integers(1, 5), min_size=n_stimuli, max_size=n_stimuli))
    counts = draw(st.booleans())
    pairs: dict[tuple[int, int], Array] = {}
    for stimulus in range(n_stimuli):
        for neuron in range(n_neurons):
            trials = draw(st.integers(0, 3))  # 0: not recorded
            if not trials:
                continue
            shape = (trials, bins[stimulus])
            values = draw(st.lists(st.integers(0, 255), min_size=trials * shape[1], max_size=trials * shape[1]))
            response = np.array(values, np.uint8).reshape(shape)
            if not counts:
                missing = draw(st.lists(st.booleans(), min_size=response.size, max_size=response.size))
                response = np.where(np.reshape(missing, shape), np.nan, response / 8).astype(np.float32)
            pairs[stimulus, neuron] = response
    some_neurons = st.lists(st.integers(0, n_neurons - 1), max_size=5)
    some_stimuli = st.lists(st.integers(0, n_stimuli - 1), max_size=5)
    return Example(pairs, bins, n_neurons, draw(st.none() | some_neurons), draw(st.none() | some_stimuli))


@given(examples())
@property_settings
def test_every_response_is_its_source(example: Example) -> None:
    dataset = example.dataset()
    heard = heard_by_loop(example.pairs, len(example.bins), example.n_neurons)
    assert dataset.nrn_masks.tolist() == heard
    for stimulus in range(len(example.bins)):
        for neuron in range(example.n_neurons):
            response = dataset.responses[stimulus][neuron]
            if (stimulus, neuron) in example.pairs:
                np.testing.assert_array_equal(response.numpy(), example.pairs[stimulus, neuron].astype(np.float32))
            else:
                assert is_sentinel(response)


@given(examples())
@property_settings
def test_every_selection_obeys_the_rule(example: Example) -> None:
    dataset = example.selected()
    neurons, stimuli = example.visible()
    assert [entry["number"] for entry in dataset.get_nrn_meta()] == neurons
    assert dataset.get_N() == len(neurons)
    assert [item["stim_meta"]["number"] for item in items_of(dataset)] == stimuli
    assert len(dataset) == len(stimuli)


@given(examples())
@property_settings
def test_items_and_masks_fit_each_other(example: Example) -> None:
    dataset = example.selected()
    neurons, stimuli = example.visible()
    heard = heard_by_loop(example.pairs, len(example.bins), example.n_neurons)
    for item, stimulus in zip(items_of(dataset), stimuli, strict=True):
        assert item["valid_mask"].tolist() == [heard[stimulus][neuron] for neuron in neurons]
        assert item["valid_mask"].any()
        assert len(item["responses"]) == len(neurons)
        assert item["stims"].shape == (1, 2, example.bins[stimulus])
        assert (item["stims"] == stimulus + 1).all()
        for response, neuron in zip(item["responses"], neurons, strict=True):
            if (stimulus, neuron) in example.pairs:
                np.testing.assert_array_equal(response.numpy(), example.pairs[stimulus, neuron].astype(np.float32))
            else:
                assert is_sentinel(response)


@given(examples())
@property_settings
def test_every_batch_holds_its_sources_and_nothing_else(example: Example) -> None:
    dataset = example.selected()
    neurons, stimuli = example.visible()
    items = items_of(dataset)
    if not items:
        return
    batch = neural_collate(items)
    expected = batch_by_loop(example.pairs, stimuli, neurons)
    np.testing.assert_array_equal(batch["responses"].numpy(), expected)
    np.testing.assert_array_equal(batch["valid_mask"].numpy(), ~np.isnan(expected))
    longest = max(example.bins[stimulus] for stimulus in stimuli)
    assert batch["stims"].shape == (len(stimuli), 1, 2, longest)
    for place, stimulus in enumerate(stimuli):
        assert (batch["stims"][place, ..., : example.bins[stimulus]] == stimulus + 1).all()
        assert not batch["stims"][place, ..., example.bins[stimulus] :].any()
    assert_same_batch(neural_collate(with_plain_lists(items)), batch)


@given(examples())
@property_settings
def test_a_mapping_and_rows_make_the_same_grid(example: Example) -> None:
    rows = example.dataset()
    stimuli = [stimulus[0].numpy() for stimulus in rows.stims]
    mapping = NeuralDataset.from_arrays(stimuli, example.pairs, dt_ms=5, n_neurons=example.n_neurons)
    assert_same_batch(
        {"masks": rows.nrn_masks, **{f"{s}": neural_of(rows, s) for s in range(len(example.bins))}},
        {"masks": mapping.nrn_masks, **{f"{s}": neural_of(mapping, s) for s in range(len(example.bins))}},
    )


def neural_of(dataset: NeuralDataset, stimulus: int) -> Any:
    """Return the responses to one stimulus as one tensor."""
    return neural_collate([{"stims": dataset.stims[stimulus], "responses": dataset.responses[stimulus]}])["responses"]


@given(examples())
@property_settings
def test_pickled_datasets_are_the_same(example: Example) -> None:
    dataset = example.selected()
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert (copy.I, copy.S_sel, copy.stim_meta, copy.nrn_meta) == (
        dataset.I, dataset.S_sel, dataset.stim_meta, dataset.nrn_meta
    )  # fmt: skip
    assert len(copy) == len(dataset)
    if len(dataset):
        assert_same_batch(neural_collate(items_of(copy)), neural_collate(items_of(dataset)))
    copy.I = copy.S_sel = None
    assert copy.nrn_masks.tolist() == heard_by_loop(example.pairs, len(example.bins), example.n_neurons)
