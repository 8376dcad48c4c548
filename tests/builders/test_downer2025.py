"""Downer 2025: the values that come out of its files."""

import io

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import soxr

import deepstrf_hf
from builders.downer2025 import Downer2025
from builders.downer2025.areas import AREAS
from builders.downer2025.listed import well_tuned
from deepstrf_hf import build
from deepstrf_hf.corpus import Redistribution
from deepstrf_hf.features.kaldi import KaldiFilterBank
from deepstrf_hf.responses.tuning import compute_paper_tuning
from tests.builders.downer2025_trees import (
    KINDS,
    TYPES,
    expected_pairs,
    left_out,
    n_bins,
    neurons_of,
    pairs_of,
    rows_of,
    spikes_in_no_trial,
    stimuli_of,
)
from tests.raw_writers.downer2025 import (
    CALL_HZ,
    EDGE_ONSET_S,
    SENTENCE_CODES,
    SENTENCE_HZ,
    SESSIONS,
    SLOTS,
    TEST_CALLS,
    TEST_SENTENCES,
    write_downer2025,
)

COHORTS = ("timit", "mvocs")
RESAMPLES = 400


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_downer2025(tmp_path_factory.mktemp("downer_raw"), seed=3)


@pytest.fixture(scope="module")
def built(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("downer_built") / "downer2025"
    return build("downer2025", data_dir=written.directory, out=out), out


# Counts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cohort", COHORTS)
def test_counts_equal_the_spike_times_that_were_written(written, built, cohort):
    rows, expected = pairs_of(built[1], cohort), expected_pairs(written, cohort)
    assert set(rows) == set(expected)
    for key, counts in expected.items():
        np.testing.assert_array_equal(rows[key]["response"], counts, err_msg=str(key))
        assert (rows[key]["n_trials"], rows[key]["n_bins"]) == counts.shape
        assert (rows[key]["dt_ms"], rows[key]["signal_type"]) == (5.0, "spikes")


@pytest.mark.parametrize("cohort", COHORTS)
def test_every_spike_is_in_a_row_or_in_the_report(written, built, cohort):
    lost = spikes_in_no_trial(written, cohort)
    assert lost > 0
    ((kind, _, amount),) = built[0].cohorts[cohort].amounts
    assert (kind, amount) == ("spikes", lost)


def test_half_a_bin_is_rounded_to_even(built):
    stimuli = stimuli_of(built[1], "timit")
    assert [stimuli[code]["stim_duration_s"] for code in (1, 2)] == [9640 / 16000, 9720 / 16000]
    assert [stimuli[code]["n_bins"] for code in (1, 2)] == [120, 122]


def test_a_spike_at_the_onset_is_in_the_first_bin(written, built):
    session = written.sessions["180413"]
    trial = int(np.flatnonzero(session.onsets_s == EDGE_ONSET_S)[0])
    code = int(session.codes["timit"][trial])
    row = pairs_of(built[1], "timit")[code, "b_180413_Ch49"]
    place = int(np.searchsorted(session.onsets_of("timit", code), EDGE_ONSET_S))
    assert row["response"][place][0] >= 1


def test_a_session_that_played_everything_twice_has_twice_the_trials(built):
    rows = pairs_of(built[1], "timit")
    assert {code: rows[code, "c_180807_Ch12"]["n_trials"] for code in SENTENCE_CODES} == {
        code: 22 if code in TEST_SENTENCES else 2 for code in SENTENCE_CODES
    }
    notes = built[0].cohorts["timit"].notes
    assert "Session 180807 played everything 2 times as often as published." in notes


def test_channels_without_a_spike_or_with_one_are_rows(built):
    rows = pairs_of(built[1], "timit")
    assert not any(np.any(rows[code, "b_180413_Ch50"]["response"]) for code in SENTENCE_CODES)
    assert sum(np.sum(rows[code, "b_180413_Ch58"]["response"]) for code in SENTENCE_CODES) == 1


def test_a_session_without_calls_is_left_out_by_name(built):
    assert left_out(built[0].cohorts["mvocs"], "sessions") == {"190726": "it played no calls"}
    sessions = {row["neuron_session_id"] for row in neurons_of(built[1], "mvocs").values()}
    assert sessions == set(SESSIONS) - {"190726"}
    assert built[0].cohorts["mvocs"].counts["sessions"] == 6


def test_calls_that_a_session_did_not_play_have_no_rows(built):
    heard = {code for code, cell in pairs_of(built[1], "mvocs") if cell == "c_190604_Ch10s2"}
    assert heard == {*TEST_CALLS, 4}


# Metadata -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cohort", COHORTS)
def test_neurons_are_told_by_their_files_and_the_metadata_of_sessions(written, built, cohort):
    neurons = neurons_of(built[1], cohort)
    groups = {"180627": "core", "190604": "core", "190726": "core", "200206": "core", "180807": "core"}
    groups["180413"] = "non-primary"
    places = {"180413": (0.4, -0.4), "180627": (-0.8, 0.98), "180807": (0.18, 0.8), "190604": (-0.75, 1.25)}
    places |= {"190726": (-0.94, 1.35), "200206": (-0.92, 0.60)}
    numbers = {"Ch49": (49, None), "Ch9p": (9, "p"), "Ch10s2": (10, "s2"), "Ch1ps2": (1, "ps2")}
    for name, session in written.sessions.items():
        if cohort == "mvocs" and name == "190726":
            continue
        for cell in session.times_s:
            row, channel = neurons[cell], cell.split("_")[2]
            expected = {
                "neuron_cell_id": cell, "neuron_session_id": name, "neuron_animal_id": session.animal,
                "neuron_hemisphere": session.hemisphere, "neuron_area_group": groups.get(name),
                "neuron_coord_x": places.get(name, (None, None))[0],
                "neuron_coord_y": places.get(name, (None, None))[1],
                "neuron_n_channels_in_session": len(session.times_s), "neuron_recording_type": "multi-unit",
                "neuron_listed_well_tuned_timit": cell in well_tuned()["timit"],
                "neuron_listed_well_tuned_mvocs": cell in well_tuned()["mvocs"],
            }  # fmt: skip
            assert {key: row[key] for key in expected} == expected
            if channel in numbers:
                assert (row["neuron_channel"], row["neuron_channel_suffix"]) == numbers[channel]


def test_sessions_that_were_never_assigned_a_field_have_none(built):
    neurons = neurons_of(built[1], "timit")
    fields = {
        row["neuron_session_id"]: (row["neuron_area"], row["neuron_area_is_certain"], row["neuron_deepstrf_area"])
        for row in neurons.values()
    }
    assert fields["180413"] == (None, None, "AL")
    assert fields["180627"] == ("A1", True, "A1")
    assert fields["191209"] == ("A1", True, "A1")
    assert any(
        "191209 is built without group of fields, coordinates" in note for note in built[0].cohorts["timit"].notes
    )


def test_the_table_of_fields_is_that_of_the_41_sessions():
    assert len(AREAS) == 41
    unsure = {name for name, area in AREAS.items() if area.is_certain is False}
    assert unsure == {"180808", "180717", "180730"}
    assert {name for name, area in AREAS.items() if area.area is None} == {"180501", "180413", "180420", "200212"}
    sizes = {field: sum(area.deepstrf == field for area in AREAS.values()) for field in Downer2025.CORPUS.areas}
    assert sizes == {"A1": 18, "R": 3, "CL": 1, "ML": 5, "AL": 4, "CPB": 3, "RPB": 7}


def test_the_lists_of_well_tuned_channels_are_whole():
    lists = well_tuned()
    assert {name: len(cells) for name, cells in lists.items()} == {"timit": 417, "mvocs": 476}
    assert len(lists["timit"] & lists["mvocs"]) == 332
    groups = {"A1": 274, "R": 37, "ML": 44, "RPB": 42, "CPB": 19, "AL": 1}
    assert {
        field: sum(AREAS[cell.split("_")[1]].deepstrf == field for cell in lists["timit"]) for field in groups
    } == groups
    groups = {"A1": 291, "R": 15, "ML": 66, "CPB": 59, "RPB": 39, "AL": 5, "CL": 1}
    assert {
        field: sum(AREAS[cell.split("_")[1]].deepstrf == field for cell in lists["mvocs"]) for field in groups
    } == groups


def test_sentences_are_trimmed(written, built):
    stimuli = stimuli_of(built[1], "timit")
    assert set(stimuli) == set(SENTENCE_CODES)
    for code, row in stimuli.items():
        name, speech = written.sentences[code]
        expected = {
            "stim_id": f"timit_{code:03d}", "stim_name": name, "stim_type": "timit",
            "n_bins": n_bins(len(speech) / 16000),
            "stim_duration_s": len(speech) / 16000, "stim_n_samples": len(speech), "stim_trimmed_before_s": 0.5,
            "stim_trimmed_after_s": 0.5, "stim_n_reps_canonical": 11 if code in TEST_SENTENCES else 1,
            "subset": "test" if code in TEST_SENTENCES else "estimation", "stim_sample_rate_hz": 16000.0,
            "stim_call_duration_s": None, "stim_n_reps_in_wav": None, "stim_pulse_onset_ms": None,
        }  # fmt: skip
        assert {key: row[key] for key in expected} == expected
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
        assert rate == SENTENCE_HZ
        np.testing.assert_allclose(samples, speech, atol=1e-7)


def test_calls_are_the_first_channel_of_their_first_slot(written, built):
    stimuli = stimuli_of(built[1], "mvocs")
    assert set(stimuli) == set(SLOTS)
    for code, row in stimuli.items():
        first_s = next(start for of_code, start in written.slots if of_code == code)
        begin, lengths = round(first_s * CALL_HZ), written.slot_lengths_s(code)
        opens = first_s == written.slots[0][1]
        expected = {
            "stim_id": f"mvoc_{code:03d}", "stim_name": f"mvoc_{code:03d}", "stim_type": "mvoc",
            "stim_n_samples": round(min(lengths) * CALL_HZ), "stim_n_reps_in_wav": len(lengths),
            "stim_slot_onset_s": first_s, "stim_pulse_onset_ms": 0.0, "stim_n_pulses": 3 if opens else 1,
            "stim_n_reps_canonical": 15 if code in TEST_CALLS else 1, "stim_trimmed_before_s": None,
            "subset": "test" if code in TEST_CALLS else "estimation", "stim_sample_rate_hz": float(CALL_HZ),
        }  # fmt: skip
        assert {key: row[key] for key in expected} == expected
        assert row["stim_duration_s"] == pytest.approx(min(lengths), abs=1e-12)
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
        assert rate == CALL_HZ
        np.testing.assert_array_equal(samples, written.wav[begin : begin + row["stim_n_samples"], 0])


def test_a_call_ends_where_a_tenth_of_a_second_of_silence_begins(written, built):
    stimuli, ended = stimuli_of(built[1], "mvocs"), 0
    for code, row in stimuli.items():
        lengths = written.slot_lengths_s(code)
        starts = [start for of_code, start in written.slots if of_code == code]
        begin = round(starts[int(np.argmax(lengths))] * CALL_HZ)
        slot = np.abs(written.wav[begin : begin + round(max(lengths) * CALL_HZ), 0].astype(int)) / 30000
        silent = [place for place in range(len(slot) - 4099) if (slot[place : place + 4100] < 1e-3).all()]
        if silent:
            ended += 1
            assert row["stim_call_duration_s"] == pytest.approx(silent[0] / CALL_HZ)
            assert silent[0] <= len(written.calls[code])
        else:
            assert row["stim_call_duration_s"] is None
    assert 0 < ended < len(stimuli)


# Spectrograms ---------------------------------------------------------------------------------------------------------


def heard(written, cohort, code):
    """Return a sound at 16 kHz."""
    if cohort == "timit":
        return written.sentences[code][1].astype(np.float32)
    begin = round(next(start for of_code, start in written.slots if of_code == code) * CALL_HZ)
    samples = written.wav[begin : begin + round(min(written.slot_lengths_s(code)) * CALL_HZ), 0]
    return soxr.resample(samples.astype(np.float32) / np.float32(32768), CALL_HZ, 16_000)


@pytest.mark.parametrize("cohort", COHORTS)
def test_tables_hold_linear_energies(written, built, cohort):
    for code, row in stimuli_of(built[1], cohort).items():
        energies = KaldiFilterBank().frame_energies(heard(written, cohort, code))
        spectrogram, n_frames = np.array(row["spectrogram"], np.float32), row["stim_n_frames"]
        assert n_frames == energies.shape[1] < spectrogram.shape[1]
        np.testing.assert_array_equal(spectrogram[:, :n_frames], energies.astype(np.float32))
        assert not spectrogram[:, n_frames:].any()


@pytest.mark.parametrize("cohort", COHORTS)
def test_published_preprocessing_is_the_standardized_logarithm(written, built, cohort):
    dataset = deepstrf_hf.load(built[1], cohort)
    assert dataset.F == 80
    for position, meta in enumerate(dataset.stim_meta):
        energies = KaldiFilterBank().frame_energies(heard(written, cohort, meta["code"]))
        logarithm = np.log(np.maximum(energies.astype(np.float32).astype(np.float64), 1.1920929e-07))
        spread = np.maximum(logarithm.std(axis=1, keepdims=True), 1e-9)
        expected = (logarithm - logarithm.mean(axis=1, keepdims=True)) / spread
        found = dataset.stims[position].numpy()[0]
        np.testing.assert_allclose(found[:, : meta["n_frames"]], expected, atol=2e-5)
        assert not found[:, meta["n_frames"] :].any()


def test_deepstrf_preprocessing_smooths_besides(built):
    published, deepstrf = (
        deepstrf_hf.load(built[1], "timit", preprocessing=name) for name in ("published", "deepstrf")
    )
    counts = published.responses[0][0].numpy()
    padded = np.pad(counts, ((0, 0), (1, 1)))
    expected = padded[:, 1:-1] + 0.5 * (padded[:, :-2] + padded[:, 2:])  # the window [0, 0.5, 1, 0.5, 0]
    np.testing.assert_array_equal(deepstrf.responses[0][0].numpy(), expected)
    assert counts.max() >= 1 and (counts == np.round(counts)).all()
    np.testing.assert_array_equal(published.stims[0].numpy(), deepstrf.stims[0].numpy())


@pytest.mark.parametrize("cohort", COHORTS)
def test_waveforms_at_the_rate_of_the_grid(written, built, cohort):
    dataset = deepstrf_hf.load(built[1], cohort, stimulus="waveform")
    assert (dataset.audio_fs, dataset.hop) == (16_000, 80)
    for position, meta in enumerate(dataset.stim_meta):
        waveform = dataset.stims[position].numpy()[0]
        expected = heard(written, cohort, meta["code"])[: len(waveform)]
        assert len(waveform) == 80 * n_bins(meta["duration_s"])
        np.testing.assert_allclose(waveform[: len(expected)], expected, atol=1e-6)


# Tuning ---------------------------------------------------------------------------------------------------------------


def test_columns_of_tuning_are_those_of_a_data_set_of_one_neuron(built):
    dataset = deepstrf_hf.load(built[1], "mvocs", preprocessing=None)
    stored = neurons_of(built[1], "mvocs")
    tested = 0
    for neuron in ("b_180627_Ch10", "c_180807_Ch12", "f_191209_Ch33"):
        alone = deepstrf_hf.load(built[1], "mvocs", preprocessing=None)
        index = [meta["neuron_id"] for meta in dataset.nrn_meta].index(neuron)
        alone.nrn_meta = [alone.nrn_meta[index]]
        alone.responses = [[dataset.responses[stimulus][index]] for stimulus in range(len(dataset.stim_meta))]
        summary = compute_paper_tuning(alone)
        assert summary["n_with_data"] == 1
        for name in ("tuned", "well_tuned", "tuning_p_value", "tuning_delta"):
            assert stored[neuron][f"neuron_{name}"] == alone.nrn_meta[0][name]
        tested += stored[neuron]["neuron_tuned"] is True
    assert tested > 0


def test_neurons_that_cannot_be_tested_have_null(built):
    stored = neurons_of(built[1], "timit")
    for cell in ("b_180413_Ch50", "b_180413_Ch58"):
        assert [stored[cell][f"neuron_{name}"] for name in ("tuned", "well_tuned", "tuning_p_value")] == [None] * 3
    assert built[0].cohorts["timit"].counts["tuned"] == sum(row["neuron_tuned"] is True for row in stored.values()) > 0


# Declaration ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cohort", COHORTS)
def test_splits_are_those_of_the_fixed_numbers(built, cohort):
    for split, subset in (("train", "estimation"), ("test", "test")):
        rows = datasets.load_dataset(str(built[1]), cohort, split=split)
        assert len(rows) > 0
        assert set(rows["subset"]) == {subset}
        assert set(rows["stim_type"]) == {TYPES[cohort]}


def test_shards_are_by_session(built):
    for cohort in COHORTS:
        sessions = [
            {row["neuron_session_id"] for row in pq.read_table(file, columns=["neuron_session_id"]).to_pylist()}
            for file in sorted((built[1] / cohort).glob("train-*.parquet"))
        ]
        assert all(len(names) == 1 for names in sessions)
        assert sorted(name for names in sessions for name in names) == sorted(
            set(SESSIONS) - ({"190726"} if cohort == "mvocs" else set())
        )


def test_the_sound_of_sentences_may_not_be_handed_on():
    timit, mvocs = (Downer2025.CORPUS.cohort(name) for name in COHORTS)
    assert Downer2025.CORPUS.redistribution is Redistribution.PERMITTED
    assert timit.audio_redistribution is Redistribution.FORBIDDEN
    assert "LDC93S1" in timit.audio_terms
    assert mvocs.audio_redistribution is None


def test_numbers_of_test_stimuli_that_a_session_played_otherwise_are_told(written, built):
    for cohort in COHORTS:
        assert KINDS[cohort]
        notes = built[0].cohorts[cohort].notes
        assert not any(" instead of " in note for note in notes), notes


def test_values_do_not_depend_on_what_else_is_built(written, built, tmp_path):
    report = build(
        "downer2025", ["timit"], data_dir=written.directory, out=tmp_path / "out",
        where={"neuron.cell_id": "c_200206_Ch64", "stim.code": [1, 12]},
    )  # fmt: skip
    (name,) = report.cohorts
    rows, whole = pairs_of(tmp_path / "out", name), pairs_of(built[1], "timit")
    assert set(rows) == {(1, "c_200206_Ch64"), (12, "c_200206_Ch64")}
    for key, row in rows.items():
        assert row == {column: whole[key][column] for column in row}
    stimuli = stimuli_of(built[1], "timit")
    for code, row in stimuli_of(tmp_path / "out", name).items():
        assert row == stimuli[code]
    assert list(report.cohorts[name].raw_sha256) == [
        "sessions/200206/c_200206_Ch64_MUspk.mat",
        "sessions_metadata.yml",
        "stimuli/out_sentence_details_timit_all_loudness.mat",
    ]


def test_a_condition_on_tuning_keeps_the_tuned(written, built, tmp_path):
    report = build(
        "downer2025", ["mvocs"], data_dir=written.directory, out=tmp_path / "out", where={"neuron.tuned": True}
    )
    (name,) = report.cohorts
    tuned = {cell for cell, row in neurons_of(built[1], "mvocs").items() if row["neuron_tuned"]}
    assert set(neurons_of(tmp_path / "out", name)) == tuned
    assert 0 < len(tuned) < len(neurons_of(built[1], "mvocs"))


def test_processes_make_no_difference(written, built, tmp_path):
    build("downer2025", ["mvocs"], data_dir=written.directory, out=tmp_path / "out", num_proc=2)
    for table in ("", "-stimuli", "-neurons"):
        for file in sorted((built[1] / f"mvocs{table}").glob("*.parquet")):
            assert file.read_bytes() == (tmp_path / "out" / f"mvocs{table}" / file.name).read_bytes()


def test_rows_of_both_cohorts_name_their_stimuli_apart(built):
    ids = [{row["stim_id"] for row in rows_of(built[1], cohort)} for cohort in COHORTS]
    assert not ids[0] & ids[1]
