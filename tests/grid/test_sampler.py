"""Batches of one site: every stimulus once, the same neurons throughout, and the order that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.grid.collate import collate_heard_neurons
from deepstrf_hf.grid.sampler import SiteBatchSampler
from tests.grid.examples import assert_same_batch, dataset_of, items_of, property_settings

SITES = {0: [0, 1, 2], 1: [3, 4], 2: [0, 1, 2], 3: [3, 4], 4: [0, 1, 2], 5: [5], 6: [0, 1, 2], 7: [3, 4]}
"""Neurons that heard each stimulus: four stimuli of one site, three of another, one of a third."""


def dataset_heard(heard: Sequence[Sequence[int]], n_neurons: int) -> NeuralDataset:
    pairs = {
        (stimulus, neuron): np.full((1 + neuron % 2, 3), 10 * stimulus + neuron, np.float32)
        for stimulus, neurons in enumerate(heard)
        for neuron in neurons
    }
    stim_meta = [{"number": stimulus} for stimulus in range(len(heard))]
    return dataset_of(pairs, [3] * len(heard), n_neurons, stim_meta=stim_meta)


def sites() -> NeuralDataset:
    return dataset_heard(list(SITES.values()), 6)


def heard_in(dataset: NeuralDataset, position: int) -> tuple[int, ...]:
    """Return the selected neurons that heard an item."""
    return tuple(np.flatnonzero(dataset[position]["valid_mask"].numpy()))


# Which batches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "expected"),
    [
        (1, False, [[0], [2], [4], [6], [1], [3], [7], [5]]),
        (2, False, [[0, 2], [4, 6], [1, 3], [7], [5]]),
        (2, True, [[0, 2], [4, 6], [1, 3], [5]]),  # the only batch of a site is kept
        (3, False, [[0, 2, 4], [6], [1, 3, 7], [5]]),
        (3, True, [[0, 2, 4], [1, 3, 7], [5]]),
        (9, False, [[0, 2, 4, 6], [1, 3, 7], [5]]),
        (9, True, [[0, 2, 4, 6], [1, 3, 7], [5]]),
    ],
)
def test_batches_in_order(batch_size: int, drop_last: bool, expected: list[list[int]]) -> None:
    sampler = SiteBatchSampler(sites(), batch_size, drop_last=drop_last)
    assert list(sampler) == expected
    assert list(sampler) == expected  # in every epoch
    assert len(sampler) == len(expected)
    assert all(type(position) is int for batch in sampler for position in batch)


def test_sites_are_the_groups_of_positions() -> None:
    found = SiteBatchSampler(sites(), 2).sites
    assert [positions.tolist() for positions in found] == [[0, 2, 4, 6], [1, 3, 7], [5]]


def test_neurons_without_a_value_do_not_make_a_site() -> None:
    pairs = {(s, n): np.ones((1, 2), np.float32) for s in range(3) for n in range(2)}
    pairs[1, 1] = np.full((2, 2), np.nan, np.float32)
    pairs[2, 1] = np.array([[np.nan, 1]], np.float32)
    assert list(SiteBatchSampler(dataset_of(pairs, [2, 2, 2], 2), 8)) == [[0, 2], [1]]


# Selections -----------------------------------------------------------------------------------------------------------


def test_the_selection_is_that_of_the_moment() -> None:
    dataset = sites()
    sampler = SiteBatchSampler(dataset, 2)
    assert len(sampler) == 5
    dataset.select_stims([1, 4, 5, 7])  # positions 0 to 3
    assert list(sampler) == [[0, 3], [1], [2]] and len(sampler) == 3
    dataset.select_population([5, 4])
    assert [item["stim_meta"]["number"] for item in items_of(dataset)] == [1, 5, 7]
    assert list(sampler) == [[0, 2], [1]]
    dataset.select_population([])
    assert list(sampler) == [] and len(sampler) == 0


def test_sites_differ_by_the_selected_neurons_alone() -> None:
    dataset = dataset_heard([[0, 1], [0, 2], [0], [1, 2]], 3)
    assert list(SiteBatchSampler(dataset, 9)) == [[0], [1], [2], [3]]
    dataset.select_population([0])
    assert list(SiteBatchSampler(dataset, 9)) == [[0, 1, 2]]
    dataset.select_population([2, 0, 0])
    assert list(SiteBatchSampler(dataset, 9)) == [[0, 2], [1], [3]]
    assert list(SiteBatchSampler(dataset.where(stims=[0, 1, 3]), 9)) == [[0], [1], [2]]


def test_a_view_has_sites_of_its_own() -> None:
    dataset = sites()
    sampler, of_view = SiteBatchSampler(dataset, 4), SiteBatchSampler(dataset.where(neurons=[3, 5]), 4)
    assert list(of_view) == [[0, 1, 3], [2]]
    assert list(sampler) == [[0, 2, 4, 6], [1, 3, 7], [5]]


# Shuffled -------------------------------------------------------------------------------------------------------------


def epochs(sampler: SiteBatchSampler, count: int) -> list[list[list[int]]]:
    return [list(sampler) for _ in range(count)]


def test_every_epoch_is_shuffled_anew_and_the_same_in_every_run() -> None:
    dataset = dataset_heard([[n % 3] for n in range(30)], 3)
    first = epochs(SiteBatchSampler(dataset, 4, shuffle=True), 4)
    assert first == epochs(SiteBatchSampler(dataset, 4, shuffle=True), 4)
    assert first != epochs(SiteBatchSampler(dataset, 4, shuffle=True, seed=1), 4)
    assert len({str(epoch) for epoch in first}) == 4
    for epoch in first:
        assert sorted(position for batch in epoch for position in batch) == list(range(30))
        assert all(len({position % 3 for position in batch}) == 1 for batch in epoch)
    order = [[batch[0] % 3 for batch in epoch] for epoch in first]
    assert any(sequence != sorted(sequence) for sequence in order)  # batches among each other
    members = {tuple(sorted(batch)) for epoch in first for batch in epoch}
    assert len(members) > 9  # and stimuli between the batches of a site


def test_an_epoch_can_be_chosen() -> None:
    dataset = dataset_heard([[0]] * 20, 1)
    sampler = SiteBatchSampler(dataset, 3, shuffle=True)
    whole = epochs(sampler, 4)
    sampler.set_epoch(2)
    assert epochs(sampler, 2) == whole[2:]
    sampler.set_epoch(0)
    assert list(sampler) == whole[0]


def test_shuffling_with_drop_last_leaves_out_other_stimuli_every_epoch() -> None:
    sampler = SiteBatchSampler(dataset_heard([[0]] * 7, 1), 3, shuffle=True, drop_last=True)
    assert len(sampler) == 2
    left_out = set()
    for epoch in epochs(sampler, 12):
        assert [len(batch) for batch in epoch] == [3, 3]
        left_out |= set(range(7)) - {position for batch in epoch for position in batch}
    assert len(left_out) > 1


# Loaders --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_batches_of_the_neurons_of_one_site(workers: int) -> None:
    dataset = sites()
    sampler = SiteBatchSampler(dataset, 2)
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate_heard_neurons,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )
    assert len(loader) == 5
    batches = list(loader)
    assert [batch["neurons"].tolist() for batch in batches] == [[0, 1, 2], [0, 1, 2], [3, 4], [3, 4], [5]]
    for batch, positions in zip(batches, SiteBatchSampler(dataset, 2), strict=True):
        assert_same_batch(batch, collate_heard_neurons([dataset[position] for position in positions]))
        assert batch["valid_mask"].any(dim=3).any(dim=2).all()


def test_a_loader_shuffles_every_epoch() -> None:
    dataset = dataset_heard([[0]] * 12, 1)
    sampler = SiteBatchSampler(dataset, 4, shuffle=True)
    loader = torch.utils.data.DataLoader(dataset, batch_sampler=sampler, collate_fn=neural_collate)
    seen = [[entry["number"] for batch in loader for entry in batch["stim_meta"]] for _ in range(3)]
    assert all(sorted(epoch) == list(range(12)) for epoch in seen)
    assert len({str(epoch) for epoch in seen}) == 3


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, None, "2"])
def test_batch_sizes_that_are_none(batch_size: Any) -> None:
    with pytest.raises(ParameterError, match="whole number") as caught:
        SiteBatchSampler(sites(), batch_size)
    assert (caught.value.field, caught.value.found) == ("batch_size", repr(batch_size))


@pytest.mark.parametrize("value", [-1, 0.5, None, "a", False])
def test_seeds_and_epochs_that_are_none(value: Any) -> None:
    with pytest.raises(ParameterError, match="whole number") as caught:
        SiteBatchSampler(sites(), 2, shuffle=True, seed=value)
    assert (caught.value.field, caught.value.found) == ("seed", repr(value))
    sampler = SiteBatchSampler(sites(), 2, shuffle=True)
    with pytest.raises(ParameterError, match="whole number") as caught:
        sampler.set_epoch(value)
    assert (caught.value.field, sampler.epoch) == ("epoch", 0)


def test_numbers_of_numpy_are_numbers() -> None:
    sampler = SiteBatchSampler(sites(), np.int64(2), seed=np.uint8(3))
    sampler.set_epoch(np.int32(1))
    assert list(sampler) == [[0, 2], [4, 6], [1, 3], [7], [5]]


@given(st.data())
@property_settings
def test_every_position_once_and_one_set_of_neurons_in_a_batch(data: Any) -> None:
    n_neurons, n_stimuli = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9))
    neuron = st.integers(0, n_neurons - 1)
    heard = data.draw(st.lists(st.lists(neuron, unique=True), min_size=n_stimuli, max_size=n_stimuli))
    dataset = dataset_heard(heard, n_neurons)
    dataset.I = data.draw(st.none() | st.lists(neuron, max_size=5))
    dataset.S_sel = data.draw(st.none() | st.lists(st.integers(0, n_stimuli - 1), max_size=9))
    batch_size, shuffle = data.draw(st.integers(1, 4)), data.draw(st.booleans())
    sampler = SiteBatchSampler(dataset, batch_size, shuffle=shuffle, seed=data.draw(st.integers(0, 2**40)))
    for _ in range(2):
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert sorted(position for batch in batches for position in batch) == list(range(len(dataset)))
        assert all(1 <= len(batch) <= batch_size for batch in batches)
        groups: dict[tuple[int, ...], list[int]] = {}
        for batch in batches:
            (neurons,) = {heard_in(dataset, position) for position in batch}
            groups.setdefault(neurons, []).append(len(batch))
        for sizes in groups.values():  # no more batches than needed
            assert len(sizes) == -(-sum(sizes) // batch_size)
    dropping = SiteBatchSampler(dataset, batch_size, shuffle=shuffle, drop_last=True)
    kept = list(dropping)
    assert len(kept) == len(dropping)
    assert {heard_in(dataset, batch[0]) for batch in kept} == set(groups)  # no site is lost
