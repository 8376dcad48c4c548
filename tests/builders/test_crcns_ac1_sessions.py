"""CRCNS AC1: sessions of Asari that are not as they should be."""

import shutil

import datasets
import numpy as np
import pytest

from deepstrf_hf.errors import RawFormatError
from tests.builders.crcns_ac1_builds import (
    ATTACHED,
    RECORDING,
    built,
    left_out,
    refused_then_skipped,
    rows,
    rows_of_session,
    set_param,
    set_response,
)
from tests.builders.crcns_ac1_trees import RESULTS_1, RESULTS_2, WEHR
from tests.raw_writers.crcns_ac1 import HOSTILE, write_crcns_ac1
from tests.raw_writers.crcns_ac1_signals import change


@pytest.fixture
def raw(tmp_path):
    """Return a tree without faults, to be damaged."""
    write_crcns_ac1(tmp_path / "raw", seed=5, n_wehr_sessions=5, faults=False)
    return tmp_path / "raw"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_deepstrf_cannot_load_is_left_out_by_name(tmp_path, hostile):
    write_crcns_ac1(tmp_path / "raw", n_wehr_sessions=5, faults=False, hostile=hostile)
    cohort, kind, name, said = {
        "session-4parts": ("wehr", "folders", f"{WEHR}/Results/20020508-mw-003-old", "not a session"),
        "empty-site": ("asari_a1", "recordings", "20070301-ha4-009-001", "nor its session says where"),
        "mixed-rate": ("asari_a1", "stimuli", "asari.class3.3l_class6.2_class3.1", "differ in sampling rate"),
        "no-response": ("asari_a1", "recordings", "20060301-ha4-001-001", "lacks a variable"),
    }[hostile]
    entry = built(tmp_path / "raw", cohort, on_error="skip")
    assert said in left_out(entry)[kind, name]
    assert entry.counts["neurons"] == 3
    if hostile in ("mixed-rate", "no-response"):
        shutil.rmtree(tmp_path / "out")
        with pytest.raises(RawFormatError):
            built(tmp_path / "raw", cohort)
    else:
        assert built(tmp_path / "raw", cohort).counts == entry.counts


def test_sessions_without_a_sound_and_without_files_are_named(raw):
    (raw / RESULTS_1 / "20050720-ha2-009").mkdir()
    entry = built(raw, "asari_a1")
    assert left_out(entry)["cells", "20050715-ha2-001"] == "no natural sound that can be used among its recordings"
    assert left_out(entry)["cells", "20050720-ha2-009"] == "no recording in its folder"


def test_files_of_one_name_in_two_sessions_are_counted_apart(raw):
    """The layout of the release fixes the names of folders only."""

    def saturate(content):
        response, onset = content["response"][0, 0], int(content["triggers"][0, 0]["time"].item())
        response["trace"] = response["trace"].astype(float)
        response["trace"][onset + 500 : onset + 510] = 300 / response["scale"].item()

    change(raw / ATTACHED, saturate)
    before = built(raw, "asari_mgb")
    assert before.counts["rejected_range"] == 1
    for path in [*(raw / RESULTS_1).glob("2*/*.mat"), *(raw / RESULTS_2).glob("2*/*.mat")]:
        path.rename(path.with_name(f"{path.stem[-3:]}.mat"))
    after = built(raw, "asari_mgb")
    assert after.counts == before.counts
    rejected = {name for kind, name in left_out(before) if kind == "repeats"}
    expected = {f"{name[:16]}/{name[17:]}" for name in rejected}
    assert {name for kind, name in left_out(after) if kind == "repeats"} == expected
    assert "20050601-ha1-002/001#1" in expected


def test_words_after_the_numbers_of_a_sequence_are_remarked(raw):
    def edit(content):
        content["triggers"][0, 0]["param"][0, 0]["description"] = "Sequence 1: 2  1  3  1  4, twice as loud"

    before = rows_of_session(raw, "asari_mgb", "20050601-ha1-002")
    change(raw / ATTACHED, edit)
    assert rows_of_session(raw, "asari_mgb", "20050601-ha1-002") == before
    entry = built(raw, "asari_mgb")
    assert any("', twice as loud' was passed over" in note for note in entry.notes)


def test_a_file_that_does_not_say_takes_what_its_session_says(raw):
    second = RECORDING.replace("001.mat", "002.mat")
    change(raw / second, set_param(site=np.zeros((0, 0)), type=np.zeros((0, 0))))
    before = rows_of_session(raw, "asari_a1", "20050512-ha1-001")
    change(raw / second, set_param(site="auditory CORTEX", type="Whole  Cell"))
    assert rows_of_session(raw, "asari_a1", "20050512-ha1-001") == before


def test_a_session_in_both_sites_is_two_cells(raw):
    second = RECORDING.replace("001.mat", "002.mat")
    trace = change_to_attached(raw, second)
    assert trace
    for cohort, name in (("asari_a1", "20050512-ha1-001-A1"), ("asari_mgb", "20050512-ha1-001-MGB")):
        built(raw, cohort)
        ids = datasets.load_dataset(str(raw.parent / "out"), f"{cohort}-neurons", split="train")["neuron_id"]
        assert name in ids
        assert "20050512-ha1-001" not in ids


def change_to_attached(raw, file):
    change(raw / file, set_param(site="MGB", type="cell attached"))
    return True


def test_an_unusual_type_is_taken_for_whole_cell_and_remarked(raw):
    change(raw / RECORDING, set_param(type="sharp electrode"))
    entry = built(raw, "asari_a1")
    assert any("'sharp electrode' was taken for whole-cell" in note for note in entry.notes)
    neuron = next(iter(rows(raw, "asari_a1", "20050512-ha1-001").values()))
    assert neuron["neuron_recording_type"] == "sharp-electrode"


def test_a_whole_cell_recording_in_the_thalamus_fits_no_cohort(raw):
    change(raw / ATTACHED, set_param(type="whole cell"))
    entry = built(raw, "asari_mgb")
    assert "a whole-cell recording in MGB" in left_out(entry)["recordings", "20050601-ha1-002-001"]
    assert ("cells", "20050601-ha1-002") in left_out(entry)


def test_a_fault_of_one_cohort_does_not_stop_the_other(raw):
    def edit(content):
        content["triggers"][0, 0]["param"][0, 0]["description"] = "Sequence 1: 2 77"

    change(raw / ATTACHED, edit)
    built(raw, "asari_a1")
    shutil.rmtree(raw.parent / "out")
    error, entry = refused_then_skipped(raw, "asari_mgb", "triggers", "20050601-ha1-002-001#1")
    assert "77" in str(error.found)
    assert "1, 2, 3, 4" in str(error.expected)
    assert rows(raw, "asari_mgb", "20050601-ha1-002")["asari.class3.2_1_3_1_4"]["n_trials"] == 3


def test_a_path_that_leaves_the_stimuli_is_refused(raw):
    def edit(content):
        content["param"][0, 0]["stimulus"][0, 0]["file"] = "class3/../../../secret.mat"

    change(raw / RECORDING, edit)
    error, _ = refused_then_skipped(raw, "asari_a1", "recordings", "20050512-ha1-001-001")
    assert "secret" in str(error.found)


def test_a_session_in_both_archives_is_one_cell(raw):
    session = "20050512-ha1-001"
    alone = rows_of_session(raw, "asari_a1", session)
    shutil.copytree(raw / RESULTS_1 / session, raw / RESULTS_2 / session)
    assert rows_of_session(raw, "asari_a1", session) == alone
    entry = built(raw, "asari_a1")
    copy = f"{RESULTS_2}/{session}/{session}-001.mat"
    assert left_out(entry)["recordings", copy] == "a copy of the file in the other archive"
    assert entry.counts["neurons"] == 3
    change(raw / copy, set_response(scale=0.016))
    entry = built(raw, "asari_a1")
    assert any("both were taken for recordings of one cell" in note for note in entry.notes)
    assert entry.counts["neurons"] == 3
    trials = rows(raw, "asari_a1", session)["asari.class3.2_1_3_1_4"]["recording_trials"].split()
    assert trials[-2:] == [f"asari-results-2/{session}-001#1", f"asari-results-2/{session}-001#3"]
