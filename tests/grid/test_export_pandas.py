"""What `to_pandas` makes of a grid, against plain loops."""

import sys

import numpy as np
import pandas
import pytest
from hypothesis import given

from deepstrf_hf import load
from deepstrf_hf.errors import GridError, MissingDependencyError, ParameterError
from deepstrf_hf.grid.export_pandas import to_pandas
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.built_files import pair_responses
from tests.grid.examples import (
    TOY_TRIALS,
    dataset_of,
    heard_by_loop,
    property_settings,
    toy,
    toy_pairs,
    toy_with_waveforms,
    visible_by_loop,
)
from tests.grid.test_export_xarray import IDS, grids_with_a_selection


def pairs_by_loop(pairs, bins, n_neurons, neurons, stimuli):
    """Return the pairs of a selection, in the order of the rows of the table."""
    heard = heard_by_loop(pairs, len(bins), n_neurons)
    shown, iterated = visible_by_loop(heard, neurons, stimuli)
    return [
        (stimulus, neuron, pairs[stimulus, neuron])
        for stimulus in iterated
        for neuron in shown
        if heard[stimulus][neuron]
    ]


@property_settings
@given(grids_with_a_selection())
def test_rows_are_the_pairs_selected(example):
    pairs, bins, n_neurons, neurons, stimuli = example
    dataset = dataset_of(pairs, bins, n_neurons)
    dataset.I, dataset.S_sel = neurons, stimuli
    expected = pairs_by_loop(*example)
    table = to_pandas(dataset)
    assert table.stim_id.tolist() == [stimulus for stimulus, _, _ in expected]
    assert table.neuron_id.tolist() == [neuron for _, neuron, _ in expected]
    assert table.n_trials.tolist() == [len(response) for _, _, response in expected]
    assert table.n_bins.tolist() == [response.shape[1] for _, _, response in expected]
    for found, (_, _, response) in zip(table.response, expected, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, response)


@property_settings
@given(grids_with_a_selection())
def test_rows_per_bin_are_the_samples_of_the_pairs(example):
    pairs, bins, n_neurons, neurons, stimuli = example
    dataset = dataset_of(pairs, bins, n_neurons)
    dataset.I, dataset.S_sel = neurons, stimuli
    expected = [
        (stimulus, neuron, trial, 5.0 * time, response[trial, time])
        for stimulus, neuron, response in pairs_by_loop(*example)
        for trial in range(response.shape[0])
        for time in range(response.shape[1])
    ]
    table = to_pandas(dataset, per="bin")
    assert list(table.columns) == ["stim_id", "neuron_id", "trial", "time_ms", "response"]
    assert len(table) == len(expected)
    for name, values in zip(table.columns, zip(*expected, strict=True), strict=False):
        np.testing.assert_array_equal(np.asarray(table[name]), values)


def test_columns_of_pairs_are_in_order_and_typed():
    table = to_pandas(toy(**IDS))
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "stim_id": "string",
        "neuron_id": "string",
        "n_trials": "int32",
        "n_bins": "int32",
        "response": "object",
        "stim_name": "string",
        "stim_split": "string",
        "stim_ci": "Int64",
        "neuron_name": "string",
        "neuron_area": "string",
        "neuron_depth": "Int64",
        "neuron_single": "boolean",
    }
    assert list(zip(table.stim_name, table.neuron_name, strict=True)) == [(f"s{s}", f"n{n}") for s, n in TOY_TRIALS]
    absent = table[table.neuron_name == "n1"].neuron_depth
    assert absent.isna().all()
    assert table[table.neuron_name == "n0"].neuron_depth.tolist() == [100] * 4
    assert table.set_index(["stim_id", "neuron_id"]).loc[("sound-2", "cell-2")].n_trials == 2


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2, 3, 4], "int64"),
        ([1, None, 3, 4], "Int64"),
        ([1, 2.5, None, np.float32(3)], "float64"),
        ([True, False, True, True], "bool"),
        ([True, None, True, True], "boolean"),
        (["a", None, "c", "d"], "string"),
        ([1, "b", None, 2.0], "object"),
        ([[1, 2], [3], None, []], "object"),
        ([2**70, 1, 2, 3], "object"),
        ([None, None, None, None], "float64"),
    ],
)
def test_metadata_of_any_kind_keep_their_values(values, dtype):
    table = to_pandas(toy(stim_meta=[{"x": value} for value in values]))
    assert str(table.stim_x.dtype) == dtype
    by_stimulus = table.drop_duplicates("stim_id").stim_x.tolist()
    for found, value in zip(by_stimulus, values, strict=True):
        assert (found is None or pandas.isna(found)) if value is None else found == value


def test_rows_per_bin_name_their_categories():
    table = to_pandas(toy(**IDS), per="bin")
    assert isinstance(table.stim_id.dtype, pandas.CategoricalDtype)
    assert table.neuron_id.cat.categories.tolist() == ["cell-0", "cell-1", "cell-2"]
    assert table.groupby(["stim_id", "neuron_id"], observed=True).trial.max().loc[("sound-0", "cell-0")] == 2
    assert table.response.dtype == np.float32
    assert table.response.isna().sum() == 1  # the sample that the toy lacks


def test_a_neuron_chosen_twice_has_its_rows_twice():
    dataset = toy(**IDS)
    dataset.select_population([1, 0, 1])
    assert to_pandas(dataset).neuron_id.tolist() == ["cell-1", "cell-0", "cell-1"] * 2 + ["cell-0"] * 2
    per_bin = to_pandas(dataset, per="bin")
    assert per_bin.neuron_id.cat.categories.tolist() == ["cell-1", "cell-0"]
    assert (per_bin.neuron_id == "cell-1").sum() == 2 * (2 * 4 + 1 * 6)


def test_responses_are_preprocessed():
    step = HanningSmooth(21)
    found = to_pandas(toy(preprocessing=(step,)))
    np.testing.assert_array_equal(found.response[0], step.apply(toy_pairs()[0, 0], 5))
    per_bin = to_pandas(toy(preprocessing=(step,)), per="bin")
    np.testing.assert_array_equal(per_bin.response[:12], step.apply(toy_pairs()[0, 0], 5).ravel())


def test_waveforms_do_not_matter():
    pandas.testing.assert_frame_equal(to_pandas(toy_with_waveforms(), per="bin"), to_pandas(toy(), per="bin"))


def test_times_are_those_of_the_bins():
    assert to_pandas(toy(dt_ms=2.5), per="bin").time_ms[:4].tolist() == [0, 2.5, 5, 7.5]


@pytest.mark.parametrize("per", ["pair", "bin"])
def test_nothing_selected_makes_an_empty_table(per):
    dataset = toy(**IDS)
    whole = to_pandas(dataset, per=per)
    dataset.select_population([])
    table = to_pandas(dataset, per=per)
    assert len(table) == 0
    assert {"stim_id", "neuron_id", "response"} <= set(table.columns) <= set(whole.columns)


def test_an_unknown_kind_of_table_is_refused():
    with pytest.raises(ParameterError, match="per"):
        to_pandas(toy(), per="trial")


@pytest.mark.parametrize("per", ["pair", "bin"])
def test_a_table_too_large_is_refused(per):
    assert len(to_pandas(toy(), per=per, max_bytes=10_000))
    with pytest.raises(GridError, match="max_bytes") as caught:
        to_pandas(toy(), per=per, max_bytes=53)  # it has 53 samples
    assert caught.value.mend


def test_the_size_of_rows_per_bin_is_not_underrated():
    dataset = dataset_of({(0, 0): np.zeros((100, 1000), np.uint8)}, [1000], 1)
    table = to_pandas(dataset, per="bin")
    assert table.memory_usage(index=False).sum() <= 24 * len(table)
    with pytest.raises(GridError, match="pair"):
        to_pandas(dataset, per="bin", max_bytes=24 * len(table) - 1)


def test_without_pandas_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pandas") as caught:
        to_pandas(toy())
    assert "deepstrf-hf[analysis]" in caught.value.mend


def test_a_build_has_the_columns_of_its_tables(known_build):
    dataset = load(known_build.directory)
    table = to_pandas(dataset)
    expected = pair_responses(dataset)
    assert len(table) == len(expected)
    for row in table.itertuples():
        np.testing.assert_array_equal(row.response, expected[row.stim_id, row.neuron_id])
    assert table.columns.is_unique
    assert {"stim_name", "stim_subset", "neuron_area", "neuron_snr", "neuron_n_trials"} <= set(table.columns)
