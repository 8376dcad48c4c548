"""Neurons merged into one, their responses as its trials."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, merge_as_trials, neural_collate
from deepstrf_hf.errors import ParameterError, UnknownNameError
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.concat_examples import Source, assert_is, side_by_side, source
from tests.grid.examples import Array, assert_same_batch, full_counts, items_of, nested, property_settings, toy


def labelled(one: Source, labels: list[Any]) -> Source:
    """Give the neurons of a source an attribute ``channel``; None gives them none."""
    for entry, label in zip(one.dataset.nrn_meta, labels, strict=True):
        if label is not None:
            entry["channel"] = label
    return one


def merged_by_loop(pairs: dict[tuple[int, int], Array], labels: list[Any]) -> tuple[dict[tuple[int, int], Array], int]:
    """Return the responses of merged neurons, in the order in which their labels first occur."""
    groups: list[list[int]] = []
    for neuron, label in enumerate(labels):
        home = [group for group in groups if label is not None and labels[group[0]] == label]
        if home:
            home[0].append(neuron)
        else:
            groups.append([neuron])
    merged: dict[tuple[int, int], Array] = {}
    for place, group in enumerate(groups):
        for stimulus in {stimulus for stimulus, _ in pairs}:
            stacked = [pairs[stimulus, neuron] for neuron in group if (stimulus, neuron) in pairs]
            if stacked:
                merged[stimulus, place] = np.concatenate(stacked)
    return merged, len(groups)


# Values ---------------------------------------------------------------------------------------------------------------


def test_the_toy() -> None:
    dataset = toy()
    merged = dataset.merge_as_trials("area")
    assert merged.N_neurons == 2 and dataset.N_neurons == 3
    assert merged.responses[0][0][:, 0].tolist() == [1, 11, 21, 101, 111]  # three trials of n0, then two of n1
    assert merged.responses[2][0].tolist() == [[2001, 2002, 2003, 2004, 2005]]
    assert merged.nrn_masks.tolist() == [[True, False], [True, False], [True, True], [True, False]]
    assert merged.n_trials.tolist() == [[5, 0], [2, 0], [1, 2], [2, 0]]
    assert [stimulus.tolist() for stimulus in merged.stims] == [stimulus.tolist() for stimulus in dataset.stims]
    same = merge_as_trials(dataset, "area")
    assert_same_batch(neural_collate(items_of(same)), neural_collate(items_of(merged)))


def test_missing_sources_as_trials_of_nan() -> None:
    dataset = toy()
    left_out, merged = dataset.merge_as_trials("area"), dataset.merge_as_trials("area", missing="nan")
    # n0 has three trials at most, n1 two: five trials wherever one of them was recorded.
    assert merged.n_trials.tolist() == [[5, 0], [5, 0], [5, 2], [5, 0]]
    assert merged.nrn_masks.tolist() == left_out.nrn_masks.tolist()
    np.testing.assert_array_equal(merged.responses[0][0], left_out.responses[0][0])
    for stimulus in range(dataset.get_S()):
        for rows, neuron in ((slice(0, 3), 0), (slice(3, 5), 1)):
            found, alone = merged.responses[stimulus][0][rows], dataset.responses[stimulus][neuron]
            if dataset.nrn_masks[stimulus, neuron]:
                np.testing.assert_array_equal(found[: len(alone)], alone)
                assert torch.isnan(found[len(alone) :]).all()
            else:
                assert torch.isnan(found).all()
    for entry, other in zip(merged.nrn_meta, left_out.nrn_meta, strict=True):
        assert entry == other
    merged.validate()


def test_preprocessing_is_done_before_missing_sources_are_filled_in() -> None:
    counts = full_counts(3, 2, trials=3, bins=8)
    smoothed = NeuralDataset.from_arrays(
        [np.zeros((2, 8), np.float32)] * 3,
        {pair: counts[pair] for pair in ((0, 0), (0, 1), (1, 1))},
        nrn_meta=[{"channel": "x"}] * 2,
        dt_ms=5.0,
        preprocessing=[HanningSmooth(21)],
    )
    merged = smoothed.merge_as_trials("channel", missing="nan")
    for stimulus, neurons in ((0, (0, 1)), (1, (1,))):
        found = merged.responses[stimulus][0]
        for neuron in neurons:
            of_neuron = smoothed.responses[stimulus][neuron]
            begin = neuron * len(smoothed.responses[0][0])
            np.testing.assert_array_equal(found[begin : begin + len(of_neuron)], of_neuron)
    assert torch.isnan(merged.responses[1][0][: len(smoothed.responses[0][0])]).all()
    assert not merged.nrn_masks[2].any()


def test_another_way_to_treat_missing_sources_is_refused() -> None:
    with pytest.raises(ParameterError, match="'leave_out' or 'nan'"):
        toy().merge_as_trials("area", missing="zero")


merges = st.integers(1, 5).flatmap(
    lambda n_neurons: st.tuples(
        st.lists(st.sampled_from(["a", "b", None]), min_size=n_neurons, max_size=n_neurons),
        st.fixed_dictionaries(
            {
                "seed": st.integers(0, 500),
                "n_stimuli": st.integers(1, 4),
                "n_neurons": st.just(n_neurons),
                "counts": st.booleans(),
                "smooth": st.booleans(),
                "normalize": st.booleans(),
                "standardize": st.booleans(),
            }
        ),
    )
)


@pytest.mark.filterwarnings("ignore::deepstrf_hf.grid.transforms.UnscaledNeuronsWarning")
@given(st.lists(merges, min_size=1, max_size=3))
@property_settings
def test_every_merge_against_loops(options: list[tuple[list[Any], dict[str, Any]]]) -> None:
    sources = [labelled(source(**one), labels) for labels, one in options]
    labels = [label for of_source, _ in options for label in of_source]
    whole = sources[0].dataset
    for one in sources[1:]:
        whole = whole + one.dataset
    pairs, stimuli, n_neurons = side_by_side(sources)
    if not any(labels):
        with pytest.raises(UnknownNameError):
            merge_as_trials(whole, "channel")
        return
    merged = merge_as_trials(whole, "channel")
    assert_is(merged, *_with(stimuli, *merged_by_loop(pairs, labels)))
    assert_is(whole, pairs, stimuli, n_neurons)
    merged.validate()


def _with(stimuli: list[Array], pairs: dict[tuple[int, int], Array], n_neurons: int) -> tuple[Any, ...]:
    return pairs, stimuli, n_neurons


def subjects(n_subjects: int = 3, channels: tuple[str, ...] = ("Cz", "Fz"), **options: Any) -> NeuralDataset:
    """Return counts of every channel of every subject, two trials each, subject by subject."""
    n_neurons = n_subjects * len(channels)
    nrn_meta = [
        {"neuron_id": f"subject{subject}.{channel}", "channel": channel, "subject": subject, "area": "scalp"}
        for subject in range(n_subjects)
        for channel in channels
    ]
    return NeuralDataset.from_arrays(
        [np.ones((2, 5), np.float32)] * 2,
        nested(full_counts(2, n_neurons, 2, 5), 2, n_neurons),
        **({"nrn_meta": nrn_meta, "dt_ms": 5} | options),
    )


def test_subjects_become_repeats() -> None:
    dataset = subjects()
    merged = dataset.merge_as_trials("channel")
    assert merged.n_trials.tolist() == [[6, 6], [6, 6]]
    for stimulus in range(2):
        for place in range(2):
            expected = [dataset.responses[stimulus][2 * subject + place].numpy() for subject in range(3)]
            np.testing.assert_array_equal(merged.responses[stimulus][place].numpy(), np.concatenate(expected))
    batch = neural_collate(items_of(merged))
    assert batch["responses"].shape == (2, 2, 6, 5) and batch["valid_mask"].all()


def test_counts_stay_counts() -> None:
    merged = subjects().merge_as_trials("channel")
    assert merged.responses[0].rows().stored.dtype == np.uint8
    whole = (subjects() + toy(nrn_meta=[{"channel": "Cz"}] * 3)).merge_as_trials("channel")
    assert [whole.responses[stimulus].rows().stored.dtype for stimulus in (0, 2)] == [np.uint8, np.float32]


def test_smoothing_is_still_to_be_done() -> None:
    dataset = subjects(preprocessing=[HanningSmooth(21)])
    merged = dataset.merge_as_trials("channel")
    assert merged.preprocessing == (HanningSmooth(21),)
    assert merged.responses[0].rows().stored.dtype == np.uint8
    np.testing.assert_array_equal(merged.responses[0][0][:2].numpy(), dataset.responses[0][0].numpy())


def test_normalization_of_the_sources_is_done_before_and_that_of_the_whole_after() -> None:
    dataset = subjects()
    scale = dataset.normalize_responses()["scale"]
    merged = dataset.merge_as_trials("channel")
    assert merged.preprocessing == ()
    stored = subjects().responses[1][3].numpy()
    np.testing.assert_allclose(merged.responses[1][1][2:4].numpy(), stored / float(scale[3]), rtol=1e-6)
    assert (merged.normalize_responses()["scale"] == 1).all()
    merged.smooth_responses()
    smoothed = np.convolve(stored[0] / float(scale[3]), [0.5, 1, 0.5], mode="same")
    np.testing.assert_allclose(merged.responses[1][1][2].numpy(), smoothed, rtol=1e-5)
    np.testing.assert_array_equal(dataset.responses[1][3].numpy(), stored / np.float32(scale[3]))


def test_quality_of_subjects_as_repeats() -> None:
    merged = subjects(n_subjects=4).merge_as_trials("channel")
    snr = merged.compute_neuron_quality()["snr"]
    for neuron in range(2):
        trials = [merged.responses[stimulus][neuron].numpy().astype(float) for stimulus in range(2)]
        single = sum(block.var(axis=1, ddof=1).mean() for block in trials)
        of_mean = sum(block.mean(axis=0).var(ddof=1) for block in trials)
        signal = (8 * of_mean - single) / 7
        assert snr[neuron] == pytest.approx(signal / (single - signal), rel=1e-6)


# Views, selections, copies --------------------------------------------------------------------------------------------


def test_every_neuron_takes_part_selected_or_not() -> None:
    dataset = subjects()
    view = dataset.where(neurons=[3], stims=[1])
    merged = view.merge_as_trials("channel")
    assert merged.I is None and merged.S_sel is None
    assert_same_batch(neural_collate(items_of(merged)), neural_collate(items_of(dataset.merge_as_trials("channel"))))
    assert (view.I, view.S_sel, dataset.I) == ([3], [1], None)


def test_selections_afterwards() -> None:
    merged = toy().merge_as_trials("area")
    merged.select_population([1])
    assert [item["stim_meta"]["name"] for item in items_of(merged)] == ["s2"]
    view = merged.where(stims=[0, 2])
    merged.reset_pop_selection()
    assert view.I == [1] and len(view) == 1 and len(merged) == 4
    assert merged.where(neurons={"area": "A1"}, stims={"split": "est"}).get_N() == 1
    assert merged.where(neurons={"area": "AAF"}, stims={"split": "test"}).get_N() == 0


def test_the_source_stays_as_it_is() -> None:
    dataset = subjects()
    merged = dataset.merge_as_trials("channel")
    merged.stim_meta[0]["kind"] = "song"
    merged.nrn_meta[0]["area"] = "A1"
    merged.smooth_responses()
    merged.standardize_stims()
    assert dataset.stim_meta == [{}, {}] and {entry["area"] for entry in dataset.nrn_meta} == {"scalp"}
    assert dataset.preprocessing == () and dataset.stims[0].tolist() == subjects().stims[0].tolist()
    assert not np.shares_memory(merged.responses[0].rows().stored, dataset.responses[0].rows().stored)


class Eeg(NeuralDataset):
    """A class of a user's own."""


def test_class_splits_and_description_are_kept() -> None:
    stim_meta = [{"stim_id": "one"}, {"stim_id": "two"}]
    dataset = Eeg.from_arrays(
        [np.ones((2, 3))] * 2, np.ones((2, 2, 1, 3)), stim_meta, [{"channel": "Cz"}] * 2, dt_ms=5, signal_type="eeg",
        splits={"train": ["one"], "test": ["two"]}, name="alice",
    )  # fmt: skip
    merged = dataset.merge_as_trials("channel")
    assert type(merged) is Eeg and merged.splits == dataset.splits
    assert (merged.signal_type, merged.name, merged.dt) == ("eeg", "alice", 5)
    assert merged.where(stims=merged.splits["test"]).S_sel == [1]


def test_copies_and_loaders() -> None:
    merged = subjects().merge_as_trials("channel")
    for other in (copy.deepcopy(merged), pickle.loads(pickle.dumps(merged))):  # noqa: S301
        assert other.nrn_meta == merged.nrn_meta
        assert_same_batch(neural_collate(items_of(other)), neural_collate(items_of(merged)))
    (batch,) = torch.utils.data.DataLoader(merged, batch_size=2, collate_fn=neural_collate)
    assert_same_batch(batch, neural_collate(items_of(merged)))


def test_merged_again() -> None:
    once = subjects().merge_as_trials("channel")
    twice = once.merge_as_trials("area")
    assert twice.N_neurons == 1 and twice.n_trials.tolist() == [[12], [12]]
    np.testing.assert_array_equal(
        twice.responses[0][0].numpy(), np.concatenate([once.responses[0][0], once.responses[0][1]])
    )
    assert twice.nrn_meta == [{"area": "scalp", "neuron_id": "scalp", "merged": ["Cz", "Fz"], "n_merged": 2}]


# Metadata -------------------------------------------------------------------------------------------------------------


def test_metadata_on_which_all_agree() -> None:
    merged = subjects().merge_as_trials("channel")
    assert merged.nrn_meta == [
        {
            "neuron_id": channel,
            "channel": channel,
            "area": "scalp",
            "merged": [f"subject{subject}.{channel}" for subject in range(3)],
            "n_merged": 3,
        }
        for channel in ("Cz", "Fz")
    ]


def test_what_counts_as_agreement() -> None:
    same: dict[str, Any] = {"by": 1, "nan": math.nan, "none": None, "list": [1, 2], "array": np.array([1, 2])}
    one = {**same, "single": True, "text": "a"}
    other = {**same, "by": np.int64(1), "nan": np.float32("nan"), "array": np.array([1, 2]), "single": 1, "other": 3}
    (entry,) = toy(nrn_meta=[one, other, other]).merge_as_trials("by").nrn_meta
    assert set(entry) == {"by", "nan", "none", "list", "array", "merged", "n_merged"}
    assert math.isnan(entry["nan"]) and entry["merged"] == [0, 1, 2]
    different = [{**one, "array": np.array([1, 3]), "none": 0, "list": [1]}, one, one]
    (entry,) = toy(nrn_meta=different).merge_as_trials("by").nrn_meta
    assert set(entry) == {"by", "nan", "single", "text", "merged", "n_merged"}


def test_coverage_and_quality_are_not_those_of_the_sources() -> None:
    nrn_meta = [{"channel": "Cz", "n_trials": 4, "snr": math.nan, "ccmax": 1.0, "area": "x"} for _ in range(2)]
    merged = toy(nrn_meta=[*nrn_meta, {"channel": "Fz", "n_trials": 4, "snr": 0.5}]).merge_as_trials("channel")
    assert merged.nrn_meta == [
        {"channel": "Cz", "area": "x", "merged": [0, 1], "n_merged": 2},
        {"channel": "Fz", "n_trials": 4, "snr": 0.5, "merged": [2], "n_merged": 1},
    ]


@pytest.mark.parametrize("absent", [{"channel": None}, {"channel": math.nan}, {"channel": np.float64("nan")}, {}])
def test_neurons_without_a_value_stay_alone(absent: dict[str, Any]) -> None:
    nrn_meta = [{"neuron_id": "a", **absent}, {"neuron_id": "b", "channel": "Cz"}, {"neuron_id": "c", **absent}]
    merged = toy(nrn_meta=nrn_meta).merge_as_trials("channel")
    assert merged.N_neurons == 3
    assert [entry["neuron_id"] for entry in merged.nrn_meta] == ["a", "Cz", "c"]
    assert [entry["merged"] for entry in merged.nrn_meta] == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ([1, "1", 1], [[0, 2], [1]]),
        ([1, True, 1.0], [[0, 2], [1]]),
        ([np.int64(2), 2, np.str_("2")], [[0, 1], [2]]),
        ([0, None, 0], [[0, 2], [1]]),
        ([torch.tensor(1), 1, 2], [[0, 1], [2]]),
        (["", " ", ""], [[0, 2], [1]]),
    ],
)
def test_values_that_are_the_same(labels: list[Any], groups: list[list[int]]) -> None:
    merged = toy(nrn_meta=[{"channel": label} for label in labels]).merge_as_trials("channel")
    assert [entry["merged"] for entry in merged.nrn_meta] == groups


# What is refused ------------------------------------------------------------------------------------------------------


def test_an_unknown_attribute() -> None:
    with pytest.raises(UnknownNameError, match="No neuron attribute is named 'chanel'.*did you mean 'channel'"):
        subjects().merge_as_trials("chanel")


@pytest.mark.parametrize("label", [["Cz"], ("Cz", 1), {"name": "Cz"}, {"Cz"}, np.array([1, 2])])
def test_values_that_name_no_neuron(label: Any) -> None:
    with pytest.raises(ParameterError, match="cannot be merged by this attribute. Field: channel. Found: "):
        toy(nrn_meta=[{"channel": "Cz"}, {"channel": label}, {}]).merge_as_trials("channel")


@pytest.mark.parametrize("labels", [[1, 1, "1"], [True, "True", True], ["c", "c", None]])
def test_merged_neurons_of_the_same_id(labels: list[Any]) -> None:
    nrn_meta = [{"neuron_id": name, "channel": label} for name, label in zip("abc", labels, strict=True)]
    with pytest.raises(ParameterError, match=f"same id after merging. Field: channel. Found: {labels[0]}"):
        toy(nrn_meta=nrn_meta).merge_as_trials("channel")
    nrn_meta[-1]["neuron_id"] = "d"
    assert toy(nrn_meta=[{**entry, "channel": "c"} for entry in nrn_meta]).merge_as_trials("channel").N_neurons == 1
