"""Data sets as one whose neurons are joined by their ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, concat_neural_datasets
from deepstrf_hf.columns import COVERAGE_COLUMNS
from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.concat import MixedSignalsWarning
from deepstrf_hf.grid.repeats import OF_RESPONSES
from tests.grid.concat_examples import Source, assert_is, source
from tests.grid.examples import Array, property_settings, toy


def joined(*datasets: NeuralDataset, **options: Any) -> NeuralDataset:
    return concat_neural_datasets(datasets, join_neurons=True, **options)


def with_neurons(ids: list[str], seed: int, **options: Any) -> Source:
    """Return a source whose neurons have these ids."""
    one = source(seed, 2, len(ids), prefix=f"{seed}-", **options)
    for entry, neuron_id in zip(one.dataset.nrn_meta, ids, strict=True):
        entry["neuron_id"] = neuron_id
    return one


def join_by_loop(sources: list[Source]) -> tuple[dict[tuple[int, int], Array], list[Array], list[str]]:
    """Return the responses, the stimuli, and the ids of the neurons in the order in which they first occur."""
    neuron_ids: list[str] = []
    pairs: dict[tuple[int, int], Array] = {}
    stimuli: list[Array] = []
    for one in sources:
        for entry in one.dataset.nrn_meta:
            if entry["neuron_id"] not in neuron_ids:
                neuron_ids.append(entry["neuron_id"])
        for (stimulus, neuron), response in one.pairs.items():
            place = neuron_ids.index(one.dataset.nrn_meta[neuron]["neuron_id"])
            pairs[stimulus + len(stimuli), place] = response
        stimuli += one.stimuli
    return pairs, stimuli, neuron_ids


def test_joined_neurons_have_the_stimuli_of_both() -> None:
    one, other = with_neurons(["a", "b"], 1), with_neurons(["c", "b", "a"], 2)
    whole = joined(one.dataset, other.dataset)
    assert [entry["neuron_id"] for entry in whole.nrn_meta] == ["a", "b", "c"]
    pairs, stimuli, neuron_ids = join_by_loop([one, other])
    assert_is(whole, pairs, stimuli, len(neuron_ids))
    assert {stimulus for stimulus, neuron in pairs if neuron == 0} & {2, 3}


neuron_names = st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True)


@pytest.mark.filterwarnings("ignore::deepstrf_hf.grid.transforms.UnscaledNeuronsWarning")
@given(st.lists(st.tuples(neuron_names, st.booleans(), st.booleans(), st.booleans()), min_size=2, max_size=4))
@property_settings
def test_every_join_has_the_values_at_their_places(options: list[tuple[list[str], bool, bool, bool]]) -> None:
    sources = [
        with_neurons(ids, seed, counts=counts, smooth=smooth, normalize=normalize)
        for seed, (ids, counts, smooth, normalize) in enumerate(options)
    ]
    pairs, stimuli, neuron_ids = join_by_loop(sources)
    datasets = [one.dataset for one in sources]
    for whole in (joined(*datasets), joined(joined(*datasets[:2]), *datasets[2:])):
        assert [entry["neuron_id"] for entry in whole.nrn_meta] == neuron_ids
        assert_is(whole, pairs, stimuli, len(neuron_ids))


def test_transforms_after_joining_take_a_neuron_as_one() -> None:
    one, other = with_neurons(["a", "b"], 6), with_neurons(["b", "a"], 7)
    whole = joined(one.dataset, other.dataset)
    scale = whole.normalize_responses()["scale"]
    pairs, *_ = join_by_loop([one, other])
    for neuron in range(2):
        largest = max(float(np.abs(r).max()) for (_, n), r in pairs.items() if n == neuron)
        assert float(scale[neuron]) == pytest.approx(largest)


def test_metadata_are_those_of_both() -> None:
    one = toy(
        nrn_meta=[{"neuron_id": "a", "area": None, "depth": 3}, {"neuron_id": "b"}, {"neuron_id": "c"}], name="x",
        signal_type="spikes",
    )  # fmt: skip
    other = toy(
        nrn_meta=[{"neuron_id": "d"}, {"neuron_id": "a", "area": "A1", "depth": 4, "site": 1}, {"neuron_id": "e"}],
        name="y", signal_type="spikes",
    )  # fmt: skip
    whole = joined(one, other)
    first, *rest = whole.nrn_meta
    assert first == {
        "neuron_id": "a", "area": "A1", "depth": 3, "site": 1, "signal_type": "spikes", "dataset": "x+y"
    }  # fmt: skip
    assert [(entry["neuron_id"], entry["dataset"]) for entry in rest] == [
        ("b", "x"), ("c", "x"), ("d", "y"), ("e", "y")
    ]  # fmt: skip
    assert [entry["dataset"] for entry in whole.stim_meta] == ["x"] * 4 + ["y"] * 4
    third = joined(whole, toy(nrn_meta=[{"neuron_id": n} for n in "afg"], name="z", signal_type="spikes"))
    assert [entry["dataset"] for entry in third.nrn_meta] == ["x+y+z", "x", "x", "y", "y", "z", "z"]
    assert third.name == "x+y+z"
    side_by_side = whole + one
    assert [entry["dataset"] for entry in side_by_side.nrn_meta] == ["x+y", "x", "x", "y", "y", "x#2", "x#2", "x#2"]
    assert side_by_side.nrn_meta[0]["neuron_id"] == "x+y/a"
    other_way = one + whole
    assert [entry["dataset"] for entry in other_way.nrn_meta] == ["x", "x", "x", "x#2+y", "x#2", "x#2", "y", "y"]
    assert [entry["dataset"] for entry in other_way.stim_meta] == ["x"] * 4 + ["x#2"] * 4 + ["y"] * 4


def test_coverage_and_quality_of_one_source_are_not_those_of_the_whole() -> None:
    assert set(COVERAGE_COLUMNS) <= OF_RESPONSES
    worked_out = dict.fromkeys(COVERAGE_COLUMNS, 1) | {"lab_snr": 2}
    nrn_meta = [{"neuron_id": name, **worked_out} for name in "abc"]
    whole = joined(toy(nrn_meta=nrn_meta), toy(nrn_meta=[{"neuron_id": name, **worked_out} for name in "cde"]))
    kept = [{name for name in entry if name in worked_out} for entry in whole.nrn_meta]
    assert kept == [set(worked_out), set(worked_out), {"lab_snr"}, set(worked_out), set(worked_out)]
    side_by_side = toy(nrn_meta=nrn_meta) + toy(nrn_meta=nrn_meta)
    assert all(entry["snr"] == 1 for entry in side_by_side.nrn_meta)


def test_a_joined_neuron_of_two_kinds_of_signal_says_so() -> None:
    nrn_meta = [{"neuron_id": name} for name in "abc"]
    with pytest.warns(MixedSignalsWarning):
        whole = joined(toy(nrn_meta=nrn_meta, signal_type="spikes"), toy(nrn_meta=nrn_meta, signal_type="eeg"))
    assert [entry["signal_type"] for entry in whole.nrn_meta] == ["spikes+eeg"] * 3


def test_stimuli_are_not_joined() -> None:
    dataset = source(5, prefix="").dataset
    whole = joined(dataset, dataset, names=["x", "y"])
    assert [entry["neuron_id"] for entry in whole.nrn_meta] == ["u0", "u1"]
    assert [entry["stim_id"] for entry in whole.stim_meta] == ["x/s0", "x/s1", "x/s2", "y/s0", "y/s1", "y/s2"]


@pytest.mark.parametrize("entry", [{}, {"neuron_id": None}])
def test_neurons_without_ids_cannot_be_joined(entry: dict[str, Any]) -> None:
    whole = [{"neuron_id": "a"}, {"neuron_id": "b"}, {"neuron_id": "c"}]
    with pytest.raises(GridError, match=r"Neurons without ids.*nrn_meta\[1\] of data set 1 \(second\)"):
        joined(toy(nrn_meta=whole), toy(nrn_meta=[whole[0], entry, whole[2]], name="second"))
