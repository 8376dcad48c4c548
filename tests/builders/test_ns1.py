"""NS1: what comes out of its files."""

import shutil

import datasets
import numpy as np
import pytest
import scipy.io

import deepstrf_hf
from builders.ns1 import Ns1
from deepstrf_hf import build
from tests.builders.ns1_trees import change_unit, expected_counts, unit_files

N_BINS = 999


# What comes out -------------------------------------------------------------------------------------------------------


def test_counts_equal_the_spike_times_that_were_written(written, built):
    _, truth = written
    rows = [
        row
        for split in datasets.load_dataset(str(built[1]), "a1").values()
        for row in split.select_columns(
            ["neuron_cell_id", "stim_index", "response", "n_trials", "subset", "stim_name"]
        ).with_format("numpy")
    ]
    loadable = [path for path in truth.unit_paths if path not in truth.missing_units]
    assert len(rows) == len(loadable) * 20
    for row in rows:
        path, clip = f"{row['neuron_cell_id']}.mat", int(row["stim_index"])
        assert path in loadable
        trials = [key[2] for key in truth.spike_times if key[:2] == (path, clip)]
        response = np.stack(row["response"])
        assert response.shape == (len(trials), N_BINS)
        for repeat in trials:
            expected = expected_counts(truth.spike_times[path, clip, repeat], 5.0, N_BINS)
            np.testing.assert_array_equal(response[repeat], expected)
        assert row["subset"] == ("test" if clip in (3, 6, 9, 19) else "train")
        assert row["stim_name"] == f"nat{clip + 1:02d}"


def test_a_clip_with_19_repeats_keeps_them(written, built):
    trials = [
        row["n_trials"]
        for split in datasets.load_dataset(str(built[1]), "a1").values()
        for row in split.select_columns(["n_trials"])
    ]
    assert sorted(set(trials)) == [19, 20]
    assert trials.count(19) == 1
    assert any("19 instead of 20 repeats" in note for note in built[0].cohorts["a1"].notes)


def test_what_is_left_out_is_named(written, built):
    _, truth = written
    entry = built[0].cohorts["a1"]
    left_out = {(kind, name): reason for kind, name, reason in entry.left_out}
    for path in truth.missing_units:
        assert "is missing" in left_out["units", path]
    for path in truth.unlisted_units:
        assert "not in the lab's metadata" in left_out["clusters", f"spikesandwav/{path}"]
    assert ("stimulus sets", "dynamic random chords (Source 9)") in left_out
    loadable = [path for path in truth.unit_paths if path not in truth.missing_units]
    inside = sum(
        int(((times >= 0) & (times < 4995)).sum())
        for (path, clip, _), times in truth.spike_times.items()
        if path in loadable and clip < 20
    )
    every = sum(len(times) for (path, clip, _), times in truth.spike_times.items() if path in loadable and clip < 20)
    outside = sum(amount for kind, _, amount in entry.amounts if kind == "spikes")
    assert entry.counts["spikes"] == inside
    assert inside + outside == every
    assert {reason for _, reason, _ in entry.amounts} == {"before clip onset", "after the last bin (4995 ms)"}


def test_a_unit_found_under_its_other_name_is_read_and_remarked(written, built):
    _, truth = written
    assert truth.renamed_units
    for path in truth.renamed_units:
        assert any(path in note and "_1.mat" in note for note in built[0].cohorts["a1"].notes)


def test_metadata_of_units(written, built):
    _, truth = written
    neurons = {row["neuron_cell_id"]: row for row in datasets.load_dataset(str(built[1]), "a1-neurons", split="train")}
    for path, metadata in zip(truth.unit_paths, truth.metadata, strict=True):
        if path in truth.missing_units:
            continue
        row = neurons[path.removesuffix(".mat")]
        assert row["neuron_depth_um"] == metadata["depth"]
        assert row["neuron_noise_ratio"] == metadata["NoiseRatio"]
        assert (row["neuron_single_t"], row["neuron_single_n"]) == (metadata["singleT"], metadata["singleN"])
        assert row["neuron_n_electrodes"] == metadata["NrOfElectrodes"]
        assert row["neuron_electrode_number"] == metadata["ElectrodeNumber"]
        chosen = metadata["singleT"] != "No" and metadata["depth"] >= 0
        assert row["neuron_single_unit_at_known_depth"] is chosen
        experiment, penetration, file = path.split("/")
        assert (row["neuron_experiment"], row["neuron_penetration"]) == (experiment, penetration)
        assert row["neuron_cluster"] == int(file.split(".")[1])
        assert "/" not in row["neuron_id"]


def test_waveforms_are_the_pascals_of_the_files(written, built):
    import io

    _, truth = written
    stimuli = datasets.load_dataset(str(built[1]), "a1-stimuli", split="train").cast_column(
        "audio", datasets.Audio(decode=False)
    )
    assert stimuli["stim_index"] == list(range(20))
    for row, waveform in zip(stimuli, truth.waveforms, strict=True):
        rate, samples = scipy.io.wavfile.read(io.BytesIO(row["audio"]["bytes"]))
        assert rate == 48_828
        assert row["stim_sample_rate_hz"] == 48_828.125
        np.testing.assert_array_equal(samples, waveform)
    assert max(np.abs(waveform).max() for waveform in truth.waveforms) > 1, "peaks beyond 1 must survive"


def test_clips_are_known_by_what_the_files_say_not_by_position(raw, tmp_path):
    build("ns1", data_dir=raw, out=tmp_path / "before")
    for path in unit_files(raw):
        change_unit(path, lambda sets: sets.__setitem__(slice(None), sets[:, ::-1].copy()))
    build("ns1", data_dir=raw, out=tmp_path / "after")
    tables = [
        datasets.load_dataset(str(tmp_path / name), "a1", split="train").select_columns(
            ["stim_id", "neuron_id", "response"]
        )
        for name in ("before", "after")
    ]
    assert tables[0].to_list() == tables[1].to_list()


def test_ids_do_not_depend_on_where_the_tree_lies(raw, tmp_path):
    shutil.copytree(raw, tmp_path / "elsewhere")
    for place, name in ((raw, "one"), (tmp_path / "elsewhere", "two")):
        build("ns1", data_dir=place, out=tmp_path / name)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.parquet")} for name in ("one", "two")
    )
    assert one == two


# The builder as datasets sees it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a1", "a1-waveform", "a1-stimuli", "a1-neurons"])
def test_the_builder_gives_datasets_the_same_rows(raw, tmp_path, name):
    build("ns1", data_dir=raw, out=tmp_path / "out", waveform=True)
    builder = Ns1(config_name=name, data_dir=str(raw), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    ours = datasets.load_dataset(str(tmp_path / "out"), name)
    for split, table in ours.items():
        theirs = builder.as_dataset(split)
        assert theirs.features == table.features
        assert theirs.data.table.cast(table.data.table.schema).to_pylist() == table.data.table.to_pylist()


def test_the_builder_streams_and_takes_parameters(raw, tmp_path):
    builder = Ns1(config_name="a1", data_dir=str(raw), cache_dir=str(tmp_path / "cache"), dt_ms=10.0)
    streamed = next(iter(builder.as_streaming_dataset("test")))
    assert streamed["dt_ms"] == 10
    assert np.shape(streamed["response"]) == (20, 499)
    prepared = Ns1(config_name="a1", data_dir=str(raw), cache_dir=str(tmp_path / "cache"), dt_ms=10.0)
    prepared.download_and_prepare(num_proc=2)
    first = prepared.as_dataset("test")[0]
    assert streamed.keys() == first.keys()
    for column, value in first.items():
        np.testing.assert_array_equal(streamed[column], value, err_msg=column)


def test_the_builder_without_data_says_where_they_are(tmp_path):
    builder = Ns1(config_name="a1", cache_dir=str(tmp_path / "cache"))
    with pytest.raises(deepstrf_hf.errors.DataDirectoryError, match=r"osf\.io"):
        builder.download_and_prepare()


def test_the_builder_says_what_it_skips(raw, tmp_path, caplog):
    missing = unit_files(raw)[0]
    missing.unlink()
    builder = Ns1(config_name="a1", data_dir=str(raw), cache_dir=str(tmp_path / "cache"), on_error="skip")
    builder.download_and_prepare()
    assert len(set(builder.as_dataset("test")["neuron_id"])) == 1
    warned = [record.getMessage() for record in caplog.records if record.name == "deepstrf_hf.builder"]
    assert len(warned) == 2, "once per part"
    assert all(missing.name in message for message in warned)
