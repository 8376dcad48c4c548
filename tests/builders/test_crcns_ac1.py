"""CRCNS AC1: what comes out of its files."""

import io
import shutil

import datasets
import numpy as np
import pytest
import scipy.io

import deepstrf_hf
from builders.crcns_ac1 import CrcnsAc1
from builders.crcns_ac1.published import DIVISION, VALID_CELLS
from deepstrf_hf import build
from deepstrf_hf.corpus import Redistribution
from tests.builders.crcns_ac1_trees import (
    COHORTS,
    columns,
    expected_bins,
    expected_pairs,
    expected_spectrogram,
    sound_key,
    true_rate,
    waveform_of,
)
from tests.raw_writers.crcns_ac1 import SHORT_SOUND, write_crcns_ac1


@pytest.fixture(scope="module")
def ac1(tmp_path_factory):
    """Return what was written, the report and the directory of a build with all faults skipped."""
    place = tmp_path_factory.mktemp("ac1")
    truth = write_crcns_ac1(place / "raw", seed=3)
    report = build("crcns_ac1", data_dir=place / "raw", out=place / "out", on_error="skip")
    return truth, report, place / "out"


@pytest.fixture(scope="module")
def pairs(ac1):
    return expected_pairs(ac1[0])


def rows_of(out, config):
    rows = datasets.load_dataset(str(out), config, split="train")
    # Sounds are left encoded: decoding them needs torchcodec.
    return rows.cast_column("audio", datasets.Audio(decode=False)) if "audio" in rows.column_names else rows


@pytest.mark.parametrize("cohort", COHORTS)
def test_every_row_is_what_the_formulas_make_of_the_traces(ac1, pairs, cohort):
    truth, _, out = ac1
    expected = {key: (kept, rejected) for key, (of, kept, rejected) in pairs.items() if of == cohort and kept}
    rows = rows_of(out, cohort)
    assert len(rows) == len(expected) > 1
    for row in rows:
        key = row["neuron_session"], sound_key(columns(row, "stim_"))
        kept, rejected = expected.pop(key)
        n_bins = expected_bins(truth, pairs, key[1])
        np.testing.assert_allclose(
            np.stack(row["response"]), np.stack([values[:n_bins] for values in kept.values()]), rtol=1e-5, atol=1e-5
        )
        assert row["recording_trials"].split() == list(kept)
        assert row["recording_n_recorded"] == len(kept) + len(rejected)
        for gate in ("range", "step", "cross_trial"):
            assert row[f"recording_n_rejected_{gate}"] == list(rejected.values()).count(gate)
    assert not expected


@pytest.mark.parametrize("cohort", COHORTS)
def test_spectrograms_are_those_of_the_waveforms_as_played(ac1, pairs, cohort):
    truth, _, out = ac1
    for row in rows_of(out, f"{cohort}-stimuli"):
        sound = sound_key(columns(row, "stim_"))
        samples, rate = waveform_of(truth, sound)
        n_bins = expected_bins(truth, pairs, sound)
        expected = expected_spectrogram(samples, rate)[:, :n_bins]
        found = np.stack(row["spectrogram"])
        assert found.shape == (53, n_bins)
        audible = expected > -150
        np.testing.assert_allclose(found[audible], expected[audible], rtol=1e-5, atol=1e-4)
        # The waveform is whole, at the rate of the hardware.
        _, stored = scipy.io.wavfile.read(io.BytesIO(row["audio"]["bytes"]))
        np.testing.assert_allclose(stored, samples, rtol=1e-6, atol=1e-9)
        assert row["stim_sample_rate_hz"] == true_rate(rate)
        assert row["stim_header_sample_rate_hz"] == rate
        assert row["stim_n_valid_bands"] == (53 if rate > 90_000 else 47)
        hop_ms = round(0.005 * rate) / rate * 1000
        assert row["stim_frame_slip_ms"] == pytest.approx((n_bins - 1) * (hop_ms - 5))


def test_a_ramped_sequence_begins_and_ends_in_silence_and_wehrs_sounds_do_not(ac1):
    truth, _, out = ac1
    for cohort, silent in (("wehr", False), ("asari_a1", True)):
        for row in rows_of(out, f"{cohort}-stimuli"):
            _, stored = scipy.io.wavfile.read(io.BytesIO(row["audio"]["bytes"]))
            assert (stored[0] == 0 and stored[-1] == 0) == silent


def test_a_stimulus_that_two_cohorts_heard_is_one(ac1):
    truth, _, out = ac1
    one, other = ({row["stim_id"]: row for row in rows_of(out, f"asari_{name}-stimuli")} for name in ("a1", "mgb"))
    ids = {cohort: set(rows_of(out, cohort)["stim_id"]) for cohort in COHORTS}
    assert not ids["wehr"] & (ids["asari_a1"] | ids["asari_mgb"])
    shared = one.keys() & other.keys()
    assert shared == {"asari.class3.2_1_3_1_4"}, "through another order of the table, too"
    for stim_id in shared:
        np.testing.assert_array_equal(np.stack(one[stim_id]["spectrogram"]), np.stack(other[stim_id]["spectrogram"]))
        assert columns(one[stim_id], "stim_") == columns(other[stim_id], "stim_")
    heard = rows_of(out, "asari_a1").filter(lambda row: row["stim_id"] in shared)
    assert set(heard["neuron_session"]) == {"20050512-ha1-001", "20060301-ha4-001"}


def test_the_length_of_a_stimulus(ac1):
    truth, report, out = ac1
    bins = {row["stim_id"]: row["n_bins"] for row in rows_of(out, "wehr-stimuli")}
    assert bins["wehr.fragments.001"] == 80, "a repeat was cut 200 ms short: 0.4 s are left for all cells"
    assert bins["wehr.category2.001"] == 78, "a duration of 390 ms beside one of 400 ms"
    samples, rate = waveform_of(truth, SHORT_SOUND)
    assert bins["wehr.category3.001"] == -(-len(samples) // 220) < 80, "the sound ends before the trigger says"
    assert bins["wehr.category1.001"] == 80, "401.3 ms"
    shared = {row["stim_id"]: row["n_bins"] for row in rows_of(out, "asari_a1-stimuli")}["asari.class3.2_1_3_1_4"]
    assert shared == (round(1030.3 * 10) - 600) // 50 < 206, "a cell of the other cohort has the shortest repeat"
    notes = " ".join(report.cohorts["wehr"].notes)
    assert "wehr.fragments.001: 80 of 120 bins are kept" in notes
    assert "20020530-mw-001-002: the recording lacks the last 200.0 ms" in notes
    assert "-34.0 ms in 15 s" in notes
    assert "the 6 of 53 bands above half the sampling rate hold images" in notes


def test_metadata_of_wehrs_cells_and_sounds(ac1):
    _, _, out = ac1
    neurons = {row["neuron_id"]: columns(row, "neuron_") for row in rows_of(out, "wehr-neurons")}
    # Sessions without natural sounds (2), and with nothing left (3), keep their numbers.
    assert {name: neuron["wehr_cell_idx"] for name, neuron in neurons.items()} == {
        "20020508-mw-003": 0, "20020530-mw-001": 1, "20020717-mw-004": 4, "20030101-mw-001": 5,
    }  # fmt: skip
    first = neurons["20020508-mw-003"]
    assert (first["experimenter"], first["animal_id"], first["penetration"], first["date"]) == (
        "wehr", "mw", 3, "20020508",
    )  # fmt: skip
    assert (first["site"], first["recording_type"], first["species"]) == ("A1", "whole-cell", "rat")
    assert first["published_valid"] is None, "six sessions are not the complete corpus"
    stimuli = {row["stim_id"]: columns(row, "stim_") for row in rows_of(out, "wehr-stimuli")}
    whale = stimuli["wehr.fragments.001"]
    assert (whale["category"], whale["idx"], whale["description"]) == ("fragments", 1, "humpback whale")
    assert whale["duration_s"] == 0.6
    assert whale["segments"] is None


def test_metadata_of_asaris_cells_and_sequences(ac1):
    _, _, out = ac1
    neurons = {row["neuron_id"]: columns(row, "neuron_") for row in rows_of(out, "asari_mgb-neurons")}
    assert neurons["20060110-ha3-001"]["recording_type"] == "cell-attached"
    assert neurons["20060110-ha3-001"]["site"] == "MGB"
    assert neurons["20060110-ha3-001"]["animal_id"] == "ha3"
    assert neurons["20060110-ha3-001"]["wehr_cell_idx"] is None
    stimuli = {row["stim_id"]: columns(row, "stim_") for row in rows_of(out, "asari_a1-stimuli")}
    shared = stimuli["asari.class3.2_1_3_1_4"]
    assert (shared["category"], shared["class_n"]) == ("class3", 3)
    assert shared["segments"] == "2 1 3 1 4", "the numbers of the first session"
    assert shared["description"] == shared["sequence"] == "Sequence 1: 2 1 3 1 4"
    mixed = stimuli["asari.class3.3l_class6.2_class3.1"]
    assert mixed["segment_files"] == "class3/3l.mat class6/2.mat class3/1.mat", "backslashes are slashes"
    assert (mixed["category"], mixed["class_n"], mixed["segments"]) == ("class3", 3, "1 6 2")


def test_each_file_goes_where_its_own_mode_belongs(ac1):
    _, report, out = ac1
    assert "20070205-ha4-003" in rows_of(out, "asari_a1-neurons")["neuron_id"]
    stimuli = rows_of(out, "asari_a1").filter(lambda row: row["neuron_id"] == "20070205-ha4-003")["stim_id"]
    assert list(stimuli) == ["asari.class3.1_2"], "the sequence of its cell-attached file is not potentials"
    for cohort in ("asari_a1", "asari_mgb"):
        left_out = {name: reason for _, name, reason in report.cohorts[cohort].left_out}
        assert "a cell-attached recording in A1" in left_out["20070205-ha4-003-002"]


def test_everything_left_out_is_named(ac1, pairs):
    truth, report, _ = ac1
    found = {cohort: {(kind, name) for kind, name, _ in report.cohorts[cohort].left_out} for cohort in COHORTS}
    for _, (cohort, _, rejected) in pairs.items():
        assert {("repeats", trial) for trial in rejected} <= found[cohort]
    assert {
        ("cells", "20020602-mw-001"), ("pairs", "wehr.fragments.005, 20020613-mw-002"),
        ("folders", "crcns-ac1/wehr/Results/backup"), ("stimulus files", "crcns-ac1/wehr/Stimuli/fragments/notes.mat"),
        ("trials", "20020717-mw-004-004"), ("trials", "20020717-mw-004-007"),
    } <= found["wehr"]  # fmt: skip
    assert {
        ("triggers", "20050512-ha1-001-002#5"), ("triggers", "20060301-ha4-001-001#3"),
        ("recordings", "20050901-ha2-003-001"), ("recordings", "20050801-ha2-002-001"),
        ("stimuli", "asari.class3.99_1"), ("cells", "20050801-ha2-002"),
        ("folders", "crcns-ac1-asari-results-2/asari-results-2/20070101-bad"),
    } <= found["asari_a1"]  # fmt: skip
    assert ("triggers", "20050512-ha1-001-002#5") not in found["asari_mgb"], "it is a cell of A1"
    amounts = {(kind, reason): amount for kind, reason, amount in report.cohorts["wehr"].amounts}
    assert amounts["trials", "not a natural sound: tone"] == 2
    assert amounts["trials", "no trigger"] == 1
    assert amounts["triggers", "after the first one of a trial"] == 1


def test_counts_of_gates(ac1, pairs):
    _, report, _ = ac1
    for cohort in COHORTS:
        counts = report.cohorts[cohort].counts
        members = [(kept, rejected) for of, kept, rejected in pairs.values() if of == cohort]
        assert counts["trials"] == sum(len(kept) for kept, _ in members)
        for gate in ("range", "step", "cross_trial"):
            assert counts[f"rejected_{gate}"] == sum(list(rejected.values()).count(gate) for _, rejected in members)
    assert [report.cohorts["wehr"].counts[f"rejected_{gate}"] for gate in ("range", "step", "cross_trial")] == [3, 1, 1]
    assert report.cohorts["wehr"].published["trials"] == 1249


def test_the_complete_corpus_has_its_published_constants(tmp_path):
    write_crcns_ac1(tmp_path / "raw", n_wehr_sessions=25, faults=False)
    build("crcns_ac1", ["wehr"], data_dir=tmp_path / "raw", out=tmp_path / "out")
    neurons = {row["neuron_wehr_cell_idx"]: row for row in rows_of(tmp_path / "out", "wehr-neurons")}
    assert set(range(25)) - set(neurons) == {2, 3}
    assert [at for at, row in sorted(neurons.items()) if not row["neuron_published_valid"]] == [1, 4, 8]
    parts = ("train", "validation", "test")
    assert [neurons[23][f"neuron_published_n_{part}"] for part in parts] == [44, 6, 13]


def test_published_constants():
    sums = [sum(entry) for entry in DIVISION]
    assert sums == [11, 7, 5, 9, 3, 8, 5, 3, 6, 10, 16, 36, 10, 36, 9, 22, 36, 25, 7, 16, 7, 18, 11, 63, 6]
    assert sum(sums) == 385
    assert sorted(VALID_CELLS) == [0, 3, 5, 6, 7, *range(9, 25)]
    assert len(VALID_CELLS) == 21
    assert CrcnsAc1.CORPUS.redistribution is Redistribution.FORBIDDEN
    assert all(cohort.splits.names == ("train",) for cohort in CrcnsAc1.CORPUS.cohorts), "never as a split"


def test_processes_and_the_place_of_the_tree_do_not_matter(tmp_path):
    write_crcns_ac1(tmp_path / "raw", faults=False)
    shutil.copytree(tmp_path / "raw", tmp_path / "elsewhere")
    build("crcns_ac1", data_dir=tmp_path / "raw", out=tmp_path / "one")
    build("crcns_ac1", data_dir=tmp_path / "elsewhere", out=tmp_path / "two", num_proc=2)
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.parquet")}
        for name in ("one", "two")
    )
    assert one == two
    assert len(one) >= 3 * 3


def test_values_do_not_depend_on_what_else_is_built(ac1, tmp_path):
    truth, _, out = ac1
    raw = truth.directory
    where = {"neuron.session": ["20060301-ha4-001"]}
    report = build("crcns_ac1", ["asari_a1"], data_dir=raw, out=tmp_path / "cell", where=where, on_error="skip")
    some = rows_of(tmp_path / "cell", next(iter(report.cohorts)))
    every = {(row["stim_id"], row["neuron_id"]): row for row in rows_of(out, "asari_a1")}
    assert len(some) == 2
    for row in some:
        same = every[row["stim_id"], row["neuron_id"]]
        np.testing.assert_array_equal(np.stack(row["response"]), np.stack(same["response"]))
        assert columns(row, "stim_") == columns(same, "stim_")


def test_a_part_of_the_stimuli(ac1, tmp_path):
    where = {"stim.category": ["category2", "category3"]}
    report = build("crcns_ac1", ["wehr"], data_dir=ac1[0].directory, out=tmp_path / "out", where=where, on_error="skip")
    (entry,) = report.cohorts.values()
    assert (entry.counts["stimuli"], entry.counts["neurons"]) == (2, 2)


@pytest.mark.parametrize("name", ["wehr", "asari_mgb-waveform", "asari_a1-stimuli", "wehr-neurons"])
def test_the_builder_gives_datasets_the_same_rows(tmp_path, name):
    write_crcns_ac1(tmp_path / "raw", faults=False)
    cohort = name.split("-")[0]
    build("crcns_ac1", [cohort], data_dir=tmp_path / "raw", out=tmp_path / "out", waveform=True)
    builder = CrcnsAc1(config_name=name, data_dir=str(tmp_path / "raw"), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    ours = datasets.load_dataset(str(tmp_path / "out"), name, split="train")
    theirs = builder.as_dataset("train")
    assert theirs.features == ours.features
    assert theirs.data.table.cast(ours.data.table.schema).to_pylist() == ours.data.table.to_pylist()


def test_the_grid_opens(ac1):
    _, _, out = ac1
    grid = deepstrf_hf.load(out, "wehr")
    assert (grid.N_neurons, grid.get_S(), grid.F, grid.dt) == (4, 6, 53, 5)
    waves = deepstrf_hf.load(out, "wehr", stimulus="waveform")
    assert (waves.audio_fs, waves.hop) == (96_000, 480)
    assert [wave.shape[-1] for wave in waves.stims] == [480 * spectrogram.shape[-1] for spectrogram in grid.stims]
