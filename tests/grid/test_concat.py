"""Data sets as one: values against loops, what is shared, and what is refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, collate_heard_neurons, concat_neural_datasets, neural_collate
from deepstrf_hf.errors import GridError, ParameterError
from tests.grid.concat_examples import Source, assert_is, side_by_side, source
from tests.grid.examples import (
    TOY_HEARD,
    assert_same_batch,
    full_counts,
    is_sentinel,
    items_of,
    nested,
    property_settings,
    toy,
    toy_with_waveforms,
)

# Values ---------------------------------------------------------------------------------------------------------------


def test_the_toy_and_the_toy() -> None:
    whole = toy() + toy()
    assert (whole.get_S(), whole.N_neurons, len(whole)) == (8, 6, 8)
    none = [False] * 3
    assert whole.nrn_masks.tolist() == [row + none for row in TOY_HEARD] + [none + row for row in TOY_HEARD]
    assert whole.responses[5][3].tolist() == [[1001, 1002, 1003, 1004, 1005, 1006]]
    assert is_sentinel(whole.responses[5][0]) and is_sentinel(whole.responses[1][3])
    assert whole.I is None and whole.S_sel is None


options_of_sources = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 1000),
        "n_stimuli": st.integers(1, 4),
        "n_neurons": st.integers(1, 3),
        "counts": st.booleans(),
        "smooth": st.booleans(),
        "normalize": st.booleans(),
        "standardize": st.booleans(),
    }
)


@pytest.mark.filterwarnings("ignore::deepstrf_hf.grid.transforms.UnscaledNeuronsWarning")
@given(st.lists(options_of_sources, min_size=1, max_size=4))
@property_settings
def test_every_concatenation_has_its_sources_on_the_diagonal(options: list[dict[str, Any]]) -> None:
    sources = [source(**one) for one in options]
    assert_is(concat_neural_datasets([one.dataset for one in sources]), *side_by_side(sources))
    for one in sources:
        assert_is(one.dataset, one.pairs, one.stimuli, one.n_neurons)


def three() -> list[Source]:
    """Return counts, smoothed and normalized potentials, and standardized stimuli, each of its own size."""
    return [
        source(1, 2, 3, prefix="x", name="one"),
        source(2, 3, 2, counts=False, smooth=True, normalize=True, prefix="x", name="two"),
        source(3, 4, 1, standardize=True, smooth=True, prefix="y", name="three"),
    ]


NESTINGS: dict[str, Callable[..., NeuralDataset]] = {
    "(a+b)+c": lambda a, b, c: (a + b) + c,
    "a+(b+c)": lambda a, b, c: a + (b + c),
    "[a,b,c]": lambda a, b, c: concat_neural_datasets([a, b, c]),
    "iterator": lambda a, b, c: concat_neural_datasets(iter([a, b, c])),
    "sum": lambda a, b, c: sum([b, c], start=a),
}


@pytest.mark.parametrize("nest", NESTINGS.values(), ids=NESTINGS)
def test_nested_concatenations_are_the_same(nest: Callable[..., NeuralDataset]) -> None:
    sources = three()
    whole, flat = nest(*(one.dataset for one in sources)), concat_neural_datasets([one.dataset for one in sources])
    assert_is(whole, *side_by_side(sources))
    for entries, others in ((whole.stim_meta, flat.stim_meta), (whole.nrn_meta, flat.nrn_meta)):
        assert [{**entry, "stim_id": 0, "neuron_id": 0} for entry in entries] == [
            {**entry, "stim_id": 0, "neuron_id": 0} for entry in others
        ]
    assert whole.name == "one+two+three"


def test_one_data_set_is_itself() -> None:
    dataset = toy()
    assert concat_neural_datasets([dataset]) is dataset
    assert concat_neural_datasets((dataset,), ["another"]) is dataset
    assert all("dataset" not in entry for entry in dataset.stim_meta + dataset.nrn_meta)


def test_selections_are_not_carried_over() -> None:
    one, other = source(4, prefix="a"), source(5, prefix="b")
    one.dataset.select_population([])
    whole = one.dataset + other.dataset.where(neurons=[1], stims=[0])
    assert whole.I is None and whole.S_sel is None
    assert_is(whole, *side_by_side([one, other]))
    assert one.dataset.I == []


def test_selections_cross_the_sources() -> None:
    whole = toy() + toy()
    whole.select_population([4, 2])
    whole.select_stims([2, 3, 5])
    assert [item["valid_mask"].tolist() for item in items_of(whole)] == [[False, True], [True, False]]
    assert items_of(whole)[1]["responses"][0].tolist() == [[1101, 1102, 1103, 1104, 1105, 1106]]
    batch = collate_heard_neurons(items_of(whole)[1:])
    assert batch["neurons"].tolist() == [0] and batch["responses"].shape == (1, 1, 1, 6)


def test_transforms_of_the_whole_take_all_of_it() -> None:
    one, other = source(6, counts=False), source(7, standardize=True)
    whole = one.dataset + other.dataset
    statistics = whole.standardize_stims()
    together = np.concatenate([*one.stimuli, *other.stimuli], axis=1)
    np.testing.assert_allclose(statistics["mean"].numpy().ravel(), together.mean(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(statistics["std"].numpy().ravel(), together.std(axis=1, ddof=1), rtol=1e-4)
    first = (one.stimuli[0] - together.mean(axis=1, keepdims=True)) / together.std(axis=1, ddof=1, keepdims=True)
    np.testing.assert_allclose(whole.stims[0][0].numpy(), first, rtol=1e-4, atol=1e-5)
    assert_is(one.dataset, one.pairs, one.stimuli, one.n_neurons)
    assert_is(other.dataset, other.pairs, other.stimuli, other.n_neurons)


def test_waveforms() -> None:
    whole = toy_with_waveforms() + toy_with_waveforms()
    assert (whole.audio_fs, whole.hop, whole.return_waveform) == (8000, 40, True)
    assert whole.stims[5][0].tolist() == toy_with_waveforms().stims[1][0].tolist()
    assert neural_collate(items_of(whole))["stims"].shape == (8, 1, 240)


# Sharing --------------------------------------------------------------------------------------------------------------


def full(name: str) -> NeuralDataset:
    return NeuralDataset.from_arrays(
        [np.ones((2, 5), np.float32)] * 2, nested(full_counts(2, 2, 3, 5), 2, 2), dt_ms=5, name=name
    )


def test_values_are_shared() -> None:
    one, other = full("one"), full("other")
    whole = one + other
    for dataset, first in ((one, 0), (other, 2)):
        for stimulus in range(2):
            stored = whole.responses[first + stimulus].rows().stored
            assert stored.dtype == np.uint8
            assert np.shares_memory(stored, dataset.responses[stimulus].rows().stored)
            assert np.shares_memory(whole.stims[first + stimulus].numpy(), dataset.stims[stimulus].numpy())


@pytest.mark.filterwarnings("ignore::deepstrf_hf.grid.transforms.UnscaledNeuronsWarning")
def test_the_whole_and_its_sources_do_not_change_each_other() -> None:
    sources = three()
    one, two, last = (source.dataset for source in sources)
    whole = concat_neural_datasets([one, two, last])
    two.smooth_responses()
    two.standardize_stims()
    two.select_stims([0])
    two.nrn_meta[0]["area"] = "A1"
    assert_is(whole, *side_by_side(sources))
    assert all("area" not in entry for entry in whole.nrn_meta)
    whole.normalize_responses()
    whole.smooth_responses()
    whole.standardize_stims()
    whole.compute_neuron_quality()
    assert_is(one, sources[0].pairs, sources[0].stimuli, 3)
    assert_is(last, sources[2].pairs, sources[2].stimuli, 1)
    assert all("snr" not in entry and "dataset" not in entry for entry in one.nrn_meta)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda whole: pickle.loads(pickle.dumps(whole))])  # noqa: S301
def test_copies(duplicate: Callable[[NeuralDataset], NeuralDataset]) -> None:
    sources = three()
    whole = concat_neural_datasets([one.dataset for one in sources])
    view = whole.where(neurons=[5, 3], stims=[2, 3, 4, 7])
    assert_is(duplicate(whole), *side_by_side(sources))
    other = duplicate(view)
    assert (other.stim_meta, other.nrn_meta, other.splits) == (whole.stim_meta, whole.nrn_meta, whole.splits)
    assert_same_batch(neural_collate(items_of(other)), neural_collate(items_of(view)))


# Classes --------------------------------------------------------------------------------------------------------------


class Named(NeuralDataset):
    """A class of a user's own, whose construction wants more."""

    def __init__(self, *arguments: Any, colour: str = "red") -> None:
        super().__init__(*arguments)
        self.colour = colour


def test_the_class_is_the_common_one() -> None:
    named = [Named.from_arrays([np.ones((2, 3))], [[np.ones((1, 3))]], dt_ms=5) for _ in range(2)]
    assert type(concat_neural_datasets(named)) is Named
    assert type(named[0] + toy()) is NeuralDataset


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("datasets", "problem"),
    [
        ([], "Nothing to concatenate. Field: datasets. Found: none"),
        (iter([]), "Nothing to concatenate"),
        (None, "Nothing to concatenate.*Found: None"),
        (3, "Nothing to concatenate.*Found: 3"),
        ([3], r"Not a data set. Field: datasets\[0\]. Found: 3"),
        ([None, 3], r"Field: datasets\[0\]. Found: None"),
        ("ab", r"Field: datasets\[0\]. Found: 'a'"),
        ({"one": 1}, "Found: 'one'"),
    ],
)
def test_what_is_no_list_of_data_sets(datasets: Any, problem: str) -> None:
    with pytest.raises(ParameterError, match=problem):
        concat_neural_datasets(datasets)


def test_a_data_set_is_not_taken_for_a_list_of_them() -> None:
    with pytest.raises(ParameterError, match="Nothing to concatenate.*NeuralDataset.*Expected: a list of data sets"):
        concat_neural_datasets(toy())  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"datasets\[1\]"):
        concat_neural_datasets([toy(), toy()[0]])  # type: ignore[list-item]


@pytest.mark.parametrize("other", [1, None, "toy", [1]])
def test_plus_something_else(other: Any) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        toy() + other
    with pytest.raises(TypeError):
        other + toy()


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["one"], "One name for each data set. Field: names. Found: 1. Expected: 2"),
        ([], "One name for each"),
        ("ab", "must be text. Field: names. Found: 'ab'"),
        ([1, 2], "must be text"),
        (["one", None], "must be text"),
    ],
)
def test_names_that_do_not_fit(names: Any, problem: str) -> None:
    with pytest.raises(ParameterError, match=problem):
        concat_neural_datasets([toy(), toy()], names)


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (lambda: toy(dt_ms=4), r"Different bin widths.*data set 1 \(unnamed\).*Found: 4. Expected: 5"),
        (lambda: toy(stims=[np.ones((3, bins)) for bins in (4, 6, 5, 3)]), "numbers of frequency bands.*Found: 3"),
        (lambda: toy_with_waveforms(), "kinds of stimuli.*Found: waveforms. Expected: spectrograms"),
        (lambda: toy(dt_ms=4, name="other"), r"data set 1 \(other\)"),
    ],
)
def test_data_sets_that_do_not_fit(other: Callable[[], NeuralDataset], problem: str) -> None:
    with pytest.raises(GridError, match=problem):
        toy() + other()
    with pytest.raises(GridError, match="data set 2"):
        concat_neural_datasets([toy(), toy(), other()])


def test_sources_that_were_broken_since_they_were_made() -> None:
    one, other = toy(), toy()
    other.stims[1][0, 0, 2] = float("nan")
    with pytest.raises(GridError, match="A stimulus holds NaN.*Field: stimulus 5"):
        one + other


def test_waveforms_of_different_rates_or_bands() -> None:
    with pytest.raises(GridError, match="rates of waveforms.*Found: 16000. Expected: 8000"):
        toy_with_waveforms() + toy_with_waveforms(
            audio_fs=16_000, stims=[np.ones(bins * 80, np.float32) for bins in (4, 6, 5, 3)]
        )
    with pytest.raises(GridError, match="numbers of frequency bands.*Found: 34. Expected: 17"):
        toy_with_waveforms(n_bands=17) + toy_with_waveforms(n_bands=34)
