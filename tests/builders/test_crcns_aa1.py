"""CRCNS AA1: what comes out of its files."""

import io
import shutil

import datasets
import numpy as np
import pytest
import soundfile

import deepstrf_hf
from builders.crcns_aa1 import CrcnsAa1
from builders.crcns_aa1.cells import AA1_CELLS, FIELD_L_CELLS, MLD_CELLS
from deepstrf_hf import build
from deepstrf_hf.features.mel import mel_spectrogram
from tests.raw_writers.crcns_aa1 import HOSTILE, write_crcns_aa1


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_crcns_aa1(tmp_path_factory.mktemp("raw"), seed=3)


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "aa1"
    return build("crcns_aa1", data_dir=written.root, out=out), out


def expected_counts(trials, n_bins, dt_us):
    """Count spikes from whole microseconds, by the definition."""
    counts = np.zeros((len(trials), n_bins), int)
    for row, trial in zip(counts, trials, strict=True):
        for us in (round(t * 1000) for t in trial):
            if 0 <= us < n_bins * dt_us:
                row[us // dt_us] += 1
    return counts


def rows_of(out, config="all"):
    table = datasets.load_dataset(str(out), config, split="train").with_format("numpy")
    return {(row["stim_name"], row["neuron_id"]): row for row in table}


# What comes out -------------------------------------------------------------------------------------------------------


def test_counts_equal_the_spike_times_that_were_written(written, built):
    features = datasets.load_dataset(str(built[1]), "all", split="train").features
    assert features["response"].feature.feature.dtype == "uint8"
    rows, pairs = rows_of(built[1]), written.pairs()
    assert rows.keys() == pairs.keys()
    for (wav, cell), row in rows.items():
        n_bins = 1 + len(written.sounds[wav]) // 32
        response = np.stack(row["response"])
        np.testing.assert_array_equal(response, expected_counts(pairs[wav, cell], n_bins, 1000))
        assert np.stack(row["spectrogram"]).shape == (32, n_bins)


def test_no_spike_is_lost_without_a_word(written, built):
    entry = built[0].cohorts["all"]
    amounts = {reason: amount for kind, reason, amount in entry.amounts if kind == "spikes"}
    times = [
        (round(t * 1000), 1000 * (1 + len(written.sounds[wav]) // 32))
        for (wav, _), trials in written.pairs().items()
        for trial in trials
        for t in trial
    ]
    assert amounts == {
        "before sound onset": sum(us < 0 for us, _ in times),
        "after the last bin of the sound": sum(us >= end for us, end in times),
    }
    assert entry.counts["spikes"] == len(times) - sum(amounts.values())


def test_silent_trials_and_silent_sounds_are_rows_of_zeros(written, built):
    rows = rows_of(built[1])
    silent = [key for key, trials in written.pairs().items() if not any(len(trial) for trial in trials)]
    assert silent
    for key in silent:
        assert np.stack(rows[key]["response"]).shape[0] == 10
        assert not np.stack(rows[key]["response"]).any()
    edges = np.stack(rows[written.of_class("conspecific")[0], "gg0304_10_B"]["response"])
    assert edges[0, [0, 1, 4, 5, 9]].tolist() == [2, 1, 1, 1, 1], "0.0 and 0.3 fall into the first bin"
    assert not edges[1].any()
    assert not edges[2].any(), "spikes before onset alone"


def test_trials_are_as_many_as_were_recorded(written, built):
    rows = rows_of(built[1])
    assert {int(row["n_trials"]) for row in rows.values()} == {1, 9, 10, 15, 16}
    assert {int(rows[key]["n_trials"]) for key in rows if key[1] == "obla1301_2_B"} == {15}


def test_a_sound_presented_twice_has_the_trials_of_both(written, built):
    wav = written.of_class("conspecific")[1]
    row = rows_of(built[1])[wav, "gg0304_4_B"]
    assert row["n_trials"] == 16
    assert row["recording_n_presentations"] == 2
    assert (row["recording_presentations"], row["recording_presentation_trials"]) == ("2,10", "10,6")
    assert built[0].cohorts["all"].counts["pairs_presented_again"] == 1


def test_cells_without_songs_and_stims_without_spikes(written, built):
    rows = rows_of(built[1])
    for cell in ("pipu1018_2_A", "pipu1018_2_B"):
        assert {row["stim_type"] for key, row in rows.items() if key[1] == cell} == {"flatrip"}
    left_out = {(kind, name): reason for kind, name, reason in built[0].cohorts["all"].left_out}
    assert left_out["presentations", "MLd_cells/gg0304_4_A/flatrip/stim2"] == "there is no spike file of its number"
    assert left_out["sounds", written.of_class("conspecific")[3]] == "heard by no cell"
    assert len(left_out) == 2


def test_spectrograms_and_waveforms_are_those_of_the_files(written, built):
    stimuli = datasets.load_dataset(str(built[1]), "all-stimuli", split="train").cast_column(
        "audio", datasets.Audio(decode=False)
    )
    assert stimuli["stim_id"] == sorted(stimuli["stim_id"])
    assert len(stimuli) == 6
    for row in stimuli:
        samples = written.sounds[row["stim_name"]]
        assert row["stim_id"] + ".wav" == row["stim_name"]
        decoded, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
        assert rate == row["stim_sample_rate_hz"] == 32_000
        np.testing.assert_array_equal(decoded, samples)
        assert (row["stim_n_samples"], row["stim_duration_s"]) == (len(samples), len(samples) / 32_000)
        assert row["stim_type"] == written.classes[row["stim_name"]]
        expected = mel_spectrogram((samples / 32_768).astype(np.float32), 32_000, dt_ms=1.0)
        np.testing.assert_array_equal(np.array(row["spectrogram"], np.float32), expected)


def test_metadata_of_cells(written, built):
    neurons = {row["neuron_id"]: row for row in datasets.load_dataset(str(built[1]), "all-neurons", split="train")}
    assert {name: row["neuron_area"] for name, row in neurons.items()} == written.areas
    row = neurons["gg0304_10_B"]
    assert (row["neuron_animal_id"], row["neuron_cell_seq"], row["neuron_rig"]) == ("gg0304", 10, "B")
    odd = neurons["yy1617"]
    assert (odd["neuron_animal_id"], odd["neuron_cell_seq"], odd["neuron_rig"]) == ("yy1617", None, None)
    assert row["neuron_also_in"] == "crcns_aa2/gg0304_10_B"
    assert odd["neuron_also_in"] is None


def test_the_names_of_the_real_cells_are_a_hundred():
    assert (len(FIELD_L_CELLS), len(MLD_CELLS), len(AA1_CELLS)) == (50, 50, 100)
    assert {"pipu1018_2_A"} <= MLD_CELLS
    assert {"pipu1018_2_B", "yg0616_11_B"} <= FIELD_L_CELLS


def test_counts_are_compared_with_the_published_ones(built):
    entry = built[0].cohorts["all"]
    assert entry.published["rows"] == 2960
    assert (entry.counts["neurons"], entry.counts["stimuli"], entry.counts["rows"]) == (10, 6, 49)
    assert (entry.counts["area_Field_L"], entry.counts["area_MLd"]) == (5, 5)
    assert (entry.counts["stimuli_conspecific"], entry.counts["stimuli_flatrip"]) == (3, 3)


# Layouts --------------------------------------------------------------------------------------------------------------


def test_a_wrapped_tree_gives_the_same_bytes(tmp_path):
    write_crcns_aa1(tmp_path / "flat", n_extra=0)
    write_crcns_aa1(tmp_path / "wrapped", n_extra=0, wrapped=True)
    for name in ("flat", "wrapped"):
        build("crcns_aa1", data_dir=tmp_path / name, out=tmp_path / f"out_{name}")
    flat, wrapped = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in sorted((tmp_path / name).rglob("*.parquet"))}
        for name in ("out_flat", "out_wrapped")
    )
    assert flat == wrapped
    assert flat


def test_processes_do_not_change_the_bytes(written, built, tmp_path):
    build("crcns_aa1", data_dir=written.root, out=tmp_path / "out", num_proc=2)
    one, two = (
        {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}
        for out in (built[1], tmp_path / "out")
    )
    assert one == two


def test_one_area_alone_is_built_and_said(tmp_path):
    truth = write_crcns_aa1(tmp_path / "raw", n_extra=0)
    shutil.rmtree(truth.root / "Field_L_cells")
    entry = build("crcns_aa1", data_dir=truth.root, out=tmp_path / "out").cohorts["all"]
    assert entry.counts["neurons"] == 4
    assert any("no Field_L_cells" in note for note in entry.notes)


def test_values_do_not_depend_on_what_else_is_there(written, built, tmp_path):
    shutil.copytree(written.root, tmp_path / "raw")
    for cell in sorted((tmp_path / "raw" / "Field_L_cells").iterdir())[1:]:
        shutil.rmtree(cell)
    build("crcns_aa1", data_dir=tmp_path / "raw", out=tmp_path / "out")
    whole, part = rows_of(built[1]), rows_of(tmp_path / "out")
    assert 0 < len(part) < len(whole)
    for key, row in part.items():
        for column, value in row.items():
            np.testing.assert_array_equal(value, whole[key][column], err_msg=column)


@pytest.mark.parametrize("hostile", ["stim-no-newline", "spike-no-trailing-blank", "spike-two-blanks", "ds-store"])
def test_what_stops_other_readers_is_read(tmp_path, hostile):
    truth = write_crcns_aa1(tmp_path / "raw", n_extra=0, hostile=hostile)
    report = build("crcns_aa1", data_dir=truth.root, out=tmp_path / "out")
    rows, pairs, song = rows_of(tmp_path / "out"), truth.pairs(), truth.of_class("conspecific")[0]
    if hostile == "spike-two-blanks":
        assert np.stack(rows[song, "gg0304_10_B"]["response"])[:, [1, 2]].tolist() == [[1, 1]]
        del pairs[song, "gg0304_10_B"], rows[song, "gg0304_10_B"]
    assert rows.keys() == pairs.keys()
    for (wav, cell), trials in pairs.items():
        counts = expected_counts(trials, 1 + len(truth.sounds[wav]) // 32, 1000)
        np.testing.assert_array_equal(np.stack(rows[wav, cell]["response"]), counts)
    strays = [name for kind, name, _ in report.cohorts["all"].left_out if kind == "files"]
    assert len(strays) == (5 if hostile == "ds-store" else 0), "in the root nothing is listed"
    assert set(HOSTILE) > {hostile}


# The builder as datasets and the grid see it --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all", "all-stimuli", "all-neurons"])
def test_the_builder_gives_datasets_the_same_rows(written, built, tmp_path, name):
    builder = CrcnsAa1(config_name=name, data_dir=str(written.root), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    ours, theirs = datasets.load_dataset(str(built[1]), name, split="train"), builder.as_dataset("train")
    assert theirs.features == ours.features
    assert theirs.data.table.cast(ours.data.table.schema).to_pylist() == ours.data.table.to_pylist()


def test_the_grid_smooths_as_published(written, built):
    plain = deepstrf_hf.load(built[1], "all", preprocessing=None)
    smooth = deepstrf_hf.load(built[1], "all")
    assert (plain.get_S(), plain.N_neurons, plain.F, plain.dt) == (6, 10, 32, 1)
    s, n = next(zip(*np.nonzero(np.asarray(plain.nrn_masks)), strict=True))
    expected = [np.convolve(trial, np.hanning(21), "same") for trial in np.asarray(plain.responses[s][n])]
    np.testing.assert_allclose(np.asarray(smooth.responses[s][n]), expected, atol=1e-5)


def test_waveforms_fill_the_bins_of_the_responses(built):
    grid = deepstrf_hf.load(built[1], "all", stimulus="waveform")
    assert grid.audio_fs == 32_000
    for s in range(grid.get_S()):
        bins = next(grid.responses[s][n].shape[-1] for n in range(grid.N_neurons) if grid.nrn_masks[s, n])
        assert grid.stims[s].shape[-1] == bins * 32


def test_the_writer_gives_the_same_tree_for_the_same_seed(tmp_path):
    trees = []
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        truth = write_crcns_aa1(tmp_path / name, seed=seed)
        files = (path for path in truth.root.rglob("*") if path.is_file())
        trees.append({path.relative_to(truth.root): path.read_bytes() for path in files})
    assert trees[0] == trees[1]
    assert trees[0] != trees[2]
