"""Espejo 2019: what a build makes of a synthetic tree, against what was written."""

from collections import Counter

import numpy as np
import pytest

import deepstrf_hf
from builders.espejo import Espejo
from builders.espejo.catalogue import PART_BYTES
from deepstrf_hf import build
from tests.builders.espejo_trees import (
    expected_tile,
    expected_trials,
    heard_pairs,
    of_sound,
    pairs,
    published_subset,
    table_rows,
)
from tests.raw_writers.espejo import FOLDERS, NAT_SOUNDS, VMN_SOUNDS, Drawing, nat_recordings, write_espejo
from tests.toy import fingerprint

RELEASES = ("nat", "vmn")


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return write_espejo(tmp_path_factory.mktemp("espejo_raw"), seed=3, wavs=False)


@pytest.fixture(scope="module")
def built(truth, tmp_path_factory):
    out = tmp_path_factory.mktemp("espejo_built") / "espejo"
    return build("espejo", data_dir=truth.directory, out=out), out


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_rows_are_the_pairs_that_were_recorded(truth, built, release):
    rows = pairs(built[1], release)
    found = Counter((row["stim_name"].removeprefix("STIM_"), row["neuron_id"], row["n_bins"]) for row in rows.values())
    assert found == Counter(dict.fromkeys(heard_pairs(truth, release), 1))


@pytest.mark.parametrize("release", RELEASES)
def test_responses_are_counts_in_the_bins_of_the_recording(truth, built, release):
    rows = pairs(built[1], release)
    n_spikes = 0
    for (sound, cell, bins), recordings in heard_pairs(truth, release).items():
        (row,) = (row for row in of_sound(rows, sound, cell) if row["n_bins"] == bins)
        expected = np.stack([trial for one in recordings for trial in expected_trials(one, sound, cell)])
        np.testing.assert_array_equal(np.array(row["response"]), expected)
        assert np.array(row["response"]).shape == (row["n_trials"], bins)
        n_spikes += expected.sum()
    assert built[0].cohorts[release].counts["spikes"] == n_spikes > 0


@pytest.mark.parametrize("release", RELEASES)
def test_spectrograms_are_the_tiles_of_the_recording(truth, built, release):
    rows = pairs(built[1], release)
    for (sound, cell, bins), recordings in heard_pairs(truth, release).items():
        (row,) = (row for row in of_sound(rows, sound, cell) if row["n_bins"] == bins)
        np.testing.assert_array_equal(np.array(row["spectrogram"], np.float32), expected_tile(recordings[0], sound))
        assert row["stim_duration_s"] == bins / 100
        assert row["dt_ms"] == 10.0


def test_a_cell_without_spikes_is_a_row_of_zeros(truth, built):
    (row,) = of_sound(pairs(built[1], "nat"), NAT_SOUNDS[0], "AMT003c-33-1")
    assert np.array(row["response"]).shape == (10, 500)
    assert not np.any(row["response"])


def test_spikes_outside_all_windows_are_counted(truth, built):
    for release in RELEASES:
        held = built[0].cohorts[release].counts["spikes"]
        total = sum(
            sum(len(times) for times in one.spikes_s.values()) if one.resp is None else one.resp.sum()
            for one in truth.recordings[release]
        )
        assert built[0].cohorts[release].amounts == [
            ("spikes", "in no presentation of a sound that is built", total - held)
        ]


# Stimuli --------------------------------------------------------------------------------------------------------------


def test_one_name_with_two_windows_is_two_stimuli(truth, built):
    stimuli = table_rows(built[1], "nat-stimuli")
    by_name = Counter(row["stim_name"] for row in stimuli)
    assert by_name == Counter({f"STIM_{sound}": 1 for sound in NAT_SOUNDS if sound != NAT_SOUNDS[8]}) + Counter(
        {f"STIM_{NAT_SOUNDS[0]}": 1, f"STIM_{NAT_SOUNDS[1]}": 1}
    )
    two = {row["n_bins"]: row for row in stimuli if row["stim_name"] == f"STIM_{NAT_SOUNDS[1]}"}
    assert {bins: row["stim_pre_silence_s"] for bins, row in two.items()} == {500: 0.5, 550: 2.0}
    assert len({row["stim_content_id"] for row in two.values()}) == 2


def test_ids_are_the_name_and_a_digest_and_the_same_at_all_sites(truth, built):
    rows = pairs(built[1], "nat")
    sites = {row["neuron_site"] for row in of_sound(rows, NAT_SOUNDS[3], "AMT003c-11-1")}
    ids = {row["stim_id"] for row in rows.values() if row["stim_name"] == f"STIM_{NAT_SOUNDS[3]}"}
    assert sites == {"AMT003c"}
    assert {neuron for stim_id, neuron in rows if stim_id in ids} >= {"AMT003c-11-1", "ley046g-01-1"}
    assert len(ids) == 1
    for row in rows.values():
        name, at, digest = row["stim_id"].rpartition("@")
        assert (name, at, len(digest)) == (row["stim_name"], "@", 8)


def test_ids_and_values_do_not_depend_on_what_else_lies_there(truth, built, tmp_path):
    write_espejo(tmp_path / "raw", seed=3, wavs=False, sites=2)
    build("espejo", ["nat"], data_dir=tmp_path / "raw", out=tmp_path / "out")
    part, whole = pairs(tmp_path / "out", "nat"), pairs(built[1], "nat")
    assert {pair for pair in whole if pair[1].startswith(("AMT", "BRT"))} == set(part)
    of_tree = ("stim_n_repeats", "stim_split", "hf_split")
    for pair, row in part.items():
        assert {k: v for k, v in row.items() if k not in of_tree} == {
            k: v for k, v in whole[pair].items() if k not in of_tree
        }


def test_numbers_of_deepstrf_are_columns_over_the_whole_tree(truth, built):
    for release in RELEASES:
        counts = [Counter(trial.epoch for trial in one.trials) for one in truth.recordings[release]]
        for row in table_rows(built[1], f"{release}-stimuli"):
            name = row["stim_name"]
            here = [(count[name], max(count.values())) for count in counts if name in count]
            assert row["stim_n_repeats"] == max(count for count, _ in here)
            assert row["stim_split"] == ("test" if any(c == top > 1 for c, top in here) else "estimation")
            assert row["stim_named_00"] == name.startswith("STIM_00")
            assert row["stim_type"] == release


# Neurons and divisions ------------------------------------------------------------------------------------------------


def test_names_of_neurons_are_taken_apart(built):
    neurons = {
        row["neuron_id"]: row for row in table_rows(built[1], "nat-neurons") + table_rows(built[1], "vmn-neurons")
    }
    parts = {
        name: tuple(row[f"neuron_{key}"] for key in ("site", "animal_id", "channel", "unit", "experiment_set", "area"))
        for name, row in neurons.items()
    }
    assert parts["AMT003c-05-2"] == ("AMT003c", "AMT", "05", "2", "nat", "A1")
    assert parts["btn144a-c1"] == ("btn144a", "btn", "c1", None, "vmn", "A1")
    assert parts["ley046g_weird"] == (None, None, None, None, "nat", "A1")
    assert len(neurons) == 17


def test_trials_of_a_cell_in_two_recordings_are_one_row(truth, built):
    first, second = truth.of_site("por012a")
    (row,) = of_sound(pairs(built[1], "vmn"), VMN_SOUNDS[0], "por012a-c1")
    assert row["n_trials"] == row["recording_n_repeats"] == 8
    assert row["recording_archive"] == f"{first.name},{second.name}"
    repeats = [len(one.of(VMN_SOUNDS[0])) for one in (first, second)]
    assert sorted(repeats) == [3, 5]
    assert row["recording_archive_trials"] == row["recording_archive_repeats"] == ",".join(map(str, repeats))
    (other,) = of_sound(pairs(built[1], "vmn"), VMN_SOUNDS[0], "por012a-d1")
    assert (other["n_trials"], other["recording_archive_subset"]) == (5, "val")


@pytest.mark.parametrize("release", RELEASES)
def test_the_published_division_is_told_recording_by_recording(truth, built, release):
    rows = pairs(built[1], release)
    everywhere: dict[str, set[str]] = {}
    for recording in truth.recordings[release]:
        for sound in {trial.sound for trial in recording.trials}:
            everywhere.setdefault(sound, set()).add(published_subset(recording, sound))
    for (sound, cell, bins), recordings in heard_pairs(truth, release).items():
        (row,) = (row for row in of_sound(rows, sound, cell) if row["n_bins"] == bins)
        words = [published_subset(one, sound) for one in recordings]
        assert row["recording_archive_subset"] == ",".join(words)
        assert row["subset"] == ("val" if "val" in words else "est")
        assert row["hf_split"] == {"est": "train", "val": "test"}[row["subset"]]
    for row in table_rows(built[1], f"{release}-stimuli"):
        words = everywhere[row["stim_name"].removeprefix("STIM_")]
        assert row["subset"] == (next(iter(words)) if len(words) == 1 else None)
    assert {row["subset"] for row in rows.values()} == {"est", "val"}


def test_sites_disagree_on_a_division(built):
    rows = pairs(built[1], "nat")
    words = {row["neuron_site"]: row["subset"] for row in rows.values() if row["stim_name"].endswith(NAT_SOUNDS[0])}
    assert words == {"AMT003c": "val", "BRT026c": "val", "TAR010c": "val"}
    words = {row["neuron_id"]: row["subset"] for row in rows.values() if row["stim_name"].endswith(NAT_SOUNDS[3])}
    assert words["AMT003c-11-1"] == "est"
    assert words["ley046g-01-1"] == "est"
    words = {row["neuron_id"]: row["subset"] for row in rows.values() if row["stim_name"].endswith(NAT_SOUNDS[5])}
    assert words == {"BRT026c-15-1": "est", "BRT026c-46-1": "est", "ley046g-01-1": "val", "ley046g_weird": "val"}


# Report and framework -------------------------------------------------------------------------------------------------


def test_what_is_missing_is_named(truth, built):
    (amt,) = truth.of_site("AMT003c")
    assert built[0].cohorts["nat"].left_out == [
        ("sounds", f"{amt.name}: STIM_{NAT_SOUNDS[4]}", "the recording holds no tile of it; presentations: 1"),
        ("tiles", f"{amt.name}: STIM_{NAT_SOUNDS[8]}", "never played in that recording"),
    ]
    assert built[0].cohorts["nat"].notes == ["There is no folder nat_waveforms: no stimulus has a waveform."]
    assert built[0].cohorts["vmn"].left_out == []
    assert built[0].cohorts["vmn"].notes == []


def test_published_counts_are_compared(built):
    nat, vmn = (built[0].cohorts[release] for release in RELEASES)
    assert nat.published == {"neurons": 540, "recordings": 35, "sound_names": 686}
    assert vmn.published == {"neurons": 200, "recordings": 103, "sound_names": 75, "sound_names_most_repeated": 35}
    found = {name: nat.counts[name] for name in (*nat.published, "stimuli")}
    assert found == {"neurons": 10, "recordings": 5, "sound_names": 9, "stimuli": 11}
    assert (vmn.counts["sound_names"], vmn.counts["sound_names_most_repeated"]) == (6, 3)


def test_two_processes_give_the_same_bytes(tmp_path):
    raw = tmp_path / "raw"
    for recording in nat_recordings(Drawing(3))[:3]:
        folder = raw / FOLDERS["nat"] / recording.name.removesuffix(".tgz")
        recording.writer().write_directory(folder)
        with (folder / "video.avi").open("wb") as file:  # so large that each recording is a part of its own
            file.truncate(PART_BYTES)
    report = build("espejo", ["nat"], data_dir=raw, out=tmp_path / "one")
    build("espejo", ["nat"], data_dir=raw, out=tmp_path / "two", num_proc=2)
    assert report.cohorts["nat"].configs["nat"]["train"].files == [
        f"nat/train-{part:05d}-of-00003.parquet" for part in range(3)
    ]
    assert fingerprint(tmp_path / "two") == fingerprint(tmp_path / "one")


def test_the_grid_hands_out_counts_whatever_the_preprocessing(built):
    grids = [deepstrf_hf.load(built[1], "vmn", preprocessing=name) for name in ("published", "deepstrf", None)]
    for grid in grids:
        assert (grid.F, grid.dt, grid.N_neurons, grid.signal_type) == (2, 10.0, 7, "spikes")
        for row, other in zip(grid.responses, grids[-1].responses, strict=True):
            for one, another in zip(row, other, strict=True):
                np.testing.assert_array_equal(one.numpy(), another.numpy())


def test_datasets_reads_the_same_rows(truth, built, tmp_path):
    builder = Espejo(config_name="vmn", data_dir=str(truth.directory), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    found = {
        (row["stim_id"], row["neuron_id"]): row for split in ("train", "test") for row in builder.as_dataset(split)
    }
    rows = pairs(built[1], "vmn")
    assert found.keys() == rows.keys()
    for pair, row in found.items():
        np.testing.assert_array_equal(row["response"], rows[pair]["response"])
        assert row["subset"] == rows[pair]["subset"]
