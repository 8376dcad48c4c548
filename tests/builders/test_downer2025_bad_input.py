"""Downer 2025: trees that are not as published."""

import io
import shutil

import numpy as np
import pytest
import scipy.io
import soundfile

from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, ParameterError, RawFormatError
from tests.builders.downer2025_trees import counts, expected_pairs, left_out, n_bins, neurons_of, pairs_of, stimuli_of
from tests.raw_writers.downer2025 import (
    CALL_HZ,
    SHORT_SENTENCE,
    channel_content,
    sentence_structure,
    write_channel,
    write_downer2025,
    write_sentences,
    write_session,
    write_slots,
)

FEW = ("180413", "200206")
CELL = "c_200206_Ch2p"
QUICK = {"tuning_resamples": 0}
SENTENCE_FILE = "stimuli/out_sentence_details_timit_all_loudness.mat"
SLOT_FILE = "stimuli/SqMoPhys_MVOCStimcodes.mat"
WAV_FILE = "stimuli/MonkVocs_15Blocks.wav"


@pytest.fixture
def raw(tmp_path):
    """Return a tree of two sessions, to be damaged."""
    return write_downer2025(tmp_path / "raw", seed=5, sessions=FEW)


def build_one(truth, tmp_path, cohort="timit", **options):
    options = {"parameters": QUICK, **options}
    report = build("downer2025", [cohort], data_dir=truth.directory, out=tmp_path / "out", **options)
    (name,) = report.cohorts
    return report.cohorts[name], name


def channel_file(truth, cell=CELL):
    return truth.directory / "sessions" / cell.split("_")[1] / f"{cell}_MUspk.mat"


def rewrite(truth, change, cell=CELL):
    """Write a channel's file again, after changing its content."""
    session = truth.sessions[cell.split("_")[1]]
    content = channel_content(session, session.times_s[cell])
    change(content)
    scipy.io.savemat(channel_file(truth, cell), content, do_compression=True)


def channel_refused(truth, tmp_path, kind=RawFormatError):
    """Return the error of the default build, after checking that on_error="skip" leaves that channel out alone."""
    with pytest.raises(kind) as caught:
        build_one(truth, tmp_path)
    assert caught.value.path == str(channel_file(truth))
    assert caught.value.mend
    assert not (tmp_path / "out").exists()
    report, name = build_one(truth, tmp_path, on_error="skip")
    assert set(left_out(report, "channels")) == {f"sessions/200206/{CELL}_MUspk.mat"}
    assert str(truth.directory) not in str(report.left_out)
    everyone = {cell for session in truth.sessions.values() for cell in session.times_s}
    assert set(neurons_of(tmp_path / "out", name)) == everyone - {CELL}
    return caught.value


# The hard tree --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    truth = write_downer2025(tmp_path_factory.mktemp("hard"), seed=2, hard=True)
    out = tmp_path_factory.mktemp("hard_built") / "downer2025"
    return truth, build("downer2025", data_dir=truth.directory, out=out, parameters=QUICK), out


def config_of(report, cohort):
    (name,) = [name for name, entry in report.cohorts.items() if entry.cohort == cohort]
    return name, report.cohorts[name]


@pytest.mark.parametrize("cohort", ["timit", "mvocs"])
def test_a_hard_tree_has_the_counts_that_were_written(hard, cohort):
    truth, report, out = hard
    name, _ = config_of(report, cohort)
    rows, expected = pairs_of(out, name), expected_pairs(truth, cohort)
    assert set(rows) == set(expected)
    for key, response in expected.items():
        np.testing.assert_array_equal(rows[key]["response"], response, err_msg=str(key))


def test_bad_sessions_and_stray_files_are_named(hard):
    _, entry = config_of(hard[1], "timit")
    assert left_out(entry, "sessions") == {"180405": "the lab lists it among its bad sessions"}
    assert left_out(entry, "files") == {
        "sessions/200206/c_200206_Ch3_MUspk_old.mat": "its name is not that of a channel's file"
    }
    name, _ = config_of(hard[1], "timit")
    counted = neurons_of(hard[2], name)["c_200206_Ch64"]["neuron_n_channels_in_session"]
    assert counted == 4, "three channels and the stray file"


def test_a_sentence_shorter_than_the_window_is_kept_and_named(hard):
    name, entry = config_of(hard[1], "timit")
    row = stimuli_of(hard[2], name)[SHORT_SENTENCE]
    assert (row["stim_n_frames"], row["n_bins"], row["stim_duration_s"]) == (0, 4, 300 / 16_000)
    assert not np.any(row["spectrogram"])
    assert any(note.startswith("short_si0 is shorter than the window of 25 ms") for note in entry.notes)


def test_a_table_of_trials_that_spikes_contradict_is_not_used(hard):
    _, entry = config_of(hard[1], "timit")
    (note,) = [note for note in entry.notes if "c_200206_Ch64" in note]
    assert "holds another table of trials" in note and "session's table, which is used" in note


# Tables of trials -----------------------------------------------------------------------------------------------------


def test_a_channel_whose_spikes_fit_its_own_table_is_counted_by_it(raw, tmp_path):
    session = raw.sessions["200206"]
    own = session.onsets_s + 0.05

    def change(content):
        content["trial"]["stimon"] = own[:, None]
        content["spike"]["stimlock"] = content["spike"]["stimlock"] - 0.05

    rewrite(raw, change)
    report, name = build_one(raw, tmp_path)
    assert [note for note in report.notes if CELL in note][0].endswith("and is counted by its own.")
    rows = pairs_of(tmp_path / "out", name)
    for code in raw.codes("timit"):
        onsets = own[session.codes["timit"] == code]
        expected = counts(session, CELL, onsets, n_bins(raw.duration_s("timit", code)))
        np.testing.assert_array_equal(rows[code, CELL]["response"], expected)


def test_a_table_with_other_stimuli_and_no_times_from_onset_is_used_as_it_is(raw, tmp_path):
    session = raw.sessions["200206"]
    codes = np.where(session.codes["timit"] == 1, 2, session.codes["timit"])

    def change(content):
        content["trial"]["timitStimcode"] = codes[:, None].astype(float)
        del content["spike"]["stimlock"]

    rewrite(raw, change)
    _, name = build_one(raw, tmp_path)
    rows = pairs_of(tmp_path / "out", name)
    assert (1, CELL) not in rows
    assert rows[2, CELL]["n_trials"] == 2
    assert rows[2, "c_200206_Ch1p"]["n_trials"] == 1


def test_a_channel_that_tells_of_no_sentences_is_left_out_by_name(raw, tmp_path):
    def change(content):
        del content["trial"]["timitStimcode"]
        del content["spike"]["stimlock"]

    rewrite(raw, change)
    report, name = build_one(raw, tmp_path)
    assert left_out(report, "channels") == {CELL: "its file tells of no sentences"}
    assert CELL not in neurons_of(tmp_path / "out", name)


def test_spikes_in_any_order_count_the_same(raw, tmp_path):
    def change(content):
        order = np.random.default_rng(0).permutation(len(content["spike"]["spktimes"]))
        for field, values in content["spike"].items():
            content["spike"][field] = values[order]

    rewrite(raw, change)
    _, name = build_one(raw, tmp_path)
    rows, expected = pairs_of(tmp_path / "out", name), expected_pairs(raw, "timit")
    for code in raw.codes("timit"):
        np.testing.assert_array_equal(rows[code, CELL]["response"], expected[code, CELL])


def test_a_sentence_without_sound_is_left_out_by_name(raw, tmp_path):
    write_sentences(raw.directory, {code: entry for code, entry in raw.sentences.items() if code != 5})
    report, name = build_one(raw, tmp_path)
    assert left_out(report, "sentences") == {
        f"timit_005 in {session}": "played 1 times, and there is no sound of that number" for session in FEW
    }
    assert 5 not in stimuli_of(tmp_path / "out", name)


def test_a_session_that_played_a_test_sentence_too_seldom_is_told(raw, tmp_path):
    session = raw.sessions["200206"]
    session.codes["timit"][np.flatnonzero(session.codes["timit"] == 12)[:3]] = 0
    write_session(raw, "200206")
    report, _ = build_one(raw, tmp_path)
    assert "Session 200206 played timit_012 8 times instead of 11." in report.notes


# Channels that cannot be read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_channel_that_is_cut_short(raw, tmp_path, share):
    content = channel_file(raw).read_bytes()
    channel_file(raw).write_bytes(content[: int(share * len(content))])
    channel_refused(raw, tmp_path)


def test_a_channel_of_version_7_3(raw, tmp_path):
    channel_file(raw).write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))
    assert "7.3" in str(channel_refused(raw, tmp_path))


def set_times(scale):
    def change(content):
        content["spike"]["spktimes"] = content["spike"]["spktimes"] * scale

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("trial"), "lacks a variable"),
        (lambda content: content.pop("spike"), "lacks a variable"),
        (lambda content: content["spike"].pop("spktimes"), "lacks a field"),
        (lambda content: content["trial"].pop("stimon"), "lacks a field"),
        (set_times(1000.0), "up to an hour after the last trial"),
        (set_times(24414.0625), "up to an hour after the last trial"),
        (set_times(np.nan), "not finite"),
        (lambda content: content["trial"]["stimon"].__setitem__(3, np.inf), "not finite"),
        (lambda content: content["trial"].__setitem__("timitStimcode", np.ones((3, 1))), "one per trial"),
        (lambda content: content["trial"]["timitStimcode"].__setitem__(3, 1.5), "numbers of stimuli"),
        (lambda content: content["trial"]["timitStimcode"].__setitem__(3, -1), "numbers of stimuli"),
    ],
)  # fmt: skip
def test_a_channel_that_is_not_as_published(raw, tmp_path, change, said):
    rewrite(raw, change)
    assert said in str(channel_refused(raw, tmp_path))


def test_codes_that_are_not_numbers_are_of_another_class(raw, tmp_path):
    def change(content):
        codes = content["trial"]["timitStimcode"]
        codes[codes == 0] = np.nan

    for cell in raw.sessions["200206"].times_s:
        rewrite(raw, change, cell)
    _, name = build_one(raw, tmp_path)
    assert set(pairs_of(tmp_path / "out", name)) == set(expected_pairs(raw, "timit"))


# Sounds ---------------------------------------------------------------------------------------------------------------


def change_sentence(truth, **fields):
    elements = [sentence_structure(code, *entry) for code, entry in truth.sentences.items()]
    elements[2].update(fields)
    write_sentences(truth.directory, truth.sentences, elements)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"befaft": np.array([[0.5]])}, "befaft"), ({"befaft": np.array([[-0.5, 0.5]])}, "befaft"),
        ({"befaft": np.array([[5.0, 5.0]])}, "which are silence"), ({"soundf": 0.0}, "soundf"),
        ({"sound": np.full((20_000, 1), np.nan)}, "not finite"), ({"sentId": 1.5}, "whole number"),
        ({"sentId": 0.0}, "1 or more"), ({"sound": "text"}, "numeric vector"), ({"name": " "}, "name of a sentence"),
    ],
)  # fmt: skip
def test_a_sentence_that_cannot_be_used(raw, tmp_path, fields, said):
    change_sentence(raw, **fields)
    with pytest.raises(RawFormatError, match=said) as caught:
        build_one(raw, tmp_path)
    assert caught.value.path.endswith(SENTENCE_FILE)
    report, name = build_one(raw, tmp_path, on_error="skip")
    assert "sentdet(3)" in left_out(report, "sentences")
    assert set(stimuli_of(tmp_path / "out", name)) == set(raw.sentences) - {4}


def test_two_sentences_of_one_number_stop_the_build(raw, tmp_path):
    change_sentence(raw, sentId=1.0)
    for on_error in ("raise", "skip"):
        with pytest.raises(RawFormatError, match="each number once"):
            build_one(raw, tmp_path, on_error=on_error)


def test_a_sentence_of_another_rate_is_resampled(raw, tmp_path):
    name, speech = raw.sentences[4]
    twice = np.repeat(speech, 2)
    silence = np.zeros(16_000)
    change_sentence(raw, soundf=32_000.0, sound=np.concatenate([silence, twice, silence])[:, None])
    _, config = build_one(raw, tmp_path)
    row = stimuli_of(tmp_path / "out", config)[4]
    assert (row["stim_name"], row["stim_sample_rate_hz"], row["stim_n_samples"]) == (name, 32_000.0, len(twice))
    assert row["stim_duration_s"] == len(speech) / 16_000
    assert row["stim_n_frames"] == 1 + (len(speech) - 400) // 80


@pytest.mark.parametrize("missing", [SENTENCE_FILE, SLOT_FILE, WAV_FILE])
def test_a_missing_file_of_stimuli_stops_the_build(raw, tmp_path, missing):
    (raw.directory / missing).unlink()
    cohort, other = ("timit", "mvocs") if missing == SENTENCE_FILE else ("mvocs", "timit")
    with pytest.raises(MissingRawFileError) as caught:
        build_one(raw, tmp_path, cohort, on_error="skip")
    assert caught.value.path.endswith(missing)
    build_one(raw, tmp_path, other)


CODES = [7, 9, 7]
TIMES = [0.1, 0.7, 1.4]


@pytest.mark.parametrize(
    ("codes", "times", "said"),
    [
        (CODES, TIMES[:2], "one per slot"), ([7, 9.5, 7], TIMES, "whole numbers"), ([0, 9, 7], TIMES, "whole numbers"),
        (CODES, [0.1, 0.7, 0.7], "each slot after"), (CODES, [-0.1, 0.7, 0.8], "each slot after"),
        (CODES, [0.1, 0.7, 1e5], "the end of MonkVocs_15Blocks.wav"), (CODES, [0.1, np.nan, 0.8], "finite numbers"),
        ([], [], "finite numbers"),
    ],
)  # fmt: skip
def test_a_table_of_slots_that_is_not_as_published(raw, tmp_path, codes, times, said):
    write_slots(raw.directory, codes, times)
    with pytest.raises(RawFormatError, match=said) as caught:
        build_one(raw, tmp_path, "mvocs", on_error="skip")
    assert caught.value.path.endswith(SLOT_FILE)


def test_a_recording_of_calls_that_is_not_as_published(raw, tmp_path):
    path = raw.directory / WAV_FILE
    content = path.read_bytes()
    path.write_bytes(content[:-1000])
    with pytest.raises(RawFormatError, match=f"{len(content)} bytes"):
        build_one(raw, tmp_path, "mvocs")
    soundfile.write(path, raw.wav[:, 0], CALL_HZ, subtype="PCM_16")
    with pytest.raises(RawFormatError, match="two channels"):
        build_one(raw, tmp_path, "mvocs")
    path.write_bytes(b"junk" * 100)
    with pytest.raises(RawFormatError) as caught:
        build_one(raw, tmp_path, "mvocs")
    assert caught.value.path == str(path)


def test_slots_without_a_pulse_at_their_start_are_counted(raw, tmp_path):
    wav = raw.wav.copy()
    begin = round(raw.slots[4][1] * CALL_HZ)
    wav[begin : begin + 205, 1] = 0
    soundfile.write(raw.directory / WAV_FILE, wav, CALL_HZ, subtype="PCM_16")
    report, _ = build_one(raw, tmp_path, "mvocs")
    assert f"1 of {len(raw.slots)} slots of the calls do not begin with an onset pulse within 1 ms." in report.notes


# The tree -------------------------------------------------------------------------------------------------------------


def metadata_of(truth):
    return truth.directory / "sessions_metadata.yml"


def test_either_name_of_the_metadata_and_of_channels(raw, tmp_path):
    metadata_of(raw).rename(raw.directory / "session_metadata.yml")
    channel_file(raw).rename(channel_file(raw).with_name(f"{CELL}_MUsp.mat"))
    shutil.copy(channel_file(raw, "c_200206_Ch64"), raw.directory / "sessions/200206/c_200206_Ch64_MUsp.mat")
    report, name = build_one(raw, tmp_path)
    assert set(pairs_of(tmp_path / "out", name)) == set(expected_pairs(raw, "timit"))
    (reason,) = left_out(report, "files").values()
    assert reason.endswith("is of the same channel")


def test_the_directory_above_is_as_good(raw, tmp_path):
    inner = tmp_path / "above" / "auditory_cortex_data"
    inner.parent.mkdir()
    raw.directory.rename(inner)
    raw.directory = inner.parent
    report, _ = build_one(raw, tmp_path)
    assert "sessions_metadata.yml" in report.raw_sha256


def test_another_directory_is_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataDirectoryError, match="downer2025"):
        build("downer2025", data_dir=tmp_path / "raw", out=tmp_path / "out")


def test_missing_metadata_stop_the_build(raw, tmp_path):
    metadata_of(raw).unlink()
    with pytest.raises(MissingRawFileError) as caught:
        build_one(raw, tmp_path, on_error="skip")
    assert "sessions_metadata.yml or session_metadata.yml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "YAML text"), ("- 1", "a mapping"), ("bad_sessions: []", "lists such as b_RH_sessions"),
        ("b_RH_sessions: 180413", "a list of sessions"),
        ("b_RH_sessions: [1]\nsession_coordinates: {1: [0.1]}", "two numbers"),
        ("b_RH_sessions: [180413]\nc_LH_sessions: [180413]", "each session once"),
        ("b_RH_sessions: [1]\narea_wise_sessions: {core: [1], non-primary: [1]}", "each session once"),
    ],
)  # fmt: skip
def test_metadata_that_are_not_as_published(raw, tmp_path, text, said):
    metadata_of(raw).write_text(text)
    with pytest.raises(RawFormatError, match=said) as caught:
        build_one(raw, tmp_path)
    assert caught.value.path == str(metadata_of(raw))


def test_a_session_that_the_metadata_lack_is_built_without_area(raw, tmp_path):
    metadata_of(raw).write_text("b_RH_sessions: [180413]\n")
    report, name = build_one(raw, tmp_path)
    row = neurons_of(tmp_path / "out", name)[CELL]
    assert [row[f"neuron_{field}"] for field in ("hemisphere", "area_group", "coord_x")] == [None] * 3
    assert row["neuron_area"] == "A1", "known from the paper"
    lacking = "animal and hemisphere, group of fields, coordinates"
    assert f"Session 200206 is built without {lacking}: sessions_metadata.yml does not name it there." in report.notes


def test_folders_and_files_that_name_another_session_or_monkey_are_told(raw, tmp_path):
    session = raw.sessions["200206"]
    session.times_s = {"x_200299_Ch7": session.times_s[CELL]}
    write_channel(raw.directory, "200206", "x_200299_Ch7", session)
    (raw.directory / "sessions/empty").mkdir()
    (raw.directory / "sessions/.hidden").mkdir()
    report, name = build_one(raw, tmp_path)
    assert "Files in the folder of session 200206 name session 200299." in report.notes
    assert any(note.startswith("Session 200206 is of monkey c by") for note in report.notes)
    assert left_out(report, "sessions") == {"empty": "its folder holds no files of channels"}
    assert neurons_of(tmp_path / "out", name)["x_200299_Ch7"]["neuron_session_id"] == "200299"


# Parameters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cohort", "parameters", "field"),
    [
        ("timit", {"channels": "mean"}, "channels"), ("timit", {"resampling": "windowed_sinc"}, "resampling"),
        ("timit", {"dt_ms": 12.5}, "dt_ms"), ("mvocs", {"fmax": 9000.0}, "low_hz, high_hz"),
        ("mvocs", {"channels": "pulses"}, "channels"), ("mvocs", {"tuning_resamples": 1}, "tuning_resamples"),
        ("mvocs", {"n_bands": 0}, "n_bands"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_used(raw, tmp_path, cohort, parameters, field):
    with pytest.raises(ParameterError) as caught:
        build_one(raw, tmp_path, cohort, parameters=parameters)
    assert caught.value.field == field


def test_both_channels_hold_half_of_the_pulses(raw, tmp_path):
    _, name = build_one(raw, tmp_path, "mvocs", parameters={**QUICK, "channels": "mean"})
    for code, row in stimuli_of(tmp_path / "out", name).items():
        begin = round(row["stim_slot_onset_s"] * CALL_HZ)
        both = raw.wav[begin : begin + row["stim_n_samples"]].astype(float)
        samples, _ = soundfile.read(io.BytesIO(row["audio"]["bytes"]))
        np.testing.assert_allclose(samples, both.mean(axis=1) / 32768, atol=1e-7, err_msg=str(code))
        assert abs(samples[:200]).max() > 0.3


@pytest.mark.parametrize("dt_ms", [1.0, 20.0, 50.0])
def test_other_bins(raw, tmp_path, dt_ms):
    _, name = build_one(raw, tmp_path, parameters={**QUICK, "dt_ms": dt_ms})
    rows, expected = pairs_of(tmp_path / "out", name), expected_pairs(raw, "timit", dt_ms)
    assert set(rows) == set(expected)
    for key, response in expected.items():
        np.testing.assert_array_equal(rows[key]["response"], response)


def test_a_sound_shorter_than_half_a_bin_is_left_out_by_name(tmp_path):
    truth = write_downer2025(tmp_path / "raw", seed=2, hard=True, sessions=("191209",))
    report, name = build_one(truth, tmp_path, parameters={**QUICK, "dt_ms": 50.0})
    assert left_out(report, "sentences")["short_si0"] == "18.75 ms long, less than half a bin"
    assert SHORT_SENTENCE not in stimuli_of(tmp_path / "out", name)


def test_empty_bands_are_told(raw, tmp_path):
    report, _ = build_one(raw, tmp_path, parameters={**QUICK, "n_bands": 300})
    assert any(note.endswith("a longer window_ms or fewer n_bands fills them.") for note in report.notes)
