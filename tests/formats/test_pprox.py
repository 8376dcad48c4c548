import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.pprox import read_pprox
from deepstrf_hf.formats.pprox_units import check_time_unit

OLDER = {"stimulus": "B1", "condition": "gap1", "stim_on": 1000.0, "stim_off": 1900.0, "event": [990.0, 1000.0, 1005.5]}
NEWER = {
    "stimulus": {"name": "ep_x_C", "interval": [0.25, 1.25]},
    "interval": [-0.75, 2.25],
    "events": [0.25, 0.3, -0.5],
}


@pytest.fixture
def write(tmp_path):
    def write(*trials, **attributes):
        path = tmp_path / "unit.pprox"
        path.write_text(json.dumps({**attributes, "pprox": list(trials)}))
        return path

    return write


# What is read ---------------------------------------------------------------------------------------------------------


def test_the_older_layout_is_in_milliseconds_of_one_clock(write):
    assert len(read_pprox(write({**OLDER, "units": "ms"}, {**OLDER, "units": None})).trials) == 2
    (trial,) = read_pprox(write(OLDER, bird="P1")).trials
    assert (trial.stimulus, trial.condition, trial.place) == ("B1", "gap1", "pprox[0]")
    assert trial.times_ms.tolist() == [-10.0, 0.0, 5.5]
    assert (trial.stated_ms, trial.recorded_ms, trial.n_missing, trial.has_events) == (900.0, None, 0, True)


def test_the_newer_layout_is_in_seconds_and_the_begin_of_the_stimulus_is_subtracted(write):
    (trial,) = read_pprox(write(NEWER)).trials
    assert (trial.stimulus, trial.condition) == ("ep_x_C", None)
    np.testing.assert_allclose(trial.times_ms, [0, 50, -750], atol=1e-9)
    assert trial.stated_ms == 1000.0
    assert trial.recorded_ms == (-1000.0, 2000.0)


@pytest.mark.parametrize(
    "schema", [None, "https://meliza.org/spec:2/pprox.json#", "https://meliza.org/spec:2/stimtrial.json"]
)
@pytest.mark.parametrize(("trial", "unit"), [(OLDER, "ms"), (NEWER, "s")])
def test_layouts_are_told_apart_by_keys_whatever_the_schema_says(write, schema, trial, unit):
    assert read_pprox(write(trial, **{"$schema": schema})).unit == unit


def test_a_bare_name_or_path_names_the_stimulus_and_its_onset_is_zero(write):
    bare, path = read_pprox(
        write({"stimulus": "B8", "events": [1.5]}, {"stimulus": "bank/ep_x_C.wav", "events": []})
    ).trials
    assert (bare.stimulus, bare.times_ms.tolist(), bare.recorded_ms) == ("B8", [1500.0], None)
    assert path.stimulus == "ep_x_C"


def test_trials_that_name_no_stimulus_are_there_without_times(write):
    trials = read_pprox(
        write(OLDER, {"event": [1.0]}, {**OLDER, "condition": None}, {"condition": "gap1", "stim_on": 3})
    ).trials
    assert [len(trial.times_ms) for trial in trials] == [3, 0, 0, 0]
    (named, empty, nothing) = read_pprox(
        write(NEWER, {"stimulus": {"name": ""}, "events": [1]}, {"events": [2]})
    ).trials
    assert (named.stimulus, empty.stimulus, nothing.stimulus) == ("ep_x_C", None, None)


def test_a_list_that_is_absent_or_null_is_told_from_an_empty_one(write):
    without = {key: value for key, value in OLDER.items() if key != "event"}
    trials = read_pprox(write(without, {**OLDER, "event": None}, {**OLDER, "event": []}, OLDER)).trials
    assert [trial.has_events for trial in trials] == [False, False, True, True]
    assert [len(trial.times_ms) for trial in trials] == [0, 0, 0, 3]


def test_events_that_are_no_numbers_are_counted(write):
    (trial,) = read_pprox(write({**NEWER, "events": [None, 0.25, math.nan, math.inf, 1]})).trials
    np.testing.assert_allclose(trial.times_ms, [0, 750])
    assert trial.n_missing == 3


def test_attributes_are_text_or_absent(write):
    file = read_pprox(write(OLDER, bird="P1", location=None, hemisphere="", age=3))
    assert (file.text("bird"), file.text("location"), file.text("hemisphere"), file.text("sex")) == (
        "P1",
        None,
        None,
        None,
    )
    assert "pprox" not in file.attributes
    with pytest.raises(RawFormatError, match=r"Field: age\. Found: 3\."):
        file.text("age")


@given(st.lists(st.floats(-2e3, 4e3), max_size=30), st.floats(0, 1e6))
def test_both_layouts_give_the_same_times(tmp_path_factory, times_ms, onset_ms):
    directory = tmp_path_factory.mktemp("pprox")
    older = {**OLDER, "stim_on": onset_ms, "stim_off": onset_ms + 1, "event": [t + onset_ms for t in times_ms]}
    seconds = onset_ms / 1000
    newer = {
        "stimulus": {"name": "x", "interval": [seconds, seconds + 1]},
        "events": [t / 1000 + seconds for t in times_ms],
    }
    read = []
    for name, trial in (("a", older), ("b", newer)):
        (directory / name).write_text(json.dumps({"pprox": [trial]}))
        read.append(read_pprox(directory / name).trials[0].times_ms)
    np.testing.assert_allclose(read[0], times_ms, atol=1e-6)
    np.testing.assert_allclose(read[1], times_ms, atol=1e-6)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trials", "match"),
    [
        ([{"times": [1], "stimulus": "a"}], r"no layout that is known.*Found: stimulus, times\..*event and stim_on"),
        ([], "no layout that is known.*no trials"),
        ([OLDER, NEWER], "mixes two layouts"),
        ([{**OLDER, "units": "s"}], r"pprox\[0\]\.units\. Found: s"),
        ([OLDER, {**OLDER, "stim_on": None}], r"pprox\[1\]\.stim_on\. Found: None"),
        ([{**OLDER, "stim_on": True}], r"stim_on\. Found: True"),
        ([{**OLDER, "stim_off": math.nan}], r"stim_off\. Found: nan"),
        ([{**OLDER, "event": 5}], r"pprox\[0\]\.event\. Found: 5.*a list of numbers"),
        ([{**OLDER, "event": ["5"]}], r"a list of numbers"),
        ([{**OLDER, "event": [True]}], r"a list of numbers"),
        ([{**OLDER, "event": [10**400]}], r"a list of numbers"),
        ([{**OLDER, "event": [1e300]}], r"Found: 1e\+300"),
        ([{**OLDER, "stimulus": 4}], r"pprox\[0\]\.stimulus\. Found: 4"),
        ([{**NEWER, "stimulus": {"name": ["a"]}}], r"pprox\[0\]\.name"),
        ([{**NEWER, "interval": [1.0]}], r"pprox\[0\]\.interval\. Found: \[1\.0\]"),
        ([{**NEWER, "interval": [2.0, 1.0]}], r"begin before end"),
        ([{**NEWER, "stimulus": {"name": "x", "interval": "0-1"}}], r"stimulus\.interval"),
        ([{**NEWER, "stimulus": {"name": "x", "interval": [None, 1]}}], r"stimulus\.interval\. Found: None"),
    ],
)
def test_trials_that_are_not_as_published_are_refused_by_place(write, trials, match):
    path = write(*trials)
    with pytest.raises(RawFormatError, match=match) as caught:
        read_pprox(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("schema", ["https://meliza.org/spec:3/pprox.json#", "spec:2/other.json", 2, ""])
def test_a_third_schema_is_refused_by_name(write, schema):
    with pytest.raises(RawFormatError, match=r"unknown schema\. File.*Field: \$schema") as caught:
        read_pprox(write(OLDER, **{"$schema": schema}))
    assert repr(schema) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "not JSON"),
        (b'{"pprox": [', "not JSON"),
        (b"\xff\xfe\xfa", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[1]", "no list of trials.*Found: list"),
        (b'{"a": 1, "b": 2}', "no list of trials.*the keys a, b"),
        (b'{"pprox": {"0": {}}}', "no list of trials"),
        (b'{"pprox": [1]}', "no list of trials"),
    ],
)
def test_other_files_are_refused(tmp_path, content, match):
    path = tmp_path / "unit.pprox"
    path.write_bytes(content)
    with pytest.raises(RawFormatError, match=match):
        read_pprox(path)


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(MissingRawFileError, match=r"absent\.pprox"):
        read_pprox(tmp_path / "absent.pprox")


# Units of time --------------------------------------------------------------------------------------------------------


def heard(write, *trials, sound_ms=900.0):
    file = read_pprox(write(*trials))
    return file, [(trial, sound_ms) for trial in file.trials]


def older(times_ms, onset=1000.0, stated=900.0, scale=1.0):
    return {
        **OLDER,
        "stim_on": onset * scale,
        "stim_off": None if stated is None else (onset + stated) * scale,
        "event": [(onset + t) * scale for t in times_ms],
    }


SPREAD = np.linspace(-900, 1800, 40).tolist()


def test_plausible_times_pass(write):
    check_time_unit(*heard(write, older(SPREAD), older([]), older([1e6])))
    check_time_unit(*heard(write, {"stimulus": "x", "events": [t / 1000 for t in SPREAD]}))
    check_time_unit(*heard(write, older([], stated=None)))
    file, _ = heard(write, older(SPREAD, scale=0.001))
    check_time_unit(file, [])  # nothing is known


@pytest.mark.parametrize(
    ("trials", "match"),
    [
        ([older(SPREAD, scale=0.001)], r"0\.001 times as long as their sounds.*times in ms"),
        ([older(SPREAD, stated=None, scale=0.001)], r"all 40 events within a hundredth.*times in ms"),
        ([{"stimulus": "x", "events": SPREAD}], r"of 40 events more than 60 s away.*times in s"),
        (
            [{"stimulus": {"name": "x", "interval": [0, 900.0]}, "events": SPREAD}],
            r"1e\+03 times as long as their sounds",
        ),
    ],
)
def test_times_in_another_unit_are_detected(write, trials, match):
    with pytest.raises(RawFormatError, match=match):
        check_time_unit(*heard(write, *trials))


def test_few_events_are_not_judged_by(write):
    check_time_unit(*heard(write, older([1.0] * 19, stated=None)))
    check_time_unit(*heard(write, {"stimulus": "x", "events": [500.0] * 9}))


def test_outliers_are_not_judged_by(write):
    check_time_unit(*heard(write, older([*SPREAD, *[1e6] * 39])))
    with pytest.raises(RawFormatError, match="41 of 81 events"):
        check_time_unit(*heard(write, older([*SPREAD, *[1e6] * 41])))
