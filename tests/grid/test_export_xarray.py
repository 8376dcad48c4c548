"""What `to_xarray` makes of a grid, against plain loops."""

import sys

import numpy as np
import pytest
import torch
import xarray
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf import load
from deepstrf_hf.errors import GridError, MissingDependencyError
from deepstrf_hf.grid.export_xarray import to_xarray
from deepstrf_hf.responses.preprocessing import HanningSmooth
from tests.grid.built_files import pair_responses
from tests.grid.examples import (
    TOY_BINS,
    TOY_NRN_META,
    TOY_STIM_META,
    LeaveOutOnset,
    batch_by_loop,
    dataset_of,
    heard_by_loop,
    items_of,
    neurons_of,
    property_settings,
    toy,
    toy_pairs,
    toy_stimuli,
    toy_waveforms,
    toy_with_waveforms,
    visible_by_loop,
)

IDS = {
    "stim_meta": [{"stim_id": f"sound-{number}", **entry} for number, entry in enumerate(TOY_STIM_META)],
    "nrn_meta": [{"neuron_id": f"cell-{number}", **entry} for number, entry in enumerate(TOY_NRN_META)],
}


class Doubling:
    """A step that says nothing of itself."""

    def apply(self, values, dt_ms):
        return 2 * values


@st.composite
def grids_with_a_selection(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bins = [draw(st.integers(1, 6)) for _ in range(draw(st.integers(1, 4)))]
    n_neurons = draw(st.integers(1, 4))
    pairs = {}
    for stimulus, length in enumerate(bins):
        for neuron in range(n_neurons):
            if rng.random() < 0.6:
                response = rng.normal(size=(int(rng.integers(1, 4)), length)).astype(np.float32)
                response[rng.random(response.shape) < rng.choice([0, 0.2, 1])] = np.nan
                pairs[stimulus, neuron] = response
    neurons = draw(st.none() | st.lists(st.integers(0, n_neurons - 1), max_size=4))
    stimuli = draw(st.none() | st.lists(st.integers(0, len(bins) - 1), max_size=4))
    return pairs, bins, n_neurons, neurons, stimuli


@property_settings
@given(grids_with_a_selection())
def test_values_are_those_of_the_pairs_selected(example):
    pairs, bins, n_neurons, neurons, stimuli = example
    dataset = dataset_of(pairs, bins, n_neurons)
    dataset.I, dataset.S_sel = neurons, stimuli
    shown, iterated = visible_by_loop(heard_by_loop(pairs, len(bins), n_neurons), neurons, stimuli)
    made = to_xarray(dataset)
    assert made.neuron.values.tolist() == shown
    assert made.stimulus.values.tolist() == iterated
    with_data = {pair: response for pair, response in pairs.items() if np.isfinite(response).any()}
    expected = batch_by_loop(with_data, iterated, shown)
    if made.response.size:
        there = np.s_[:, :, : made.sizes["trial"], : made.sizes["time"]]
        np.testing.assert_array_equal(made.response.values, expected[there])
        assert np.isnan(np.delete(expected, np.s_[: made.sizes["trial"]], axis=2)).all()
        assert np.isfinite(made.response).any(["stimulus", "neuron", "time"]).all()
    else:
        assert np.isnan(expected).all()
    assert made.sizes["time"] == max((bins[stimulus] for stimulus in iterated), default=0)


def test_everything_has_its_dimensions_types_and_coordinates():
    made = to_xarray(toy())
    assert made.response.dims == ("stimulus", "neuron", "trial", "time")
    assert made.response.dtype == np.float32
    np.testing.assert_array_equal(made.response, batch_by_loop(toy_pairs(), range(4), range(3)))
    assert made.time.values.tolist() == [0, 5, 10, 15, 20, 25]
    assert made.time.attrs["units"] == "ms"
    assert made.spectrogram.dims == ("stimulus", "frequency", "time")
    for number, spectrogram in enumerate(toy_stimuli()):
        found = made.spectrogram.values[number]
        np.testing.assert_array_equal(found[:, : TOY_BINS[number]], spectrogram)
        assert np.isnan(found[:, TOY_BINS[number] :]).all()
    assert "frequency" not in made.coords  # nobody said where the bands lie
    assert made.attrs["dt_ms"] == 5


def test_waveforms_stand_in_place_of_spectrograms():
    made = to_xarray(toy_with_waveforms())
    assert "spectrogram" not in made
    assert made.waveform.dims == ("stimulus", "sample")
    assert made.waveform.attrs["sampling_rate_hz"] == 8000
    for number, waveform in enumerate(toy_waveforms(40)):
        np.testing.assert_array_equal(made.waveform.values[number, : len(waveform)], waveform)
        assert np.isnan(made.waveform.values[number, len(waveform) :]).all()
    assert made.sizes["sample"] == 40 * max(TOY_BINS)


def test_ids_can_be_selected_by():
    made = to_xarray(toy(**IDS))
    response = made.response.sel(stim_id="sound-2", neuron_id="cell-2")
    np.testing.assert_array_equal(response[:2, :5], toy_pairs()[2, 2])
    assert made.sel(stim_id=["sound-3", "sound-0"]).stimulus.values.tolist() == [3, 0]


def test_a_grid_without_ids_has_positions_alone():
    dataset = toy()
    dataset.select_population([2, 0])
    made = to_xarray(dataset)
    assert "stim_id" not in made.coords
    assert "neuron_id" not in made.coords
    np.testing.assert_array_equal(made.sel(neuron=2, stimulus=2).response[:2, :5], toy_pairs()[2, 2])


def test_one_that_lacks_an_id_is_called_by_its_position():
    entries = [dict(entry) for entry in IDS["nrn_meta"]]
    del entries[1]["neuron_id"]
    assert to_xarray(toy(nrn_meta=entries)).neuron_id.values.tolist() == ["cell-0", "neuron 1", "cell-2"]


def test_metadata_are_coordinates_whose_absence_is_kept():
    made = to_xarray(toy(**IDS))
    assert made.stim_split.values.tolist() == ["test", "est", "est", "est"]
    assert made.neuron_area.dims == ("neuron",)
    np.testing.assert_array_equal(made.stim_ci, [np.nan, 1, 2, 3])
    np.testing.assert_array_equal(made.neuron_depth, [100, np.nan, 900])
    assert made.neuron_single.values.tolist() == [True, False, None]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2, 3, 4], "i"),
        ([1, None, 3, 4], "f"),
        ([1, 2.5, None, np.float32(3)], "f"),
        ([True, False, True, True], "b"),
        (["a", "b", "c", "d"], "U"),
        (["a", None, "c", "d"], "O"),
        ([1, "b", None, 2.0], "O"),
        ([[1, 2], [3], None, []], "O"),
        ([2**70, 1, 2, 3], "O"),
        ([None, None, None, None], "f"),
        ([float("nan"), "b", "c", "d"], "O"),
    ],
)
def test_metadata_of_any_kind_keep_their_values(values, dtype):
    coordinate = to_xarray(toy(stim_meta=[{"x": value} for value in values])).stim_x
    assert coordinate.dtype.kind == dtype
    for found, value in zip(coordinate.values.tolist(), values, strict=True):
        absent = value is None or value != value
        assert found is None or found != found if absent else found == value


def test_prefixes_are_not_doubled():
    made = to_xarray(toy(stim_meta=[{"stim_name": "a", "neuron_x": 1}] * 4))
    assert made.stim_name.values.tolist() == ["a"] * 4
    assert made.stim_neuron_x.values.tolist() == [1] * 4


def test_attributes_that_would_have_one_name_are_refused():
    with pytest.raises(GridError, match="stim_name") as caught:
        to_xarray(toy(stim_meta=[{"stim_name": "a", "name": "b"}] * 4))
    assert caught.value.mend


def test_preprocessing_is_done_and_described():
    step = HanningSmooth(21)
    made = to_xarray(toy(preprocessing=(step, Doubling())))
    assert made.attrs["preprocessing"] == f"{step.describe()}; Doubling"
    expected = 2 * step.apply(toy_pairs()[0, 0], 5)
    np.testing.assert_array_equal(made.response.values[0, 0, :3, :4], expected)


def test_samples_that_preprocessing_removes_are_absent():
    made = to_xarray(toy(preprocessing=(LeaveOutOnset(2),)))
    assert np.isnan(made.response.values[..., :2]).all()
    np.testing.assert_array_equal(made.response.values[0, 0, :, 2:4], toy_pairs()[0, 0][:, 2:])


def test_nothing_selected_makes_empty_arrays():
    dataset = toy()
    dataset.select_population([])
    made = to_xarray(dataset)
    assert dict(made.sizes) == {"stimulus": 0, "neuron": 0, "trial": 0, "time": 0, "frequency": 2}


def test_size_is_known_before_memory_is_asked_for():
    size = 4 * (4 * 3 * 3 * 6 + 4 * 2 * 6)
    assert to_xarray(toy(), max_bytes=size).response.nbytes + to_xarray(toy()).spectrogram.nbytes == size
    with pytest.raises(GridError, match="max_bytes") as caught:
        to_xarray(toy(), max_bytes=size - 1)
    assert "to_pandas" in caught.value.mend


def test_a_grid_far_beyond_memory_is_refused():
    # Block-diagonal: small in the grid, eight million million values when every pair is as long as the longest.
    pairs = {(number, number): np.zeros((1, 2), np.uint8) for number in range(2000)}
    pairs[0, 0] = np.zeros((1000, 2), np.uint8)
    with pytest.raises(GridError, match="GiB"):
        to_xarray(dataset_of(pairs, [2] * 2000, 2000))


def test_without_xarray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(MissingDependencyError, match="xarray") as caught:
        to_xarray(toy())
    assert "deepstrf-hf[analysis]" in caught.value.mend


def test_a_file_keeps_it(tmp_path):
    made = to_xarray(toy(**IDS))
    made.to_netcdf(tmp_path / "toy.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "toy.nc", engine="scipy") as read:
        np.testing.assert_array_equal(read.response, made.response)
        np.testing.assert_array_equal(read.stim_ci, made.stim_ci)
        assert read.neuron_id.values.tolist() == made.neuron_id.values.tolist()
        assert read.attrs["preprocessing"] == made.attrs["preprocessing"]


def test_a_build_brings_ids_frequencies_and_description(known_build):
    dataset = load(known_build.directory)
    made = to_xarray(dataset)
    for (stim_id, neuron_id), response in pair_responses(dataset).items():
        trials, bins = response.shape
        found = made.response.sel(stim_id=stim_id, neuron_id=neuron_id)
        np.testing.assert_array_equal(found[:trials, :bins], response)
    np.testing.assert_array_equal(made.frequency, dataset.band_frequencies_hz)
    assert made.frequency.attrs["units"] == "Hz"
    assert made.attrs["signal_type"] == "spikes"
    assert made.attrs["source"] == str(known_build.directory)
    assert "Hanning" in made.attrs["preprocessing"]
    assert made.neuron_snr.values == pytest.approx([entry["snr"] for entry in dataset.nrn_meta], nan_ok=True)


def selected_by_hand():
    dataset = toy()
    dataset.select_population([2, 0, 0])
    dataset.select_stims([2, 3])
    return dataset


@pytest.mark.parametrize(
    "dataset",
    [
        selected_by_hand(),
        toy().where(neurons={"area": "A1"}),
        toy().where(stims={"split": "est"}, neurons=[2, 1]),
        toy().where(stims=[1, 3]).where(neurons={"depth": 100}),
    ],
    ids=["select", "neurons", "both", "twice"],
)
def test_places_are_those_of_the_items(dataset):
    made = to_xarray(dataset)
    assert made.neuron_name.values.tolist() == neurons_of(dataset)
    assert made.sizes["stimulus"] == len(dataset)
    for place, item in enumerate(items_of(dataset)):
        assert made.stim_name.values[place] == item["stim_meta"]["name"]
        for neuron, response in enumerate(item["responses"]):
            trials, bins = response.shape
            found = torch.from_numpy(made.response.values[place, neuron, :trials, :bins])
            assert torch.equal(torch.nan_to_num(found), torch.nan_to_num(response))
