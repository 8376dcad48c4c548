"""NAT4: single-site recordings that are odd, missing, damaged or contradict the others."""

import json
import shutil

import numpy as np
import pytest
import scipy.io.wavfile

from deepstrf_hf import build
from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from tests.builders.nat4_trees import (
    Tree,
    change_archive,
    change_text,
    cut_short,
    left_out,
    neurons,
    pairs,
    val_trials,
)
from tests.raw_writers.nat4 import N_BINS, write_nat4


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


# Odd single-site recordings -------------------------------------------------------------------------------------------


def test_uneven_repeats_and_a_clip_that_a_site_did_not_hear(tmp_path):
    uneven = {("TNC010a", 0): 19, ("ARM029a", 1): 0, ("ARM029a", 2): 21}
    truth = write_nat4(tmp_path / "raw", seed=7, areas=("A1",), n_sites=2, waveforms=False, presentations=uneven)
    area = truth.areas["A1"]
    report = build("nat4", ["a1"], data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["a1"]
    rows = pairs(tmp_path / "out", "a1")
    for cell, (site, _) in area.site_cells.items():
        for number, clip in enumerate(truth.val):
            if uneven.get((site, number)) == 0:
                assert (clip, cell) not in rows
                continue
            np.testing.assert_array_equal(rows[clip, cell]["response"], val_trials(area, clip, cell))
            assert rows[clip, cell]["n_trials"] == uneven.get((site, number), 20)
    assert any(f"19 of {truth.val[0]}" in note and "TNC010a" in note for note in report.notes)
    assert any(f"0 of {truth.val[1]}, 21 of {truth.val[2]}" in note for note in report.notes)
    (missing,) = left_out(report, "presentations")
    assert missing.startswith(f"{truth.val[1]} (A1_ARM029a")
    assert all(row["neuron_val_matches_population"] in (True, None) for row in rows.values())


@pytest.mark.parametrize(("extra_ms", "kept"), [(1, True), (-9, True), (40, True), (-10, False), (-200, False)])
def test_presentations_longer_or_shorter_than_the_clip(tmp_path, extra_ms, kept):
    truth = write_nat4(
        tmp_path / "raw", seed=8, areas=("A1",), n_sites=1, waveforms=False, longer_ms={("ARM029a", 1): extra_ms}
    )
    area = truth.areas["A1"]
    report = build("nat4", ["a1"], data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["a1"]
    rows = pairs(tmp_path / "out", "a1")
    for cell in area.site_cells:
        for number, clip in enumerate(truth.val):
            assert ((clip, cell) in rows) is (kept or number != 1)
            if (clip, cell) in rows:
                np.testing.assert_array_equal(rows[clip, cell]["response"], val_trials(area, clip, cell))
    if kept:
        (note,) = [note for note in report.notes if f"{1500 + extra_ms} ms long" in note]
        assert truth.val[1] in note and "ARM029a" in note
    else:
        short = {name: reason for name, reason in left_out(report, "presentations").items() if "," in name}
        assert len(short) == 20
        assert set(short.values()) == {f"{1500 + extra_ms} ms long, not 1500 ms"}


def test_strays_are_no_recordings_and_no_sounds(tmp_path):
    write_nat4(tmp_path / "raw", seed=9, areas=("A1",), n_sites=1, n_est=2, n_val=1)
    for name in ("A1_single_sites/.DS_Store", "A1_single_sites/notes.txt", "wav/.DS_Store"):
        (tmp_path / "raw" / name).write_bytes(b"\0")
    scipy.io.wavfile.write(tmp_path / "raw" / "wav" / "cat999_other.wav", 44_100, np.zeros(10, np.int16))
    report = build("nat4", ["a1"], data_dir=tmp_path / "raw", out=tmp_path / "out").cohorts["a1"]
    assert left_out(report, "files") == {
        "A1_single_sites/.DS_Store": "not a recording",
        "A1_single_sites/notes.txt": "not a recording",
        "wav/cat999_other.wav": "no clip is called so",
    }


def test_a_tree_of_one_area_builds_that_area(tmp_path):
    write_nat4(tmp_path / "raw", seed=9, areas=("PEG",), n_est=2, n_val=1, waveforms=False)
    report = build("nat4", ["peg"], data_dir=tmp_path / "raw", out=tmp_path / "out")
    assert report.cohorts["peg"].counts["neurons"] == 5
    assert pairs(tmp_path / "out", "peg").popitem()[1]["n_bins"] == N_BINS


# Single-site recordings -----------------------------------------------------------------------------------------------


def without_val(tree, report, site="TNC010a"):
    """Check that one site alone has lost its val responses, and that the rest is whole."""
    lost = set(tree.cells(site))
    assert tree.rows_with_val() == set(tree.area.site_cells) - lost
    rows = pairs(tree.out, "a1")
    assert all((tree.truth.est[0], cell) in rows for cell in lost)
    assert left_out(report, "val responses").keys() == lost | {tree.area.lost}
    for cell, row in neurons(tree.out, "a1").items():
        assert (row["neuron_val_matches_population"] is None) is (cell in lost | {tree.area.lost})


@pytest.mark.parametrize("share", [0.05, 0.9])
def test_a_site_recording_cut_short(tree, share):
    cut_short(tree.site("TNC010a"), share)
    tree.refuses(RawFormatError, r"cut short.*A1_TNC010a")
    report = tree.build(on_error="skip")
    assert "cut short" in left_out(report, "single-site recordings")[tree.site("TNC010a").name]
    without_val(tree, report)


def test_a_site_recording_that_is_missing(tree):
    tree.site("TNC010a").unlink()
    tree.refuses(MissingRawFileError, r"recording of a site is missing.*Field: TNC010a.*unpack A1_single_sites\.zip")
    report = tree.build(on_error="skip")
    assert left_out(report, "single-site recordings").keys() == {"TNC010a"}
    without_val(tree, report)


@pytest.mark.parametrize("empty", [False, True])
def test_no_site_recordings_at_all(tree, empty):
    shutil.rmtree(tree.raw / "A1_single_sites")
    if empty:
        (tree.raw / "A1_single_sites").mkdir()
    tree.refuses(MissingRawFileError, r"A1_single_sites")
    report = tree.build(on_error="skip")
    assert tree.rows_with_val() == set()
    assert report.counts["val_clips"] == 0 and report.counts["est_clips"] == 3
    assert left_out(report, "clips").keys() == set(tree.truth.val)


def test_a_site_recording_under_two_names(tree):
    path = tree.site("TNC010a")
    shutil.copy(path, path.with_name("A1_TNC010a_" + "f" * 40 + ".tgz"))
    tree.refuses(RawFormatError, r"Two recordings hold the same cells.*also in A1_TNC010a")
    report = tree.build(on_error="skip")
    assert left_out(report, "single-site recordings").keys() == {"A1_TNC010a_" + "f" * 40 + ".tgz"}
    assert tree.rows_with_val() == set(tree.area.site_cells)


def test_names_that_differ_by_zeros_alone_are_not_guessed(tree):
    path = tree.site("TNC010a")

    def respell(files):
        for name in list(files):
            if name.endswith(".resp.json"):
                header = json.loads(files[name])
                header["chans"] = ["TNC010a-0031-3", "TNC010a-031-3", "TNC010a-005-2"]
                files[name] = json.dumps(header).encode()

    change_archive(path, respell)
    tree.refuses(RawFormatError, r"A neuron has two names.*A1_TNC010a.*TNC010a-31-3")
    without_val(tree, tree.build(on_error="skip"))


def test_a_site_recording_of_another_rate(tree):
    change_text(tree.site("TNC010a"), ".resp.json", lambda text: text.replace('"fs": 1000', '"fs": 100'))
    tree.refuses(RawFormatError, r"another sampling rate.*A1_TNC010a.*100 Hz.*1000 Hz")
    without_val(tree, tree.build(on_error="skip"))


def test_a_site_recording_whose_val_clip_ends_after_it(tree):
    clip, path = tree.truth.val[0], tree.site("TNC010a")
    change_text(path, ".resp.epoch.csv", lambda text: text + f"{clip},100000.0,100001.5\n")
    tree.refuses(RawFormatError, rf"outside its signal.*A1_TNC010a.*{clip}")
    without_val(tree, tree.build(on_error="skip"))


def test_a_presentation_that_overlaps_an_earlier_one_is_left_out(tree):
    clip, path = tree.truth.val[0], tree.site("TNC010a")
    start = tree.area.sites["TNC010a"].starts_s[clip][4]
    change_text(path, ".resp.epoch.csv", lambda text: text + f"{clip},{start!r},{start + 1.5!r}\n")
    report = tree.build()
    assert left_out(report, "presentations") == {f"{clip}, 21 ({path.name})": "overlaps an earlier one"}
    assert {row["n_trials"] for (name, _), row in pairs(tree.out, "a1").items() if name == clip} == {20}


def test_clips_and_cells_that_only_a_site_recording_has(tree):
    path = tree.site("TNC010a")

    def changed(files):
        for name in list(files):
            if name.endswith(".resp.epoch.csv"):
                files[name] += b"STIM_00cat1_other.wav,0.0,1.5\n"
            if name.endswith(".resp.json"):
                header = json.loads(files[name])
                header["chans"] = header["chans"][:-1]
                files[name] = json.dumps(header).encode()

    change_archive(path, changed)
    report = tree.build()
    assert left_out(report, "clips") == {f"STIM_00cat1_other.wav ({path.name})": "not in the population recording"}
    reason = left_out(report, "cells")[f"TNC010a-005-2 ({path.name})"]
    assert reason == "the header of the recording does not name it"
    assert "TNC010a-05-2" in left_out(report, "val responses")


def test_clips_that_by_their_repeats_would_be_of_the_other_subset_are_noted(tree):
    clip, path = tree.truth.est[0], tree.site("ARM029a")
    start = tree.area.sites["ARM029a"].starts_s[clip][0]
    change_text(path, ".resp.epoch.csv", lambda text: text + f"{clip},{start!r},{start + 1.5!r}\n" * 19)
    (note,) = [note for note in tree.build().notes if "other subset" in note]
    assert clip in note and "A1_ARM029a" in note and tree.truth.val[0] not in note
