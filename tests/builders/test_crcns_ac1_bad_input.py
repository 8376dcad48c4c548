"""CRCNS AC1: files that are missing, damaged, or not as published."""

import shutil

import numpy as np
import pytest

from deepstrf_hf.errors import DataDirectoryError, MissingRawFileError, ParameterError
from tests.builders.crcns_ac1_builds import (
    RECORDING,
    TRIAL,
    built,
    left_out,
    refused_then_skipped,
    rows,
    rows_of_session,
    set_response,
    set_trigger,
)
from tests.builders.crcns_ac1_trees import COHORTS, WEHR
from tests.raw_writers.crcns_ac1 import write_crcns_ac1
from tests.raw_writers.crcns_ac1_signals import change, structs


@pytest.fixture
def raw(tmp_path):
    """Return a tree without faults, to be damaged."""
    write_crcns_ac1(tmp_path / "raw", seed=5, n_wehr_sessions=5, faults=False)
    return tmp_path / "raw"


# Archives -------------------------------------------------------------------------------------------------------------


def test_wehr_needs_one_archive_alone(raw):
    for folder in ("crcns-ac1-asari-results-1", "crcns-ac1-asari-results-2", "crcns-ac1/asari"):
        shutil.rmtree(raw / folder)
    assert built(raw, "wehr").counts["neurons"] == 3
    with pytest.raises(MissingRawFileError, match=r"both crcns-ac1-asari-results-N\.zip"):
        built(raw, "asari_a1", on_error="skip")


def test_one_of_two_archives_of_recordings_is_missing(raw):
    shutil.rmtree(raw / "crcns-ac1-asari-results-2")
    error, entry = refused_then_skipped(
        raw, "asari_a1", "archives", "crcns-ac1-asari-results-2.zip", MissingRawFileError
    )
    assert "on_error='skip'" in str(error)
    assert entry.counts["neurons"] == 1
    assert entry.differences()["neurons"] == (1, 39)


def test_the_first_archive_is_missing_or_half_of_it(raw):
    shutil.rmtree(raw / WEHR)
    with pytest.raises(MissingRawFileError, match=r"unpack crcns-ac1\.zip"):
        built(raw, "wehr", on_error="skip")
    shutil.rmtree(raw / "crcns-ac1")
    with pytest.raises(DataDirectoryError, match="crcns-ac1"):
        built(raw, "asari_a1")


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cohort", "kind", "file"), [("wehr", "trials", TRIAL), ("asari_a1", "recordings", RECORDING)])
@pytest.mark.parametrize("keep", [0, 200, 0.5, 0.98])
def test_a_recording_cut_short(raw, cohort, kind, file, keep):
    content = (raw / file).read_bytes()
    (raw / file).write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    error, entry = refused_then_skipped(raw, cohort, kind, (raw / file).stem)
    assert error.path == str(raw / file)
    assert entry.counts["rows"] > 0


def no_trace(content):
    del content["response"]


def two_responses(content):
    content["response"] = structs(*[{"trace": np.zeros((5, 1)), "scale": 1.0, "sf": 4000.0}] * 2)


@pytest.mark.parametrize(
    ("edit", "field", "said"),
    [
        (no_trace, "response", "triggers"),
        (two_responses, "response", "Found: 2"),
        (set_response(trace=np.full((4000, 1), np.nan)), "response(1).trace", "not finite"),
        (set_response(trace="words"), "response(1).trace", "numeric vector"),
        (set_response(scale=0.0), "response(1).scale, sf", "0 mV"),
        (set_response(sf=-1.0), "response(1).scale, sf", "-1 Hz"),
        (set_trigger(time=np.nan), "triggers(1).time, param.duration", "nan"),
        (set_trigger(duration=-5.0), "triggers(1).time, param.duration", "-5"),
        (set_trigger(time=np.zeros((1, 2))), "triggers(1).time", "one number"),
        (set_trigger(description=3.0), "triggers(1).param(1).description", "text"),
    ],
)
def test_a_trial_that_is_not_as_published(raw, edit, field, said):
    change(raw / TRIAL, edit)
    error, entry = refused_then_skipped(raw, "wehr", "trials", "20020508-mw-003-001")
    assert error.path == str(raw / TRIAL)
    assert error.field == field
    assert said in str(error)
    assert entry.counts["neurons"] == 3


def test_a_trial_that_is_a_link_to_nowhere(raw):
    (raw / TRIAL).unlink()
    (raw / TRIAL).symlink_to(raw / "not fetched")
    error, entry = refused_then_skipped(raw, "wehr", "trials", "20020508-mw-003-001", MissingRawFileError)
    assert error.path == str(raw / TRIAL)
    assert entry.counts["neurons"] == 3


def test_a_trial_without_description_or_duration_is_none(raw):
    change(raw / TRIAL, set_trigger(description=np.zeros((0, 0))))
    entry = built(raw, "wehr")
    assert left_out(entry)["trials", "20020508-mw-003-001"] == "no description or duration of its sound"


def test_a_trigger_after_the_end_of_the_trace_is_an_empty_repeat(raw):
    change(raw / TRIAL, set_trigger(time=1e6))
    entry = built(raw, "wehr")
    assert "empty" in left_out(entry)["repeats", "20020508-mw-003-001"]
    row = rows(raw, "wehr", "20020508-mw-003")["wehr.fragments.001"]
    assert row["recording_n_rejected_range"] == 2
    assert row["n_trials"] == 3


def test_a_trigger_before_the_trace_begins_takes_what_there_is(raw):
    change(raw / TRIAL, set_trigger(time=-99.0))
    entry = built(raw, "wehr", parameters={"cross_trial_gate_r": None})
    assert any("20020508-mw-003-001: its sound began 25.0 ms before the recording" in note for note in entry.notes)
    assert rows(raw, "wehr-cross_trial_gate_r_None", "20020508-mw-003")["wehr.fragments.001"]["n_trials"] == 4


# Sounds ---------------------------------------------------------------------------------------------------------------


def test_a_sound_that_trials_name_is_not_there(raw):
    (raw / f"{WEHR}/Stimuli/fragments/2.mat").unlink()
    error, entry = refused_then_skipped(raw, "wehr", "trials", "20020508-mw-003-002", MissingRawFileError)
    assert "'jaguar mating call'" in str(error)
    assert "wehr.fragments.002" not in rows(raw, "wehr", "20020508-mw-003")
    assert len([name for kind, name in left_out(entry) if kind == "trials"]) == 4


@pytest.mark.parametrize("content", [b"", b"no mat file"])
def test_a_sound_that_cannot_be_read(raw, content):
    file = f"{WEHR}/Stimuli/fragments/2.mat"
    (raw / file).write_bytes(content)
    error, entry = refused_then_skipped(raw, "wehr", "stimulus files", file)
    assert error.path == str(raw / file)
    assert entry.counts["stimuli"] == 5


def test_a_sound_without_description(raw):
    file = f"{WEHR}/Stimuli/fragments/2.mat"
    change(raw / file, lambda content: content["stimulus"][0, 0]["param"][0, 0].__setitem__("description", ""))
    error, _ = refused_then_skipped(raw, "wehr", "stimulus files", file)
    assert error.field == "stimulus.param.description"


@pytest.mark.parametrize("samples", [np.zeros((0, 0)), np.full((50, 1), np.inf)])
def test_a_sound_without_samples(raw, samples):
    file = f"{WEHR}/Stimuli/fragments/2.mat"
    change(raw / file, lambda content: content["stimulus"][0, 0].__setitem__("samples", samples))
    error, entry = refused_then_skipped(raw, "wehr", "stimuli", "wehr.fragments.002")
    assert error.path == str(raw / file)
    assert entry.counts["stimuli"] == 5


def test_a_segment_is_missing(raw):
    (raw / "crcns-ac1/asari/Stimuli/class6/2.mat").unlink()
    name = "asari.class3.3l_class6.2_class3.1"
    error, entry = refused_then_skipped(raw, "asari_a1", "stimuli", name, MissingRawFileError)
    assert error.path.endswith("class6/2.mat")
    assert ("presentations", "a segment of their sequence is missing", 2) in entry.amounts


def test_one_description_of_two_files_is_told_apart_by_the_file_that_a_trial_names(raw):
    files = sorted((raw / f"{WEHR}/Results/20020508-mw-003").glob("*.mat"))
    change(files[0], set_trigger(file="Category3\\2.mat"))
    change(files[3], set_trigger(file="elsewhere\\9.mat"))  # names neither: the first file with this description
    entry = built(raw, "wehr")
    heard = rows(raw, "wehr", "20020508-mw-003")
    assert heard["wehr.category3.002"]["recording_trials"] == "20020508-mw-003-001"
    assert "20020508-mw-003-004" in heard["wehr.fragments.001"]["recording_trials"].split()
    assert any("'humpback whale' belongs to" in note for note in entry.notes)


def test_repeats_of_another_rate_are_binned_by_their_own(raw):
    """One trial of five at half the rate: its bins are as wide as those of the others."""
    file = sorted((raw / f"{WEHR}/Results/20020717-mw-004").glob("*.mat"))[0]

    def halve(content):
        response = content["response"][0, 0]
        response["trace"] = response["trace"][::2]
        response["sf"] = np.array([[2000.0]])
        content["triggers"][0, 0]["time"] = (content["triggers"][0, 0]["time"] - 1) // 2 + 1

    before = rows_of_session(raw, "wehr", "20020717-mw-004")["wehr.fragments.005"][1]
    change(file, halve)
    after = rows_of_session(raw, "wehr", "20020717-mw-004")["wehr.fragments.005"][1]
    assert np.shape(after) == np.shape(before) == (3, 90)
    assert np.corrcoef(before[0], after[0])[0, 1] > 0.98
    np.testing.assert_array_equal(before[1:], after[1:])


def test_bins_narrower_than_a_sample(raw):
    with pytest.raises(ParameterError, match=r"at least 0\.25 ms"):
        built(raw, "wehr", parameters={"dt_ms": 0.1})


def test_nothing_that_a_cohort_could_use(raw):
    for folder in (raw / f"{WEHR}/Results").glob("2*"):
        shutil.rmtree(folder)
    (raw / f"{WEHR}/Results/20020508-mw-003").mkdir()
    with pytest.raises(MissingRawFileError, match="No recording of crcns_ac1/wehr could be used"):
        built(raw, "wehr")
    assert set(COHORTS) == {"wehr", "asari_a1", "asari_mgb"}
