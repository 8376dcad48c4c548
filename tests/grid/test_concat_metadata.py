"""Names, ids, metadata and splits of data sets as one, and the warning of mixed signals."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import NeuralDataset, concat_neural_datasets, load
from deepstrf_hf.errors import GridError
from deepstrf_hf.grid.concat import MixedSignalsWarning
from tests.grid.concat_examples import source
from tests.grid.examples import items_of, property_settings, toy


def recorded(name: str = "", prefix: str | None = "", n_stimuli: int = 2, n_neurons: int = 2, **options: Any) -> Any:
    """Return a data set whose ids are s0, s1 … and u0, u1 … with a prefix before them."""
    return source(3, n_stimuli, n_neurons, prefix=prefix, name=name, **options).dataset


def of(entries: list[dict[str, Any]], key: str) -> list[Any]:
    return [entry.get(key, "lacking") for entry in entries]


# Where each comes from ------------------------------------------------------------------------------------------------


def test_every_entry_says_where_it_comes_from() -> None:
    whole = recorded("ns1/a1", "a") + recorded("", "b", n_stimuli=1)
    assert of(whole.stim_meta, "dataset") == ["ns1/a1", "ns1/a1", "NeuralDataset"]
    assert of(whole.nrn_meta, "dataset") == ["ns1/a1", "ns1/a1", "NeuralDataset", "NeuralDataset"]
    assert whole.name == "ns1/a1+NeuralDataset"
    assert whole.where(stims={"dataset": "ns1/a1"}).S_sel == [0, 1]


def test_names_that_are_given() -> None:
    whole = concat_neural_datasets([recorded("x", "a"), recorded("x", "b")], ["left", "right"])
    assert of(whole.stim_meta, "dataset") == ["left", "left", "right", "right"]
    assert whole.name == "left+right"
    same = concat_neural_datasets([recorded("x", "a"), recorded("y", "b")], ["both", "both"])
    assert of(same.nrn_meta, "dataset") == ["both"] * 4 and same.where(neurons={"dataset": "both"}).I == [0, 1, 2, 3]


def test_a_data_set_with_itself() -> None:
    one = recorded("x")
    whole = one + one
    assert of(whole.stim_meta, "dataset") == ["x", "x", "x#2", "x#2"]
    assert of(whole.stim_meta, "stim_id") == ["x/s0", "x/s1", "x#2/s0", "x#2/s1"]
    assert of(whole.nrn_meta, "neuron_id") == ["x/u0", "x/u1", "x#2/u0", "x#2/u1"]
    assert of(one.stim_meta, "stim_id") == ["s0", "s1"]


def test_sources_of_sources_are_still_known() -> None:
    one, two, three = (recorded(name, name) for name in ("x", "y", "z"))
    for whole in (one + two + three, one + (two + three), (one + two) + (three + one)):
        assert of(whole.stim_meta, "dataset")[:6] == ["x", "x", "y", "y", "z", "z"]
        assert of(whole.nrn_meta, "dataset")[:6] == ["x", "x", "y", "y", "z", "z"]
    assert of(whole.stim_meta, "dataset")[6:] == ["x#2", "x#2"] and whole.name == "x+y+z+x#2"
    for whole in (one + one + one, one + (one + one), concat_neural_datasets([one, one, one])):
        assert of(whole.nrn_meta, "dataset") == ["x", "x", "x#2", "x#2", "x#3", "x#3"]
        assert len(set(of(whole.stim_meta, "stim_id"))) == 6
    tagged = toy(stim_meta=[{"dataset": name} for name in "aabc"])  # concatenated elsewhere, its neurons merged
    assert of((tagged + one).nrn_meta, "dataset") == ["a+b+c"] * 3 + ["x"] * 2
    named = concat_neural_datasets([one + two, three], ["both", "z"])
    assert of(named.stim_meta, "dataset") == ["both"] * 4 + ["z"] * 2


# Ids ------------------------------------------------------------------------------------------------------------------


def test_only_ids_that_occur_several_times_are_changed() -> None:
    whole = recorded("x", "", n_stimuli=3, n_neurons=1) + recorded("y", "", n_stimuli=2, n_neurons=2)
    assert of(whole.stim_meta, "stim_id") == ["x/s0", "x/s1", "s2", "y/s0", "y/s1"]
    assert of(whole.nrn_meta, "neuron_id") == ["x/u0", "y/u0", "u1"]


def test_what_has_no_id_gets_none() -> None:
    whole = recorded("x", None) + recorded("y", "") + recorded("z", None)
    assert of(whole.stim_meta, "stim_id") == ["lacking"] * 2 + ["s0", "s1"] + ["lacking"] * 2
    absent, lacking = [{"neuron_id": None}, {"neuron_id": "u0"}, {}], [{"neuron_id": "u0"}, {}, {}]
    both = concat_neural_datasets([toy(nrn_meta=absent, name="a"), toy(nrn_meta=lacking, name="b")])
    assert of(both.nrn_meta, "neuron_id") == [None, "a/u0", "lacking", "b/u0", "lacking", "lacking"]


names = st.sampled_from(["", "a", "b", "a#2", "a+b", "a/s0"])
ids = st.sampled_from(["s0", "s1", "a/s0", "b/s0", "a#2/s0", "a/a/s0"])


def named_stimuli(name: str, stim_ids: list[str]) -> NeuralDataset:
    stim_meta = [{"stim_id": stim_id} for stim_id in stim_ids]
    splits = {"train": stim_ids[1:], "test": stim_ids[:1]}
    stimuli, responses = [[[1.0]]] * len(stim_ids), [[[[1]]]] * len(stim_ids)
    return NeuralDataset.from_arrays(stimuli, responses, stim_meta, dt_ms=5, name=name, splits=splits)


@given(
    st.lists(st.tuples(names, st.lists(ids, min_size=1, max_size=3, unique=True)), min_size=2, max_size=5), st.data()
)
@property_settings
def test_ids_are_unique_and_splits_follow_them(sources: list[tuple[str, list[str]]], data: Any) -> None:
    wholes = [named_stimuli(*one) for one in sources]
    while len(wholes) > 1:  # put together in any order of brackets
        first = data.draw(st.integers(0, len(wholes) - 2))
        wholes[first : first + 2] = [wholes[first] + wholes[first + 1]]
    (whole,) = wholes
    stim_ids = of(whole.stim_meta, "stim_id")
    originals = [stim_id for _, of_source in sources for stim_id in of_source]
    assert len(set(stim_ids)) == len(originals)
    assert all(new == old or new.endswith("/" + old) for new, old in zip(stim_ids, originals, strict=True))
    first_of_source = [index == 0 for _, of_source in sources for index in range(len(of_source))]
    for stim_id, held_out in zip(stim_ids, first_of_source, strict=True):
        assert whole.splits.split_of(stim_id) == ("test" if held_out else "train")
    sizes = [len(of_source) for _, of_source in sources]
    tags = of(whole.stim_meta, "dataset")
    begins = [sum(sizes[:index]) for index in range(len(sizes))]
    assert len(set(tags)) == len(sources)
    assert [tags[begin] for begin, size in zip(begins, sizes, strict=True) for _ in range(size)] == tags


@given(st.lists(st.lists(ids, min_size=1, max_size=3, unique=True), min_size=2, max_size=4))
@property_settings
def test_ids_are_unique_even_where_names_are_not(sources: list[list[str]]) -> None:
    datasets = [named_stimuli("", stim_ids) for stim_ids in sources]
    whole = concat_neural_datasets(datasets, ["a"] * len(datasets))
    assert len(set(of(whole.stim_meta, "stim_id"))) == sum(map(len, sources))


# Metadata -------------------------------------------------------------------------------------------------------------


def test_metadata_of_different_schemas() -> None:
    one = toy(nrn_meta=[{"area": "A1"}, {"area": None}, {}], signal_type="spikes", name="x")
    other = toy(nrn_meta=[{"layer": 4, "signal_type": "lfp"}] * 3, stim_meta=[{"kind": "song"}] * 4, name="y")
    whole = one + other
    assert whole.nrn_meta == [
        {"area": "A1", "signal_type": "spikes", "dataset": "x"},
        {"area": None, "signal_type": "spikes", "dataset": "x"},
        {"signal_type": "spikes", "dataset": "x"},
        *[{"layer": 4, "signal_type": "lfp", "dataset": "y"}] * 3,
    ]
    assert whole.stim_meta[4:] == [{"kind": "song", "dataset": "y"}] * 4
    assert whole.where(neurons={"area": None}).I == [1]
    assert whole.select_pop_by_nrn_attr("layer", [3, 4]) == [3, 4, 5]
    assert whole.select_stims_by_predicate(lambda stimulus: stimulus["ci"] > 1) == [2, 3]


def test_an_unknown_kind_of_signal_is_absent() -> None:
    assert of((toy() + toy()).nrn_meta, "signal_type") == [None] * 6


def test_what_is_true_of_all_of_it() -> None:
    one = recorded("x", "a", species="ferret", signal_type="spikes", hearing_range_hz=(200, 40_000))
    two = recorded("y", "b", species="mouse", signal_type="spikes", hearing_range_hz=(1000, 80_000))
    whole = one + two + one
    assert (whole.species, whole.signal_type, whole.hearing_range_hz) == ("ferret+mouse", "spikes", None)
    assert (one + one).hearing_range_hz == (200, 40_000)
    assert (whole.dt, whole.F, whole.audio_fs, whole.path) == (5, 2, None, "")
    whole.validate()


def test_ns1_with_itself(ns1_built: Path) -> None:
    one = load(ns1_built, "a1")
    whole = one + load(ns1_built, "a1", preprocessing=None)
    assert whole.preprocessing == () and (one + one).preprocessing == one.preprocessing
    assert whole.path == f"{ns1_built}+{ns1_built}" and whole.name == "ns1/a1+ns1/a1#2"
    assert whole.band_frequencies_hz == one.band_frequencies_hz
    assert whole.splits["test"] == tuple(f"ns1/a1{n}/{i}" for n in ("", "#2") for i in one.splits["test"])
    assert whole.splits.source == one.splits.source
    test = whole.where(stims=whole.splits["test"])
    assert of([item["stim_meta"] for item in items_of(test)], "subset") == ["test"] * 8


# Splits ---------------------------------------------------------------------------------------------------------------


def test_splits_of_both() -> None:
    one = recorded("x", "", splits={"train": ["s0"], "test": ["s1"]})
    two = recorded("y", "", splits={"test": ["s0"], "val": ["s1"]})
    whole = one + recorded("z", "other") + two
    assert whole.splits == {"train": ("x/s0",), "test": ("x/s1", "y/s0"), "val": ("y/s1",)}
    assert whole.where(stims=whole.splits["test"]).S_sel == [1, 4]
    drawn = whole.stratified_splits({"train": 0.5, "val": 0.5}, by="dataset", keep={"test": whole.splits["test"]})
    assert len(drawn["train"]) == len(drawn["val"]) == 2


# Bands ----------------------------------------------------------------------------------------------------------------


def with_bands(*frequencies: float, name: str = "") -> NeuralDataset:
    dataset = recorded(name, name)
    dataset._description = replace(dataset._description, band_frequencies_hz=frequencies or None)
    return dataset


def test_bands_of_the_same_frequencies_but_for_rounding() -> None:
    whole = with_bands(500, 1000, name="x") + with_bands(503, 998, name="y")
    assert whole.band_frequencies_hz == (500, 1000)
    with pytest.raises(GridError):
        whole + with_bands(500, 2000, name="z")


@pytest.mark.parametrize("unknown_first", [False, True])
def test_bands_of_other_frequencies(unknown_first: bool) -> None:
    datasets = [with_bands(500, 1000, name="x"), with_bands(500, 1050, name="y")]
    if unknown_first:
        datasets.insert(0, with_bands(name="unknown"))
    with pytest.raises(GridError, match="band 1 of data set.*Found: 1050 Hz.*Expected: 1000 Hz.*allow_different_bands"):
        concat_neural_datasets(datasets)
    whole = concat_neural_datasets(datasets, allow_different_bands=True)
    assert whole.band_frequencies_hz is None and whole.F == 2


def test_bands_that_are_not_known_stay_so() -> None:
    assert (with_bands(500, 1000, name="x") + with_bands(name="y")).band_frequencies_hz is None
    assert (with_bands(name="x") + with_bands(500, 1000, name="y")).band_frequencies_hz is None


# Signals of different kinds -------------------------------------------------------------------------------------------


def spikes_and_eeg() -> list[NeuralDataset]:
    return [recorded("x", "a", signal_type="spikes"), recorded("y", "b", signal_type="eeg")]


@pytest.mark.parametrize("plus", [False, True])
def test_mixed_signals_are_warned_of_where_the_user_mixed_them(plus: bool) -> None:
    one, other = spikes_and_eeg()
    with pytest.warns(MixedSignalsWarning, match="eeg, spikes.*where.*'signal_type': 'eeg'") as caught:
        whole = one + other if plus else concat_neural_datasets([one, other])
    assert [Path(warning.filename).name for warning in caught] == ["test_concat_metadata.py"]
    assert whole.signal_type == "spikes+eeg"
    assert whole.where(neurons={"signal_type": "eeg"}).I == [2, 3]
    assert of(whole.nrn_meta, "signal_type") == ["spikes"] * 2 + ["eeg"] * 2


def test_mixed_signals_within_what_was_mixed_before() -> None:
    one, other = spikes_and_eeg()
    with pytest.warns(MixedSignalsWarning):
        mixed = one + other
    with pytest.warns(MixedSignalsWarning, match=r"one data set: eeg, spikes\. .*'signal_type': 'eeg'"):
        whole = concat_neural_datasets([mixed, one, other])
    assert whole.signal_type == "spikes+eeg"
    assert of(whole.nrn_meta, "signal_type") == ["spikes", "spikes", "eeg", "eeg", "spikes", "spikes", "eeg", "eeg"]


def test_signals_of_one_kind_or_an_unknown_one_are_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        concat_neural_datasets([recorded("x", "a", signal_type="spikes"), recorded("y", "b"), recorded("z", "c")])
