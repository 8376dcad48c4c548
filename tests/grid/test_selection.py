"""Selections: the rule between stimuli and neurons, on the toy of the paradigm and its worked examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from deepstrf_hf import NeuralDataset
from deepstrf_hf.errors import SelectionError, UnknownNameError
from tests.grid.examples import (
    TOY_HEARD,
    TOY_NRN_META,
    dataset_of,
    is_sentinel,
    items_of,
    names_of,
    neurons_of,
    toy,
    visible_by_loop,
)


def assert_selected(dataset: NeuralDataset, neurons: list[str], stimuli: list[str]) -> None:
    """Check all ways in which a dataset tells what is selected."""
    assert neurons_of(dataset) == neurons
    assert dataset.get_N() == len(neurons)
    assert names_of(dataset) == stimuli
    assert len(dataset) == len(stimuli)
    for item in items_of(dataset):
        assert len(item["responses"]) == len(item["valid_mask"]) == len(neurons)


def test_nothing_is_chosen_at_first() -> None:
    dataset = toy()
    assert dataset.I is None and dataset.S_sel is None
    assert_selected(dataset, ["n0", "n1", "n2"], ["s0", "s1", "s2", "s3"])
    assert (dataset.N_neurons, dataset.get_S(), dataset.get_F()) == (3, 4, 2)


def test_masks_count_a_response_with_a_missing_sample_as_heard() -> None:
    masks = toy().nrn_masks
    assert masks.dtype == torch.bool
    assert masks.tolist() == TOY_HEARD


def test_masks_are_a_copy() -> None:
    dataset = toy()
    dataset.nrn_masks.fill_(True)
    assert dataset.nrn_masks.tolist() == TOY_HEARD
    dataset.select_population([2])
    assert_selected(dataset, ["n2"], ["s2"])


# The worked examples of the paradigm, in its order --------------------------------------------------------------------


def test_choosing_a_stimulus_hides_neurons() -> None:
    dataset = toy()
    dataset.select_stims([1])
    assert_selected(dataset, ["n0", "n1"], ["s1"])
    dataset.select_population([1, 2])
    assert_selected(dataset, ["n1"], ["s1"])
    assert dataset.I == [1, 2] and dataset.S_sel == [1]


def test_both_chosen() -> None:
    dataset = toy()
    dataset.select_stims([1, 3])
    dataset.select_population([1, 2])
    assert_selected(dataset, ["n1"], ["s1"])


def test_choosing_neurons_hides_stimuli_that_none_of_them_heard() -> None:
    dataset = toy()
    dataset.select_population([1])
    assert_selected(dataset, ["n1"], ["s0", "s1"])
    dataset.select_population([1, 2])
    assert_selected(dataset, ["n1", "n2"], ["s0", "s1", "s2"])
    dataset.select_population([2])
    assert_selected(dataset, ["n2"], ["s2"])


def test_order_and_repetitions_of_stimuli_are_lost() -> None:
    dataset = toy()
    dataset.select_stims([3, 1, 1])
    assert names_of(dataset) == ["s1", "s3"]


def test_order_of_neurons_is_kept() -> None:
    dataset = toy()
    dataset.select_population([2, 0])
    assert [tuple(response.shape) for response in dataset[0]["responses"]] == [(1, 1), (3, 4)]
    assert is_sentinel(dataset[0]["responses"][0])
    assert_selected(dataset, ["n2", "n0"], ["s0", "s1", "s2", "s3"])
    dataset.select_stims([2, 3])
    assert_selected(dataset, ["n2", "n0"], ["s2", "s3"])


def test_repetitions_of_neurons_are_kept() -> None:
    dataset = toy()
    dataset.select_population([0, 0])
    assert_selected(dataset, ["n0", "n0"], ["s0", "s1", "s2", "s3"])
    one, other = dataset[1]["responses"]
    assert one.tolist() == other.tolist() == [[1001, 1002, 1003, 1004, 1005, 1006]]


def test_neurons_by_an_attribute_of_stimuli() -> None:
    dataset = toy()
    assert dataset.select_pop_by_stim_attr("split", "test") == [0, 1]
    assert dataset.I == [0, 1] and dataset.S_sel is None
    assert names_of(dataset) == ["s0", "s1", "s2", "s3"]  # it chooses neurons, not stimuli
    assert dataset.select_pop_by_stim_predicate(lambda stimulus: stimulus["name"] >= "s2") == [0, 2]
    assert dataset.select_pop_by_stim_attr("ci", 3) == [0]
    assert dataset.select_pop_by_stim_attr("split", "neither") == []
    assert_selected(dataset, [], [])


@pytest.mark.parametrize("stimuli", [None, [], [0], [2], [3], [1, 3], [0, 2], [3, 2, 1, 0]])
@pytest.mark.parametrize("neurons", [None, [], [0], [1], [2], [2, 1], [1, 1], [0, 1, 2]])
def test_the_rule(neurons: list[int] | None, stimuli: list[int] | None) -> None:
    visible_neurons, visible_stimuli = visible_by_loop(TOY_HEARD, neurons, stimuli)
    dataset = toy()
    dataset.I, dataset.S_sel = neurons, stimuli
    assert_selected(dataset, [f"n{index}" for index in visible_neurons], [f"s{index}" for index in visible_stimuli])
    other_order = toy()
    other_order.S_sel, other_order.I = stimuli, neurons
    assert names_of(other_order) == names_of(dataset) and neurons_of(other_order) == neurons_of(dataset)


# What differs from deepSTRF on purpose --------------------------------------------------------------------------------


def test_an_empty_selection_of_neurons_is_nobody() -> None:
    dataset = toy()
    dataset.select_population([])
    assert dataset.I == []
    assert_selected(dataset, [], [])


def test_an_empty_selection_of_stimuli_is_nothing() -> None:
    dataset = toy()
    dataset.select_stims([])
    assert dataset.S_sel == []
    assert_selected(dataset, [], [])


def test_resetting_selects_all_again() -> None:
    dataset = toy()
    dataset.select_population([])
    dataset.select_stims([])
    dataset.reset_pop_selection()
    assert dataset.I is None and dataset.S_sel == []
    dataset.reset_stim_selection()
    assert dataset.I is None and dataset.S_sel is None
    assert_selected(dataset, ["n0", "n1", "n2"], ["s0", "s1", "s2", "s3"])


def test_a_value_nobody_has_selects_nobody() -> None:
    dataset = toy()
    assert dataset.select_pop_by_nrn_attr("area", "NCM") == []
    assert_selected(dataset, [], [])
    dataset.reset_pop_selection()
    assert dataset.select_stims_by_attr("split", "val") == []
    assert_selected(dataset, [], [])


SELECT_BY_ATTRIBUTE = ["select_pop_by_nrn_attr", "select_pop_by_stim_attr", "select_stims_by_attr"]
SELECT_BY_PREDICATE = ["select_pop_by_nrn_predicate", "select_pop_by_stim_predicate", "select_stims_by_predicate"]


@pytest.mark.parametrize("method", SELECT_BY_ATTRIBUTE)
def test_an_unknown_attribute_is_an_error_and_changes_nothing(method: str) -> None:
    dataset = toy()
    dataset.select_population([1])
    dataset.select_stims([0])
    with pytest.raises(UnknownNameError, match="did you mean 'name'"):
        getattr(dataset, method)("nmae", "s0")
    assert dataset.I == [1] and dataset.S_sel == [0]


@pytest.mark.parametrize("method", SELECT_BY_PREDICATE)
def test_a_predicate_on_an_unknown_attribute_is_an_error_and_changes_nothing(method: str) -> None:
    dataset = toy()
    dataset.select_population([1])
    with pytest.raises(UnknownNameError, match="did you mean 'name'"):
        getattr(dataset, method)(lambda entry: entry["nmae"] == "s0")
    assert dataset.I == [1] and dataset.S_sel is None


@pytest.mark.parametrize(
    ("key", "value", "chosen"),
    [
        ("ci", 1, [1]),
        ("ci", True, []),
        ("ci", "1", []),
        ("ci", 2.0, [2]),
        ("ci", None, [0]),
        ("split", "est", [1, 2, 3]),
    ],
)
def test_stimuli_by_attribute(key: str, value: Any, chosen: list[int]) -> None:
    dataset = toy()
    assert dataset.select_stims_by_attr(key, value) == chosen
    assert dataset.S_sel == chosen and dataset.I is None


@pytest.mark.parametrize(
    ("key", "value", "chosen"),
    [("area", "A1", [0, 1]), ("single", True, [0]), ("single", 1, []), ("single", None, []), ("depth", None, [1])],
)
def test_neurons_by_attribute(key: str, value: Any, chosen: list[int]) -> None:
    dataset = toy()
    assert dataset.select_pop_by_nrn_attr(key, value) == chosen
    assert chosen == dataset.I and dataset.S_sel is None


def test_predicates_where_values_are_absent() -> None:
    dataset = toy()
    assert dataset.select_pop_by_nrn_predicate(lambda neuron: neuron["depth"] > 0) == [0, 2]
    assert dataset.select_pop_by_nrn_predicate(lambda neuron: not neuron["single"]) == [1]
    assert dataset.select_stims_by_predicate(lambda stimulus: stimulus["ci"] < 3) == [1, 2]


def test_queries_replace_the_choice_on_their_own_axis() -> None:
    dataset = toy()
    dataset.select_population([2])
    dataset.select_stims([0])
    assert dataset.select_pop_by_nrn_attr("area", "A1") == [0, 1]
    assert dataset.S_sel == [0]
    assert dataset.select_stims_by_attr("split", "est") == [1, 2, 3]
    assert dataset.I == [0, 1]
    assert_selected(dataset, ["n0", "n1"], ["s1", "s2", "s3"])


def test_metadata_added_later_can_be_asked_for() -> None:
    dataset = toy()
    for index, entry in enumerate(dataset.nrn_meta):
        entry["snr"] = 0.5 * index
    assert dataset.select_pop_by_nrn_predicate(lambda neuron: neuron["snr"] > 0) == [1, 2]
    assert "snr" not in TOY_NRN_META[0]


# Indices --------------------------------------------------------------------------------------------------------------


def select_one_neuron(dataset: NeuralDataset, index: Any) -> list[int] | None:
    dataset.select_neuron(index)
    return dataset.I


def select_one_stimulus(dataset: NeuralDataset, index: Any) -> list[int] | None:
    dataset.select_stim(index)
    return dataset.S_sel


def set_neurons(dataset: NeuralDataset, indices: Any) -> list[int] | None:
    dataset.I = indices
    return dataset.I


def set_stimuli(dataset: NeuralDataset, indices: Any) -> list[int] | None:
    dataset.S_sel = indices
    return dataset.S_sel


@pytest.mark.parametrize("select", [select_one_neuron, select_one_stimulus])
@pytest.mark.parametrize(
    "index", [1, np.int64(1), np.uint8(1), torch.tensor(1)], ids=lambda index: type(index).__name__
)
def test_one_index_of_any_library(select: Callable[..., Any], index: Any) -> None:
    assert select(toy(), index) == [1]


@pytest.mark.parametrize(("select", "last"), [(select_one_neuron, 2), (select_one_stimulus, 3)])
def test_one_index_from_the_end(select: Callable[..., Any], last: int) -> None:
    assert select(toy(), -1) == [last]


@pytest.mark.parametrize("select", [select_one_neuron, select_one_stimulus])
@pytest.mark.parametrize("index", [True, torch.tensor(True), 1.0, "1", None, [1], 4, -5])
def test_one_index_that_is_none(select: Callable[..., Any], index: Any) -> None:
    dataset = toy()
    with pytest.raises(SelectionError):
        select(dataset, index)
    assert dataset.I is None and dataset.S_sel is None


@pytest.mark.parametrize("select", [set_neurons, set_stimuli])
@pytest.mark.parametrize("indices", [(2, 0), np.array([2, 0]), torch.tensor([2, -3]), range(2, -1, -2)], ids=str)
def test_lists_of_any_library(select: Callable[..., Any], indices: Any) -> None:
    count = 3 if select is set_neurons else 4
    expected = [index % count for index in (int(index) for index in indices)]
    chosen = select(toy(), indices)
    assert chosen == expected and all(type(index) is int for index in chosen)


@pytest.mark.parametrize("select", [set_neurons, set_stimuli])
@pytest.mark.parametrize(
    "indices",
    [1, np.array(1), torch.tensor(1), "01", [0, 4], [True, False], [0.0], torch.tensor([True, False]), [None]],
)
def test_lists_that_are_none(select: Callable[..., Any], indices: Any) -> None:
    dataset = toy()
    with pytest.raises(SelectionError):
        select(dataset, indices)
    assert dataset.I is None and dataset.S_sel is None


def test_what_is_asked_for_cannot_be_changed_from_outside() -> None:
    dataset, chosen = toy(), np.array([1])
    dataset.select_population(chosen)
    chosen[0] = 0
    returned = dataset.I
    assert returned == [1]
    returned.append(2)
    assert dataset.I == [1]
    assert_selected(dataset, ["n1"], ["s0", "s1"])


def test_a_neuron_that_heard_nothing_stays_while_no_stimuli_are_chosen() -> None:
    pairs = {(0, 0): np.ones((1, 2)), (1, 0): np.ones((1, 2)), (1, 2): np.full((1, 2), np.nan)}
    dataset = dataset_of(pairs, [2, 2, 2], 3, nrn_meta=TOY_NRN_META, stim_meta=[{"name": f"s{i}"} for i in range(3)])
    assert_selected(dataset, ["n0", "n1", "n2"], ["s0", "s1"])
    dataset.select_stims([0, 1, 2])
    assert_selected(dataset, ["n0"], ["s0", "s1"])
    dataset.select_stims([2])
    assert_selected(dataset, [], [])
