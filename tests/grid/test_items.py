"""Items of a dataset, and the dataset under PyTorch's subsets, samplers, loaders and pickle."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, Subset, random_split

from deepstrf_hf import NeuralDataset, neural_collate
from deepstrf_hf.errors import DeepstrfError, GridError, SelectionError
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.examples import (
    TOY_BINS,
    TOY_HEARD,
    TOY_STIM_META,
    assert_same_batch,
    items_of,
    names_of,
    neurons_of,
    toy,
    toy_stimuli,
    toy_with_waveforms,
)


def test_an_item() -> None:
    item = toy()[2]
    assert list(item) == ["stims", "responses", "valid_mask", "stim_meta"]
    np.testing.assert_array_equal(item["stims"].numpy(), toy_stimuli()[2][None])
    assert [tuple(response.shape) for response in item["responses"]] == [(1, 5), (1, 1), (2, 5)]
    assert item["valid_mask"].dtype == torch.bool
    assert item["valid_mask"].tolist() == TOY_HEARD[2]
    assert item["stim_meta"] == TOY_STIM_META[2]


def test_an_item_with_a_waveform() -> None:
    item = toy_with_waveforms()[1]
    assert tuple(item["stims"].shape) == (1, 240)
    assert item["stims"][0, -1] == 1240
    assert tuple(item["responses"][0].shape) == (1, 6)


@pytest.mark.parametrize("index", [1, -2, np.int64(1), np.int32(-2), torch.tensor(1), np.array(1)], ids=str)
def test_positions_count_among_the_selected_stimuli(index: Any) -> None:
    dataset = toy()
    dataset.select_stims([0, 2, 3])
    assert dataset[index]["stim_meta"]["name"] == "s2"


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (slice(1, None), ["s2", "s3"]),
        (slice(None, None, -1), ["s3", "s2", "s0"]),
        (slice(7, 9), []),
        ([2, 0, 0], ["s3", "s0", "s0"]),
        ((-1, 1), ["s3", "s2"]),
        (range(2), ["s0", "s2"]),
        (np.array([1, -1]), ["s2", "s3"]),
        (torch.tensor([1, 2]), ["s2", "s3"]),
        ([], []),
    ],
    ids=str,
)
def test_several_items_are_lists_of_values(index: Any, names: list[str]) -> None:
    dataset = toy()
    dataset.select_stims([0, 2, 3])
    several = dataset[index]
    assert list(several) == ["stims", "responses", "valid_mask", "stim_meta"]
    assert all(isinstance(values, list) for values in several.values())
    assert [entry["name"] for entry in several["stim_meta"]] == names
    bins = [TOY_BINS[int(name[1])] for name in names]
    assert [stimulus.shape[-1] for stimulus in several["stims"]] == bins
    assert [responses[0].shape[-1] for responses in several["responses"]] == bins
    assert [mask.tolist() for mask in several["valid_mask"]] == [TOY_HEARD[int(name[1])] for name in names]


@pytest.mark.parametrize(
    "index",
    [True, np.True_, torch.tensor(True), 1.0, np.float64(0), torch.tensor(0.0), None, 4, -5, np.int64(4), [0, 4],
     [True, False], torch.tensor([True, False]), np.array([0.0]), "0", "stims", b"0", "", b"", {}, {0: "s0"}],
    ids=repr,
)  # fmt: skip
def test_other_indices_are_refused(index: Any) -> None:
    with pytest.raises(SelectionError):
        toy()[index]


def test_range_follows_the_selection() -> None:
    dataset = toy()
    dataset.select_population([1])
    with pytest.raises(SelectionError) as caught:
        dataset[2]
    assert (caught.value.found, caught.value.expected) == (2, "from -2 to 1")
    dataset.select_population([])
    with pytest.raises(SelectionError) as caught:
        dataset[0]
    assert caught.value.expected == "none"


def test_iteration_ends() -> None:
    assert [item["stim_meta"]["name"] for item in toy()] == ["s0", "s1", "s2", "s3"]


def test_changing_a_mask_of_an_item_changes_nothing() -> None:
    dataset = toy()
    dataset[0]["valid_mask"].fill_(False)
    assert dataset[0]["valid_mask"].tolist() == TOY_HEARD[0]


def test_a_subset_of_numpy_positions() -> None:
    dataset = toy()
    dataset.select_stims([0, 2, 3])
    subset = Subset(dataset, np.arange(2))  # type: ignore[arg-type]
    assert len(subset) == 2
    assert [subset[index]["stim_meta"]["name"] for index in range(2)] == ["s0", "s2"]
    loader = DataLoader(subset, batch_size=2, collate_fn=neural_collate)
    assert_same_batch(next(iter(loader)), neural_collate([dataset[0], dataset[1]]))


def test_random_splits_and_samplers_of_torch() -> None:
    dataset = toy()
    one, other = random_split(dataset, [1, 3], generator=torch.Generator().manual_seed(2))
    names = [[part[index]["stim_meta"]["name"] for index in range(len(part))] for part in (one, other)]
    assert sorted(names[0] + names[1]) == ["s0", "s1", "s2", "s3"] and len(names[0]) == 1
    sampler = RandomSampler(dataset, generator=torch.Generator().manual_seed(3))
    loader = DataLoader(dataset, batch_size=4, sampler=sampler, collate_fn=neural_collate)
    assert sorted(entry["name"] for entry in next(iter(loader))["stim_meta"]) == ["s0", "s1", "s2", "s3"]


@pytest.mark.parametrize("make", [toy, toy_with_waveforms])
@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_give_the_batches_of_collate(make: Any, workers: int) -> None:
    dataset = make(preprocessing=[HanningSmooth(21.0)])
    dataset.select_population([2, 0])
    loader = DataLoader(dataset, batch_size=3, collate_fn=neural_collate, num_workers=workers)
    batches = list(loader)
    items = items_of(dataset)
    assert len(batches) == 2
    assert_same_batch(batches[0], neural_collate(items[:3]))
    assert_same_batch(batches[1], neural_collate(items[3:]))


@pytest.mark.parametrize("make", [toy, toy_with_waveforms])
def test_a_pickled_dataset_is_the_same(make: Any) -> None:
    dataset: NeuralDataset = make(preprocessing=[HanningSmooth(21.0, gain="unit")], hearing_range_hz=(200, 40_000))
    dataset.select_population([1, 2])
    dataset.select_stims([1, 2])
    for _ in range(2):  # before and after what follows from the selection was worked out
        copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
        assert repr(copy) == repr(dataset)
        assert (copy.I, copy.S_sel) == ([1, 2], [1, 2])
        assert (names_of(copy), neurons_of(copy)) == (["s1", "s2"], ["n1", "n2"])
        assert_same_batch(neural_collate(items_of(copy)), neural_collate(items_of(dataset)))
        assert copy.preprocessing == dataset.preprocessing
        copy.reset_stim_selection()
        copy.reset_pop_selection()
        assert copy.nrn_masks.tolist() == TOY_HEARD
    assert dataset.I == [1, 2]


def test_a_pickled_item_is_the_same() -> None:
    dataset = toy(preprocessing=[HanningSmooth(21.0)])
    dataset.select_population([2, 0])
    items = items_of(dataset)
    assert_same_batch(neural_collate(pickle.loads(pickle.dumps(items))), neural_collate(items))  # noqa: S301


def test_errors_survive_pickling() -> None:
    with pytest.raises(SelectionError) as caught:
        toy()[9]
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert isinstance(copy, DeepstrfError) and str(copy) == str(caught.value)


def test_what_a_dataset_tells_of_itself() -> None:
    dataset = toy(hearing_range_hz=(200, 40_000), species="ferret", signal_type="spikes")
    assert (dataset.dt, dataset.F, dataset.audio_fs, dataset.hop) == (5, 2, None, None)
    assert type(dataset.dt) is int
    assert dataset.return_waveform is False
    assert (dataset.species, dataset.signal_type, dataset.hearing_range_hz) == ("ferret", "spikes", (200, 40_000))
    assert dataset.band_frequencies_hz is None and dataset.path == "" and dataset.preprocessing == ()
    dataset.select_population([1])
    for part in (
        "4 stimuli",
        "2-band spectrograms",
        "3 neurons",
        "7 pairs",
        "dt 5 ms",
        "2 stimuli and 1 neurons selected",
    ):
        assert part in repr(dataset)


def test_what_a_dataset_with_waveforms_tells_of_itself() -> None:
    dataset = toy_with_waveforms(n_bands=34)
    assert (dataset.dt, dataset.F, dataset.audio_fs, dataset.hop) == (5, 34, 8000, 40)
    assert dataset.return_waveform is True
    assert "waveforms" in repr(dataset)


def test_a_fractional_bin_width_stays_one() -> None:
    dataset = toy(dt_ms=2.5)
    assert dataset.dt == 2.5 and "dt 2.5 ms" in repr(dataset)


def test_an_item_crosses_a_process_border_with_its_own_responses_alone() -> None:
    import pickle

    dataset = NeuralDataset.from_arrays(
        [np.zeros((2, 50))] * 40, [[np.full((3, 50), s + n, np.uint8) for n in range(5)] for s in range(40)], dt_ms=5
    )
    dataset.select_population([4, 1])
    item = dataset[7]["responses"]
    sent = pickle.dumps(item)
    assert len(sent) < 2 * 3 * 50 + 4000, "not the whole buffer of 30,000 values"
    arrived = pickle.loads(sent)  # noqa: S301 (our own)
    for here, there in zip(item, arrived, strict=True):
        np.testing.assert_array_equal(here.numpy(), there.numpy())
    np.testing.assert_array_equal(item.heard, arrived.heard)


def test_own_changes_to_a_stimulus_do_not_reach_the_grid() -> None:
    spectrogram = np.zeros((2, 3), np.float32)
    dataset = NeuralDataset.from_arrays([spectrogram], [[np.ones((1, 3))]], dt_ms=5)
    spectrogram[:] = np.nan
    assert bool((dataset.stims[0] == 0).all())


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_responses_are_refused(value: float) -> None:
    with pytest.raises(GridError, match="infinite"):
        NeuralDataset.from_arrays([np.zeros((2, 3))], [[np.array([[1.0, value, 2.0]])]], dt_ms=5)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("neurons", [None, [2], [1, 0, 2], []])
def test_iterating_gives_what_indexing_gives(smooth: bool, neurons: list[int] | None) -> None:
    dataset = toy()
    if smooth:
        dataset.smooth_responses()
        dataset.normalize_responses()
    for stimulus in range(dataset.get_S()):
        responses = dataset.responses[stimulus]
        if neurons is not None:
            responses = responses.only(np.array(neurons, np.int64))
        iterated = list(responses)
        assert len(iterated) == len(responses)
        for position, response in enumerate(iterated):
            assert response.dtype == torch.float32
            np.testing.assert_array_equal(response, responses[position])


def test_responses_that_are_iterated_over_are_nobody_elses() -> None:
    dataset = NeuralDataset.from_arrays([np.zeros((2, 50))], [np.ones((40, 3, 50), np.uint8)], dt_ms=5)
    iterated = list(dataset.responses[0])
    iterated[0].fill_(7)
    assert bool((iterated[1] == 1).all()) and bool((dataset.responses[0][0] == 1).all())
    assert len(pickle.dumps(iterated[5])) < 3 * 50 * 4 + 2000, "not those of all neurons"
