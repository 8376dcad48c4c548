"""Batches: shapes, padding and masks against plain loops, and all ways to them alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from deepstrf_hf import neural_collate
from deepstrf_hf.errors import GridError
from deepstrf_hf.grid import response_buffer
from deepstrf_hf.grid.views import ItemResponses
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import (
    TOY_BATCH_COUNTS,
    TOY_BINS,
    Array,
    LeaveOutOnset,
    assert_same_batch,
    batch_by_loop,
    dataset_of,
    full_counts,
    items_of,
    packed_toy,
    toy,
    toy_pairs,
    toy_stimuli,
    toy_with_waveforms,
    with_plain_lists,
)


def item_of(responses: Sequence[Any], bands: int = 2, bins: int = 4, **more: Any) -> dict[str, Any]:
    return {"stims": torch.ones(1, bands, bins), "responses": responses, "stim_meta": {}, **more}


def sentinel() -> torch.Tensor:
    return torch.full((1, 1), float("nan"))


def assert_responses(batch: dict[str, Any], expected: Array) -> None:
    assert batch["responses"].dtype == torch.float32
    np.testing.assert_array_equal(batch["responses"].numpy(), expected)
    assert batch["valid_mask"].dtype == torch.bool
    np.testing.assert_array_equal(batch["valid_mask"].numpy(), ~np.isnan(expected))


def test_the_batch_of_the_paradigm() -> None:
    batch = neural_collate(items_of(toy())[:3])
    assert list(batch) == ["stims", "responses", "valid_mask", "stim_meta"]
    assert tuple(batch["stims"].shape) == (3, 1, 2, 6)
    assert tuple(batch["responses"].shape) == (3, 3, 3, 6)
    assert batch["valid_mask"].sum(dim=(2, 3)).tolist() == TOY_BATCH_COUNTS
    assert [entry["name"] for entry in batch["stim_meta"]] == ["s0", "s1", "s2"]


@pytest.mark.parametrize("stimuli", [[0, 1, 2], [3], [2, 1], [0, 1, 2, 3], [1, 1]])
@pytest.mark.parametrize("neurons", [[0, 1, 2], [2, 0], [0], [0, 0, 1]])
def test_every_value_stands_where_it_belongs(stimuli: list[int], neurons: list[int]) -> None:
    dataset = toy()
    dataset.select_population(neurons)
    positions = [[entry["stim_meta"]["name"] for entry in dataset].index(f"s{stimulus}") for stimulus in stimuli]
    items = [dataset[position] for position in positions]
    expected = batch_by_loop(toy_pairs(), stimuli, neurons)
    assert_responses(neural_collate(items), expected)
    assert_responses(neural_collate(with_plain_lists(items)), expected)


def test_stimuli_are_padded_with_zeros_on_the_right() -> None:
    stimuli = neural_collate(items_of(toy()))["stims"]
    assert stimuli.dtype == torch.float32
    for item, expected in enumerate(toy_stimuli()):
        np.testing.assert_array_equal(stimuli[item, 0, :, : TOY_BINS[item]].numpy(), expected)
        assert not stimuli[item, 0, :, TOY_BINS[item] :].any()


def test_waveforms() -> None:
    batch = neural_collate(items_of(toy_with_waveforms())[:2])
    assert tuple(batch["stims"].shape) == (2, 1, 240)
    assert tuple(batch["responses"].shape) == (2, 3, 3, 6)
    assert batch["stims"][0, 0].tolist() == [*range(1, 161), *[0] * 80]
    assert batch["stims"][1, 0].tolist() == list(range(1001, 1241))


@pytest.mark.parametrize("count", [1, 3])
def test_a_batch_shares_no_memory_with_the_dataset(count: int) -> None:
    dataset = toy(
        stims=[np.ones((2, 4), np.float32)] * 3, responses=[[np.ones((2, 4))] * 2] * 3, stim_meta=None, nrn_meta=None
    )
    batch = neural_collate(items_of(dataset)[:count])
    batch["stims"].fill_(9)
    batch["responses"].fill_(9)
    again = neural_collate(items_of(dataset)[:count])
    assert (again["stims"] == 1).all() and (again["responses"] == 1).all()


def test_items_are_left_as_they_were() -> None:
    items = with_plain_lists(items_of(toy()))
    before = [[response.clone() for response in item["responses"]] for item in items]
    neural_collate(items)
    assert [list(item) for item in items] == [["stims", "responses", "valid_mask", "stim_meta"]] * 4
    for item, responses in zip(items, before, strict=True):
        for one, other in zip(item["responses"], responses, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


# Ways to the same batch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [(), (HanningSmooth(21.0),)], ids=["raw", "smoothed"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_full_blocks_equal_ragged_ones(dtype: type, steps: tuple[Any, ...]) -> None:
    pairs = {pair: counts.astype(dtype) for pair, counts in full_counts(3, 4, 5, 7).items()}
    full = dataset_of(pairs, [7, 7, 7], 4, preprocessing=steps)
    pairs[3, 0] = np.ones((6, 9), dtype)  # one more stimulus, longer and heard more often: no item is a full block
    ragged = dataset_of(pairs, [7, 7, 7, 9], 4, preprocessing=steps)
    fast = neural_collate(items_of(full))
    slow = neural_collate(items_of(ragged))
    assert tuple(fast["responses"].shape) == (3, 4, 5, 7) and bool(fast["valid_mask"].all())
    np.testing.assert_array_equal(fast["responses"].numpy(), slow["responses"][:3, :, :5, :7].numpy())
    assert torch.isnan(slow["responses"][:3, :, 5:]).all() and torch.isnan(slow["responses"][:3, :, :, 7:]).all()
    assert_same_batch(neural_collate(with_plain_lists(items_of(full))), fast)
    assert_same_batch(neural_collate(with_plain_lists(items_of(ragged))), slow)
    if not steps:
        assert_responses(fast, batch_by_loop(pairs, [0, 1, 2], range(4)))


@pytest.mark.parametrize("block_values", [1, 7, 20])
def test_a_batch_does_not_depend_on_the_size_of_blocks(block_values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    full = dataset_of(full_counts(3, 4, 5, 7), [7, 7, 7], 4, preprocessing=[HanningSmooth(21.0)])
    ragged = toy(preprocessing=[HanningSmooth(21.0)])
    whole = [neural_collate(items_of(dataset)) for dataset in (full, ragged)]
    monkeypatch.setattr(response_buffer, "BLOCK_VALUES", block_values)
    for dataset, expected in zip((full, ragged), whole, strict=True):
        assert_same_batch(neural_collate(items_of(dataset)), expected)
        assert_same_batch(neural_collate(with_plain_lists(items_of(dataset))), expected)


def test_a_full_block_in_another_order_of_neurons() -> None:
    pairs = full_counts(2, 3, 2, 4)
    dataset = dataset_of(pairs, [4, 4], 3)
    dataset.select_population([2, 0, 2, 1])
    assert_responses(neural_collate(items_of(dataset)), batch_by_loop(pairs, [0, 1], [2, 0, 2, 1]))


def test_equal_trials_of_unequal_lengths() -> None:
    pairs = {pair: counts[:, : (5, 3)[pair[0]]] for pair, counts in full_counts(2, 3, 2, 5).items()}
    dataset = dataset_of(pairs, [5, 3], 3)
    assert_responses(neural_collate(items_of(dataset)), batch_by_loop(pairs, [0, 1], range(3)))


def test_equal_lengths_with_one_neuron_missing() -> None:
    pairs = full_counts(2, 3, 2, 5)
    del pairs[1, 1]
    dataset = dataset_of(pairs, [5, 5], 3)
    assert_responses(neural_collate(items_of(dataset)), batch_by_loop(pairs, [0, 1], range(3)))


def test_missing_trials_and_more_trials_that_add_up_to_a_full_block() -> None:
    generator = np.random.default_rng(1)
    pairs = {(0, 0): generator.random((1, 4)), (0, 1): generator.random((3, 4)), (1, 0): generator.random((2, 4))}
    pairs[1, 1] = generator.random((2, 4))
    pairs = {pair: response.astype(np.float32) for pair, response in pairs.items()}
    dataset = dataset_of(pairs, [4, 4], 2)
    assert_responses(neural_collate(items_of(dataset)), batch_by_loop(pairs, [0, 1], [0, 1]))


def test_missing_samples_of_a_full_block() -> None:
    pairs = {pair: counts.astype(np.float32) for pair, counts in full_counts(2, 2, 2, 4).items()}
    pairs[1, 0][1, 2] = np.nan
    dataset = dataset_of(pairs, [4, 4], 2)
    batch = neural_collate(items_of(dataset))
    assert_responses(batch, batch_by_loop(pairs, [0, 1], [0, 1]))
    assert int((~batch["valid_mask"]).sum()) == 1


def test_plain_and_packed_items_in_one_batch() -> None:
    items = items_of(toy())
    mixed = [items[0], *with_plain_lists(items[1:3]), items[3]]
    assert_same_batch(neural_collate(mixed), neural_collate(items))


def test_a_step_that_leaves_samples_out_of_counts_shows_in_the_mask() -> None:
    dataset = dataset_of(full_counts(2, 2, 3, 4), [4, 4], 2, preprocessing=[LeaveOutOnset()])
    batch = neural_collate(items_of(dataset))
    assert torch.isnan(batch["responses"][..., 0]).all()
    np.testing.assert_array_equal(batch["valid_mask"].numpy(), ~np.isnan(batch["responses"].numpy()))
    assert_same_batch(neural_collate(with_plain_lists(items_of(dataset))), batch)


# Items that deepSTRF or a user made -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [torch.tensor, np.array, list], ids=["tensors", "arrays", "lists"])
def test_plain_responses_of_any_kind(form: Any) -> None:
    batch = neural_collate([item_of([form([[1.0, 2.0], [3.0, 4.0]]), form([[5.0, 6.0]])], bins=2)])
    assert_responses(batch, np.array([[[[1, 2], [3, 4]], [[5, 6], [np.nan, np.nan]]]], np.float32))


def test_plain_responses_that_differ_in_trials_and_bins() -> None:
    items = [item_of([torch.ones(2, 3), torch.full((1, 4), 2.0)]), item_of([sentinel(), torch.full((3, 2), 3.0)])]
    expected = np.full((2, 2, 3, 4), np.nan, np.float32)
    expected[0, 0, :2, :3], expected[0, 1, :1, :4], expected[1, 1, :3, :2] = 1, 2, 3
    assert_responses(neural_collate(items), expected)


def test_a_response_of_missing_samples_alone_keeps_its_shape() -> None:
    pairs = {(0, 0): np.full((3, 4), np.nan), (0, 1): np.ones((1, 4))}
    dataset = dataset_of(pairs, [4], 2)
    expected = np.full((1, 2, 3, 4), np.nan, np.float32)
    expected[0, 1, 0] = 1
    assert_responses(neural_collate(items_of(dataset)), expected)
    assert_responses(neural_collate(with_plain_lists(items_of(dataset))), expected)
    assert dataset[0]["valid_mask"].tolist() == [False, True]


def test_a_response_of_one_sample_is_no_sentinel() -> None:
    assert_responses(neural_collate([item_of([torch.tensor([[0.0]]), sentinel()])]), np.array([[[[0]], [[np.nan]]]]))


def test_an_item_nobody_heard_among_others() -> None:
    items = [item_of([sentinel(), sentinel()]), item_of([torch.ones(2, 4), sentinel()])]
    batch = neural_collate(items)
    assert tuple(batch["responses"].shape) == (2, 2, 2, 4)
    assert batch["valid_mask"].sum(dim=(2, 3)).tolist() == [[0, 0], [8, 0]]


def test_a_batch_nobody_heard() -> None:
    batch = neural_collate([item_of([sentinel(), sentinel()])] * 3)
    assert_responses(batch, np.full((3, 2, 1, 1), np.nan, np.float32))


def test_a_packed_item_of_a_stimulus_without_responses() -> None:
    dataset = dataset_of({(0, 0): np.ones((2, 3))}, [3, 5], 2)
    items = [{"stims": dataset.stims[index], "responses": dataset.responses[index]} for index in range(2)]
    expected = np.full((2, 2, 2, 3), np.nan, np.float32)
    expected[0, 0] = 1
    batch = neural_collate(items)
    assert_responses(batch, expected)
    assert tuple(batch["stims"].shape) == (2, 1, 2, 5)
    assert_responses(neural_collate(items[1:]), np.full((1, 2, 1, 1), np.nan, np.float32))


@pytest.mark.parametrize("others", [[], [3], [3, 0]])
def test_a_packed_item_of_neurons_that_did_not_hear_it(others: list[int]) -> None:
    grid, dataset, deaf = packed_toy(), toy(), np.array([1, 1])
    items = [{"stims": dataset.stims[2], "responses": ItemResponses(grid, 2, deaf)}]
    for stimulus in others:
        items.append({"stims": dataset.stims[stimulus], "responses": ItemResponses(grid, stimulus, np.array([0, 1]))})
    batch = neural_collate(items)
    assert_same_batch(batch, neural_collate(with_plain_lists(items)))
    assert not batch["valid_mask"][0].any()


def test_other_keys_pass_through() -> None:
    behaviour = [torch.ones(2), torch.zeros(3)]
    items = [item_of([torch.ones(1, 4)], behav=entry) for entry in behaviour]
    batch = neural_collate(items)
    assert list(batch) == ["stims", "responses", "valid_mask", "stim_meta", "behav"]
    assert batch["behav"][0] is behaviour[0] and batch["behav"][1] is behaviour[1]


def test_keys_that_some_items_lack_are_none_there() -> None:
    first = item_of([torch.ones(1, 4)], pupil=1)
    second = item_of([torch.ones(1, 4)], lick=2)
    second.pop("stim_meta")
    batch = neural_collate([first, second])
    assert batch["pupil"] == [1, None]
    assert batch["lick"] == [None, 2]
    assert batch["stim_meta"] == [{}, None]


def test_the_mask_of_items_is_not_the_mask_of_the_batch() -> None:
    items = [item_of([torch.ones(1, 4)], valid_mask=torch.tensor([False]))]
    assert neural_collate(items)["valid_mask"].tolist() == [[[[True] * 4]]]


# What cannot be a batch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [[], ()])
def test_no_items(nothing: Any) -> None:
    with pytest.raises(GridError, match="one item at least") as caught:
        neural_collate(nothing)
    assert caught.value.field == "items" and caught.value.found == "none"


def test_items_of_different_neurons() -> None:
    dataset = toy()
    everybody = dataset[0]
    dataset.select_population([0, 1])
    with pytest.raises(GridError, match="different selections of neurons") as caught:
        neural_collate([everybody, dataset[1]])
    assert caught.value.found == [2, 3]


def test_stimuli_of_different_bands() -> None:
    with pytest.raises(GridError, match="bands") as caught:
        neural_collate([item_of([torch.ones(1, 4)], bands=3), item_of([torch.ones(1, 4)], bands=2)])
    assert caught.value.found == [(1, 2), (1, 3)]


def test_spectrograms_and_waveforms() -> None:
    with pytest.raises(GridError, match="different kinds"):
        neural_collate([toy()[0], toy_with_waveforms()[0]])
