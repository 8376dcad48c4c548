"""NAT4: files that are missing, damaged or contradict each other."""

import json

import numpy as np
import pytest
import scipy.io.wavfile

from deepstrf_hf import build
from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, RawFormatError
from tests.builders.nat4_trees import (
    Tree,
    change_archive,
    change_response,
    change_text,
    cut_short,
    left_out,
    neurons,
    pairs,
    table_rows,
)

TABLE = "A1_pred_correlation.csv"


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


# The population recording ---------------------------------------------------------------------------------------------


def test_a_population_recording_cut_short_stops_in_any_case(tree):
    cut_short(tree.population)
    for on_error in ("raise", "skip"):
        with pytest.raises(RawFormatError, match=r"cut short.*A1_NAT4_ozgf"):
            tree.build(on_error=on_error)
    assert not tree.out.exists()


def test_without_the_area_the_error_names_what_to_do(tree):
    with pytest.raises(MissingRawFileError, match=r"population recording of PEG is missing.*cohorts=\["):
        build("nat4", data_dir=tree.raw, out=tree.out)
    assert not tree.out.exists()


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataDirectoryError, match=r"nat4.*A1_NAT4_ozgf\.fs100\.ch18\.tgz, PEG_NAT4"):
        build("nat4", data_dir=tmp_path / "raw", out=tmp_path / "out")


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.5"), (-1.0, "-1"), (254.0, "254"), (300.0, "300")])
def test_an_est_response_that_is_no_count(tree, value, shown):
    clip, cell = tree.truth.est[1], tree.area.cells[3]
    change_response(tree.population, tree.area.bins[clip] + 20, 3, value)
    tree.refuses(RawFormatError, rf"not a count of spikes.*{clip}, {cell}.*Found: {shown} in a bin")
    report = tree.build(on_error="skip")
    rows = pairs(tree.out, "a1")
    assert (clip, cell) not in rows and (tree.truth.est[0], cell) in rows
    assert "not a count" in left_out(report, "pairs")[f"{clip}, {cell}"]


def test_a_response_that_is_missing_in_part_is_left_out_by_name(tree):
    clip, cell = tree.truth.est[0], tree.area.cells[0]
    change_response(tree.population, tree.area.bins[clip] + 149, 0, float("nan"))
    reasons = left_out(tree.build(), "pairs")
    assert reasons == {
        f"{clip}, {cell}": "in part missing (NaN) in the population recording",
        ", ".join(tree.area.empty_pair): "missing (NaN) in the population recording",
    }
    assert (clip, cell) not in pairs(tree.out, "a1")


def test_a_clip_past_the_end_of_the_recording(tree):
    clip = tree.truth.est[-1]
    start, end = tree.area.bins[clip] / 100, tree.area.bins[clip] / 100 + 1.5

    def later(text):
        line = f"STIM_{clip.removeprefix('STIM_')},{start!r},{end!r}"
        assert line in text
        return text.replace(line, f"{clip},{start + 0.02!r},{end + 0.02!r}")

    for signal in ("resp", "stim"):
        change_text(tree.population, f".{signal}.epoch.csv", later)
    tree.refuses(RawFormatError, rf"outside its signal.*{clip}")
    report = tree.build(on_error="skip")
    assert left_out(report, "clips").keys() == {clip}
    assert clip not in {stimulus for stimulus, _ in pairs(tree.out, "a1")}
    assert {kind: amount for kind, _, amount in report.amounts}["bins of the population recording"] == 150


def test_responses_and_cochleagram_must_agree_on_when_a_clip_was_played(tree):
    clip = tree.truth.est[0]
    change_text(tree.population, ".stim.epoch.csv", lambda text: text.replace(f"{clip},3.0,4.5", f"{clip},3.01,4.51"))
    tree.refuses(RawFormatError, rf"disagree on when.*{clip}")
    assert left_out(tree.build(on_error="skip"), "clips").keys() == {clip}


def test_a_cochleagram_that_is_not_linear(tree):
    change_text(tree.population, ".stim.csv", lambda text: "-3.0" + text[text.index(",") :])
    tree.refuses(RawFormatError, r"not linear.*down to -3")


def test_a_cochleagram_of_another_number_of_bands(tree):
    def without_the_last(files):
        for name in files:
            if name.endswith(".stim.csv"):
                lines = files[name].decode().splitlines()
                files[name] = "\n".join(line.rpartition(",")[0] for line in lines).encode() + b"\n"
            if name.endswith(".stim.json"):
                header = json.loads(files[name])
                header["chans"] = header["chans"][:-1]
                files[name] = json.dumps(header).encode()

    change_archive(tree.population, without_the_last)
    tree.refuses(RawFormatError, r"another number of bands.*Found: 17. Expected: 18")


def test_a_cochleagram_of_another_length(tree):
    def shorter(files):
        for name in files:
            if name.endswith(".stim.csv"):
                files[name] = b"".join(files[name].splitlines(keepends=True)[:-150])
            if name.endswith(".stim.json"):
                header = json.loads(files[name])
                header["segments"] = [[0, header["segments"][0][1] - 150]]
                files[name] = json.dumps(header).encode()

    change_archive(tree.population, shorter)
    tree.refuses(RawFormatError, r"differ in length.*Found: 600. Expected: 750")


def test_missing_values_of_the_cochleagram_are_zeros_and_counted(tree):
    clip = tree.truth.val[0]
    change_text(
        tree.population,
        ".stim.csv",
        lambda text: text.replace(text.splitlines()[30], ",".join(["nan"] * 18), 1),
    )
    report = tree.build()
    (stimulus,) = [row for row in table_rows(tree.out, "a1-stimuli") if row["stim_id"] == clip]
    assert np.array(stimulus["spectrogram"])[:, 30].tolist() == [0] * 18
    assert ("values of spectrograms", f"missing (NaN) in {clip}; stored as 0", 18) in report.amounts


def test_another_rate_of_the_population_recording(tree):
    change_text(tree.population, ".resp.json", lambda text: text.replace('"fs": 100', '"fs": 50'))
    tree.refuses(RawFormatError, r"another sampling rate.*50 Hz.*100 Hz")


def test_a_clip_that_was_presented_twice_has_two_trials(tree):
    """In the release every clip stands once; more presentations are more trials."""
    clip, other = tree.truth.est[:2]
    start = tree.area.bins[other] / 100
    for signal in ("resp", "stim"):
        change_text(tree.population, f".{signal}.epoch.csv", lambda text: text + f"{clip},{start!r},{start + 1.5!r}\n")
    report, rows = tree.build(), None
    rows = pairs(tree.out, "a1")
    cell = tree.area.cells[0]
    assert rows[clip, cell]["response"] == [rows[clip, cell]["response"][0], rows[other, cell]["response"][0]]
    assert any("different spectrograms" in note and clip in note for note in report.notes)


# The table of cells ---------------------------------------------------------------------------------------------------


def test_no_table_of_cells(tree):
    (tree.raw / TABLE).unlink()
    tree.refuses(MissingRawFileError, r"A1_pred_correlation\.csv")
    report = tree.build(on_error="skip")
    assert left_out(report, "tables").keys() == {TABLE}
    assert {row["neuron_auditory"] for row in neurons(tree.out, "a1").values()} == {None}
    assert report.counts["auditory"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("idx,cellid\n0,a\n", r"other columns.*line 1.*cellid and sig_auditory"),
        ("cellid,sig_auditory\nARM029a-04-1,perhaps\n", r"bad row.*line 2.*ARM029a-04-1, perhaps"),
        ("cellid,sig_auditory\nARM029a-04-1\n", r"bad row.*line 2"),
        ("cellid,sig_auditory\n,True\n", r"bad row.*line 2"),
        ("cellid,sig_auditory\nARM029a-04-1,True\nARM029a-04-1,False\n", r"contradicts itself.*line 3.*ARM029a-04-1"),
        ("cellid,sig_auditory\nARM029a-4-1,True\nARM029a-004-1,False\n", None),
        ('cellid,sig_auditory\n"ARM029a-04-1,True\n', r"cannot be read"),
    ],
)
def test_a_bad_table_of_cells(tree, text, message):
    (tree.raw / TABLE).write_text(text, encoding="utf-8")
    if message is None:
        tree.area.site_cells.pop("ARM029a-04-1")  # the name as the population has it is not in the table
        message = r"A neuron has two names.*A1_pred_correlation\.csv.*ARM029a-04-1"
    tree.refuses(RawFormatError, message)
    assert left_out(tree.build(on_error="skip"), "tables").keys() == {TABLE}


def test_a_table_of_cells_in_other_words_and_names(tree):
    first, second, third = tree.area.cells[:3]
    (tree.raw / TABLE).write_text(
        f"sig_auditory,cellid\n1,{first.replace('-04-', '-004-')}\nfalse,{second}\nnan,{third}\nTrue,XYZ001a-01-1\n",
        encoding="utf-8",
    )
    report = tree.build()
    rows = neurons(tree.out, "a1")
    assert [rows[cell]["neuron_auditory"] for cell in (first, second, third)] == [True, False, None]
    assert left_out(report, "cells")[f"XYZ001a-01-1 ({TABLE})"] == "not in the population recording"


# Waveforms ------------------------------------------------------------------------------------------------------------


def wav(tree, number=1):
    return tree.raw / "wav" / tree.truth.wav_files[tree.truth.est[number]]


def one_without_waveform(tree, number=1):
    rows = {row["stim_id"]: row for row in table_rows(tree.out, "a1-stimuli")}
    for clip, row in rows.items():
        absent = clip == tree.truth.est[number]
        assert (row["audio"] is None) is (row["stim_wav_file"] is None) is absent
        assert (row["stim_audio_onset_ms"] is None) is absent


def test_a_waveform_that_is_missing(tree):
    wav(tree).unlink()
    tree.refuses(MissingRawFileError, rf"waveform of a clip is missing.*{wav(tree).name}")
    report = tree.build(on_error="skip")
    assert left_out(report, "waveforms").keys() == {tree.truth.est[1]}
    one_without_waveform(tree)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound" * 100])
def test_a_waveform_that_is_no_sound(tree, content):
    wav(tree).write_bytes(content)
    tree.refuses(RawFormatError, rf"sound file cannot be read.*{wav(tree).name}")
    tree.build(on_error="skip")
    one_without_waveform(tree)


def test_a_waveform_cut_short(tree):
    cut_short(wav(tree))
    tree.refuses(RawFormatError, rf"cut short.*{wav(tree).name}")
    tree.build(on_error="skip")
    one_without_waveform(tree)


def test_two_waveforms_that_differ_in_case(tree):
    name = wav(tree, 0).name  # written in other letters than its epoch
    assert "true" in name
    scipy.io.wavfile.write(tree.raw / "wav" / name.replace("true", "TRUE"), 44_100, np.zeros(10, np.int16))
    tree.refuses(RawFormatError, r"cannot be told from others.*TRUE_bugs.*true_bugs")
    tree.build(on_error="skip")
    one_without_waveform(tree, 0)


def test_a_waveform_in_the_same_letters_comes_first(tree):
    exact = tree.truth.est[0].removeprefix("STIM_")
    scipy.io.wavfile.write(tree.raw / "wav" / exact, 44_100, np.zeros(10, np.int16))
    tree.build()
    rows = {row["stim_id"]: row for row in table_rows(tree.out, "a1-stimuli")}
    assert rows[tree.truth.est[0]]["stim_wav_file"] == exact


def test_without_stated_silence_a_waveform_begins_with_the_clip(tree):
    def without(text):
        return "\n".join(line for line in text.splitlines() if not line.startswith("PreStimSilence")) + "\n"

    change_text(tree.population, ".resp.epoch.csv", without)
    report = tree.build()
    for row in table_rows(tree.out, "a1-stimuli"):
        assert (row["stim_silence_before_ms"], row["stim_audio_onset_ms"]) == (None, 0)
        assert any(row["stim_id"] in note and "states no silence" in note for note in report.notes)


def test_silences_are_read_for_each_clip(tree):
    clip = tree.truth.val[1]
    change_text(
        tree.population,
        ".resp.epoch.csv",
        lambda text: text.replace("PreStimSilence,1.5,1.75", "PreStimSilence,1.5,1.6"),
    )
    tree.build()
    onsets = {row["stim_id"]: row["stim_audio_onset_ms"] for row in table_rows(tree.out, "a1-stimuli")}
    assert onsets == {name: 100 if name == clip else 250 for name in (*tree.truth.val, *tree.truth.est)}
