"""Who gets standardized stimuli: items, batches, views, concatenations, and nobody else."""

from __future__ import annotations

import pickle

import numpy as np

from deepstrf_hf import concat_neural_datasets, neural_collate
from tests.grid.examples import items_of
from tests.grid.standardizing import BINS, all_stimuli, assert_standardized, grid, spectrograms, statistics

# What gets them -------------------------------------------------------------------------------------------------------


def test_items_and_batches_hold_standardized_stimuli_and_padding_stays_zero() -> None:
    dataset = grid()
    dataset.standardize_stims([0, 1])
    mean, std = statistics(spectrograms(), [0, 1])
    batch = neural_collate(items_of(dataset))["stims"]
    for index, stimulus in enumerate(spectrograms()):
        expected = (stimulus.astype(np.float64) - mean) / std
        np.testing.assert_allclose(batch[index, 0, :, : BINS[index]].numpy(), expected, rtol=1e-4, atol=1e-3)
        assert not batch[index, 0, :, BINS[index] :].any()


def test_selections_do_not_change_the_statistics() -> None:
    dataset = grid()
    dataset.select_neuron(1)
    dataset.select_stims([1, 3])
    assert len(dataset) == 1  # position 0 is stimulus 1
    assert dataset.standardize_stims([0])["stim_indices"] == [0]
    assert_standardized(dataset, spectrograms(), [0])
    dataset.standardize_stims()
    assert dataset.stim_normalization is not None
    assert dataset.stim_normalization["stim_indices"] == [0, 1, 2, 3]


def test_a_view_leaves_its_parent_as_it_is() -> None:
    parent = grid()
    sibling = parent.where(stims=[0])
    view = parent.where(stims=["s2", "s3"], neurons=["a"])
    view.standardize_stims([1])
    assert_standardized(view, spectrograms(), [1])
    for other in (parent, sibling):
        assert other.stim_normalization is None
        for stimulus, expected in zip(all_stimuli(other), spectrograms(), strict=True):
            np.testing.assert_array_equal(stimulus, expected)
    item = view[0]
    assert item["stim_meta"]["stim_id"] == "s2"
    np.testing.assert_array_equal(item["stims"].numpy(), view.stims[2].numpy())


def test_views_of_a_standardized_dataset_are_standardized() -> None:
    parent = grid()
    found = parent.standardize_stims([2])
    view = parent.where(stims=[3])
    assert view.stim_normalization is found
    assert_standardized(view, spectrograms(), [2])


def test_twice_in_a_row_is_done_on_what_the_first_left() -> None:
    dataset = grid()
    dataset.standardize_stims([0, 1])
    between = all_stimuli(dataset)
    found = dataset.standardize_stims([2, 3])
    mean, std = statistics(between, [2, 3])
    np.testing.assert_allclose(found["mean"].numpy()[0], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["std"].numpy()[0], std, rtol=1e-4)
    for found_stimulus, stimulus in zip(all_stimuli(dataset), between, strict=True):
        np.testing.assert_allclose(found_stimulus, (stimulus - mean) / std, rtol=1e-3, atol=1e-3)


def test_the_arrays_given_and_the_stored_values_stay_as_they_are() -> None:
    stims = spectrograms()
    dataset = grid(stims)
    untouched = dataset.where()
    dataset.standardize_stims()
    for given_array, stored, expected in zip(stims, all_stimuli(untouched), spectrograms(), strict=True):
        np.testing.assert_array_equal(given_array, expected)
        np.testing.assert_array_equal(stored, expected)


def test_writing_into_a_standardized_stimulus_changes_nothing() -> None:
    dataset = grid()
    dataset.standardize_stims()
    dataset.stims[0].zero_()
    dataset[0]["stims"].zero_()
    assert_standardized(dataset, spectrograms(), range(4))


# Together with others -------------------------------------------------------------------------------------------------


def test_each_part_of_a_concatenation_keeps_its_own() -> None:
    one, other, plain = grid(), grid(spectrograms(5)), grid(spectrograms(6))
    one.standardize_stims([0])
    other.standardize_stims([1, 2], per_band=False)
    whole = concat_neural_datasets([one, other, plain], names=["x", "y", "z"])
    expected = [*all_stimuli(one), *all_stimuli(other), *spectrograms(6)]
    for stimulus, values in zip(all_stimuli(whole), expected, strict=True):
        np.testing.assert_array_equal(stimulus, values)


def test_a_concatenation_is_standardized_as_a_whole_and_its_parts_are_not() -> None:
    one, other = grid(), grid(spectrograms(5))
    one.standardize_stims()
    before = [*all_stimuli(one), *all_stimuli(other)]
    whole = concat_neural_datasets([one, other], names=["x", "y"])
    found = whole.standardize_stims(["x/s1", "y/s3"])
    assert found["stim_indices"] == [1, 7]
    mean, std = statistics(before, [1, 7])
    for stimulus, values in zip(all_stimuli(whole), before, strict=True):
        np.testing.assert_allclose(stimulus, (values - mean) / std, rtol=1e-3, atol=1e-3)
    for stimulus, values in zip([*all_stimuli(one), *all_stimuli(other)], before, strict=True):
        np.testing.assert_array_equal(stimulus, values)


def test_pickles_and_merged_neurons_keep_it() -> None:
    dataset = grid()
    dataset.standardize_stims([0, 3])
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert copy.stim_normalization["stim_indices"] == [0, 3]
    dataset.nrn_meta = [{**entry, "channel": "same"} for entry in dataset.nrn_meta]
    for other in (copy, dataset.merge_as_trials("channel")):
        assert_standardized(other, spectrograms(), [0, 3])
