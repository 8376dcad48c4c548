"""Views: what they show, what they share with their parent, and what they never change."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, between, neural_collate
from deepstrf_hf.errors import SelectionError, UnknownNameError
from tests.grid.examples import (
    TOY_NRN_META,
    TOY_STIM_META,
    assert_same_batch,
    full_counts,
    heard_by_loop,
    items_of,
    names_of,
    nested,
    neurons_of,
    property_settings,
    toy,
    visible_by_loop,
)
from tests.grid.test_properties import Example, examples


def toy_with_ids(**changes: Any) -> NeuralDataset:
    """Return the toy, its stimuli known as stim-0 to stim-3 and its neurons as unit-0 to unit-2."""
    stim_meta = [{**entry, "stim_id": f"stim-{index}"} for index, entry in enumerate(TOY_STIM_META)]
    nrn_meta = [{**entry, "neuron_id": f"unit-{index}"} for index, entry in enumerate(TOY_NRN_META)]
    splits = {"test": ["stim-0"], "train": ["stim-1", "stim-2", "stim-3"]}
    return toy(**({"stim_meta": stim_meta, "nrn_meta": nrn_meta, "splits": splits} | changes))


def shown(dataset: NeuralDataset) -> tuple[list[str], list[str]]:
    return neurons_of(dataset), names_of(dataset)


ALL_NEURONS, ALL_STIMULI = ["n0", "n1", "n2"], ["s0", "s1", "s2", "s3"]


# What is shown --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("neurons", "stims", "expected"),
    [
        (None, None, (ALL_NEURONS, ALL_STIMULI)),
        ({}, {}, (ALL_NEURONS, ALL_STIMULI)),
        ({"area": "A1"}, None, (["n0", "n1"], ALL_STIMULI)),
        ({"area": ["AAF", "A1"], "depth": between(50)}, None, (["n0", "n2"], ALL_STIMULI)),
        ([{"area": "AAF"}, {"single": False}], None, (["n1", "n2"], ["s0", "s1", "s2"])),
        (lambda neuron: neuron["depth"] > 500, None, (["n2"], ["s2"])),
        ("unit-1", None, (["n1"], ["s0", "s1"])),
        (["unit-2", "unit-0"], ["stim-2", "stim-3"], (["n2", "n0"], ["s2", "s3"])),
        (["unit-0", "unit-0"], [0], (["n0", "n0"], ["s0"])),
        ([2, 1], ["stim-0"], (["n1"], ["s0"])),
        ({"unit-2", "unit-0"}, None, (["n0", "n2"], ALL_STIMULI)),
        ([False, True, True], np.array([False, True, False, True]), (["n1"], ["s1"])),
        (None, [3, 1, 1], (["n0", "n1"], ["s1", "s3"])),
        (None, {"ci": between(2), "split": "est"}, (["n0", "n2"], ["s2", "s3"])),
        (None, {"ci": None}, (["n0", "n1"], ["s0"])),
        (None, "stim-3", (["n0"], ["s3"])),
        ([1], [2, 3], ([], [])),
        ([], None, ([], [])),
        (None, [], ([], [])),
        ({"area": "NCM"}, None, ([], [])),
        (None, {"split": "val"}, ([], [])),
        (None, lambda stimulus: False, ([], [])),
    ],
)
def test_a_view_shows_what_the_conditions_say(neurons: Any, stims: Any, expected: tuple[list[str], list[str]]) -> None:
    dataset = toy_with_ids()
    view = dataset.where(neurons=neurons, stims=stims)
    assert shown(view) == expected
    assert (view.get_N(), len(view)) == (len(expected[0]), len(expected[1]))
    assert shown(dataset) == (ALL_NEURONS, ALL_STIMULI)
    assert dataset.I is None and dataset.S_sel is None


def test_published_splits_are_conditions() -> None:
    dataset = toy_with_ids()
    assert names_of(dataset.where(stims=dataset.splits["test"])) == ["s0"]
    assert names_of(dataset.where(stims=dataset.splits["train"])) == ["s1", "s2", "s3"]
    with pytest.raises(UnknownNameError, match="stimulus attribute is named 'test'"):
        dataset.where(stims=dataset.splits)


def test_views_of_views_narrow() -> None:
    dataset = toy_with_ids()
    area = dataset.where(neurons={"area": "A1"})
    assert shown(area.where(neurons={"single": True})) == (["n0"], ALL_STIMULI)
    assert shown(area.where(neurons=["unit-2", "unit-1"])) == (["n1"], ["s0", "s1"])
    assert shown(area.where(neurons=[2])) == ([], [])  # an index of the grid, not of the view
    assert shown(area.where(stims=[2, 3]).where(stims={"ci": between(2)}, neurons={})) == (["n0"], ["s2", "s3"])
    assert shown(area.where(stims=[1]).where(stims=[2])) == ([], [])
    assert shown(area.where()) == shown(area)
    assert shown(area) == (["n0", "n1"], ALL_STIMULI)


def test_the_order_of_neurons_is_that_given_last() -> None:
    dataset = toy_with_ids()
    view = dataset.where(neurons=[2, 1, 0])
    assert neurons_of(view.where(neurons={"area": "A1"})) == ["n1", "n0"]
    assert neurons_of(view.where(neurons=["unit-0", "unit-2"])) == ["n0", "n2"]
    assert neurons_of(view.where(neurons=[True, False, True])) == ["n2", "n0"]
    assert neurons_of(dataset.where(neurons=[1, 1, 0]).where(neurons={"area": "A1"})) == ["n1", "n1", "n0"]


def test_a_view_narrows_what_was_selected_in_place() -> None:
    dataset = toy_with_ids()
    dataset.select_population([2, 0])
    dataset.select_stims([0, 2])
    assert shown(dataset.where(neurons={"area": ["A1", "AAF"]}, stims={"split": "est"})) == (["n2", "n0"], ["s2"])
    assert (dataset.I, dataset.S_sel) == ([2, 0], [0, 2])


some_neurons = st.none() | st.lists(st.integers(0, 3), max_size=4)


@given(examples(), st.lists(st.tuples(some_neurons, some_neurons), min_size=1, max_size=3))
@property_settings
def test_every_chain_of_views_obeys_the_rule(
    example: Example, steps: list[tuple[list[int] | None, list[int] | None]]
) -> None:
    dataset = example.dataset()
    n_stimuli, n_neurons = len(example.bins), example.n_neurons
    view, neurons, stimuli = dataset, None, None
    for wanted_neurons, wanted_stimuli in steps:
        if wanted_neurons is not None:
            wanted_neurons = [neuron % n_neurons for neuron in wanted_neurons]
            neurons = [neuron for neuron in wanted_neurons if neurons is None or neuron in neurons]
        if wanted_stimuli is not None:
            wanted_stimuli = [stimulus % n_stimuli for stimulus in wanted_stimuli]
            stimuli = [stimulus for stimulus in wanted_stimuli if stimuli is None or stimulus in stimuli]
        view = view.where(neurons=wanted_neurons, stims=wanted_stimuli)
        heard = heard_by_loop(example.pairs, n_stimuli, n_neurons)
        visible_neurons, visible_stimuli = visible_by_loop(heard, neurons, stimuli)
        assert [entry["number"] for entry in view.get_nrn_meta()] == visible_neurons
        assert [item["stim_meta"]["number"] for item in items_of(view)] == visible_stimuli
        for item, stimulus in zip(items_of(view), visible_stimuli, strict=True):
            assert item["valid_mask"].tolist() == [heard[stimulus][neuron] for neuron in visible_neurons]
    assert dataset.I is None and dataset.S_sel is None


# What is shared, and what is never changed ----------------------------------------------------------------------------


def test_values_and_metadata_are_shared() -> None:
    dataset = toy(responses=nested(full_counts(4, 3, 2, 5), 4, 3), stims=[np.ones((2, 5), np.float32)] * 4)
    view = dataset.where(neurons={"area": "A1"}, stims=[2, 1])
    assert np.shares_memory(view.responses[2].rows().stored, dataset.responses[2].rows().stored)
    assert np.shares_memory(view.stims[2].numpy(), dataset.stims[2].numpy())
    assert view.nrn_meta is dataset.nrn_meta and view.stim_meta is dataset.stim_meta
    assert view.splits is dataset.splits


CHANGES: dict[str, Callable[[NeuralDataset], Any]] = {
    "standardize": lambda dataset: dataset.standardize_stims(),
    "smooth": lambda dataset: dataset.smooth_responses(gain="unit"),
    "normalize": lambda dataset: dataset.normalize_responses("zscore", stim_indices=[0, 1, 2]),
    "quality": lambda dataset: dataset.compute_neuron_quality(),
    "neurons": lambda dataset: dataset.select_population([1]),
    "neurons by attribute": lambda dataset: dataset.select_pop_by_nrn_attr("area", "AAF"),
    "stimuli": lambda dataset: dataset.select_stims([3]),
    "nothing": lambda dataset: dataset.select_stims([]),
    "reset": lambda dataset: (dataset.reset_pop_selection(), dataset.reset_stim_selection()),
}


def state_of(dataset: NeuralDataset) -> tuple[Any, ...]:
    """Return all that a dataset shows, as plain values."""
    responses = [[response.tolist() for response in row] for row in dataset.responses]
    stimuli = [stimulus.tolist() for stimulus in dataset.stims]
    meta = copy.deepcopy((dataset.stim_meta, dataset.nrn_meta))
    return repr((responses, stimuli, meta)), dataset.I, dataset.S_sel, shown(dataset), dataset.preprocessing


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_in_place_calls_on_a_view_never_change_its_parent(change: Callable[[NeuralDataset], Any]) -> None:
    parent = toy_with_ids()
    parent.select_population([2, 0])
    view = parent.where(stims=[0, 2])
    before, seen = state_of(parent), state_of(view)
    change(view)
    assert state_of(parent) == before
    assert state_of(view) != seen


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_in_place_calls_on_a_parent_never_change_its_views(change: Callable[[NeuralDataset], Any]) -> None:
    parent = toy_with_ids()
    parent.select_population([2, 0])
    view, sibling = parent.where(stims=[0, 2]), parent.where(neurons=[0])
    before, seen = state_of(parent), (state_of(view), state_of(sibling))
    change(parent)
    assert (state_of(view), state_of(sibling)) == seen
    if change is not CHANGES["reset"]:
        assert state_of(parent) != before


def test_a_transformed_view_has_the_values_of_a_transformed_dataset() -> None:
    whole, view = toy_with_ids(), toy_with_ids().where(neurons=[2, 0], stims=[0, 2])
    for dataset in (whole, view):
        dataset.smooth_responses(gain="unit")
        dataset.normalize_responses(stim_indices=[0, 2])
        dataset.standardize_stims(["stim-1", "stim-2"])
    whole.select_population([2, 0])
    whole.select_stims([0, 2])
    assert len(view) == 2
    assert_same_batch(neural_collate(items_of(view)), neural_collate(items_of(whole)))


def test_a_failed_condition_changes_nothing() -> None:
    dataset = toy_with_ids()
    view = dataset.where(neurons=[0, 1])
    with pytest.raises(UnknownNameError, match="did you mean 'unit-2'"):
        view.where(neurons=["unit-22"])
    with pytest.raises(SelectionError, match="No stimulus has this index"):
        view.where(neurons=[0], stims=[4])
    assert view.I == [0, 1] and view.S_sel is None and dataset.I is None


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda view: pickle.loads(pickle.dumps(view))])  # noqa: S301
def test_copies_of_views(duplicate: Callable[[NeuralDataset], NeuralDataset]) -> None:
    parent = toy_with_ids()
    view = parent.where(neurons=[2, 0], stims=[0, 2])
    view.smooth_responses(gain="unit")
    other = duplicate(view)
    assert (other.I, other.S_sel, other.splits) == (view.I, view.S_sel, view.splits)
    assert_same_batch(neural_collate(items_of(other)), neural_collate(items_of(view)))
    other.select_population([1])
    other.normalize_responses(stim_indices=[0, 1, 2])
    assert shown(view) == (["n2", "n0"], ["s0", "s2"])
    assert state_of(parent) == state_of(toy_with_ids())


class Named(NeuralDataset):
    """A class of a user's own, with an attribute of its own."""

    colour = "none"


def test_a_view_is_of_the_class_of_its_parent() -> None:
    dataset = Named.from_arrays([np.ones((2, 3))], [[np.ones((1, 3))]], dt_ms=5)
    assert isinstance(dataset, Named)
    dataset.colour = "red"
    view = dataset.where(neurons=[0])
    assert type(view) is Named and view.colour == "red"


def test_views_are_iterated_by_loaders() -> None:
    view = toy_with_ids().where(neurons=["unit-2", "unit-0"], stims={"split": "est"})
    loader = torch.utils.data.DataLoader(view, batch_size=2, collate_fn=neural_collate)
    batches = list(loader)
    assert [[entry["name"] for entry in batch["stim_meta"]] for batch in batches] == [["s1", "s2"], ["s3"]]
    assert [batch["responses"].shape[1] for batch in batches] == [2, 2]
    assert torch.isnan(batches[0]["responses"][0, 0]).all()
    assert batches[0]["responses"][0, 1, 0].tolist() == [1001, 1002, 1003, 1004, 1005, 1006]
