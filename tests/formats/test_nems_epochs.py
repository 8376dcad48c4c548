import csv
import math
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems import read_recording
from deepstrf_hf.formats.nems_container import Member, MemberStream
from deepstrf_hf.formats.nems_epochs import EpochTable, read_epochs, split_by_occurrence_counts
from tests.raw_writers.nems import epoch_csv, trial_epochs


def read(content: bytes) -> EpochTable:
    """Parse a table that stands in no file."""
    left = bytearray(content)

    def take(size):
        piece = bytes(left[:size])
        del left[:size]
        return piece

    return read_epochs(MemberStream(Path("a.tgz"), Member("a/a.resp.epoch.csv", "resp", "epochs", len(content)), take))


@pytest.mark.parametrize("order", [("name", "start", "end"), ("start", "end", "name"), ("end", "name", "start")])
def test_names_are_text_and_hold_commas(order):
    rows = [
        ("STIM_ESE-23_Sparrows_-_Large_excited_group,.wav", 11.94, 17.439999999999998),
        ("null", 0.0, 1.0),
        ("NaN", 1.0, 2.0),
        ("NA", 2.0, 2.0),
        ('say "so"', 0.5, 1.5),
        ("", 3.0, 4.0),
        ("null", 5.0, 6.0),
    ]
    table = read(epoch_csv(rows, order))
    assert table.names() == ["STIM_ESE-23_Sparrows_-_Large_excited_group,.wav", "null", "NaN", "NA", 'say "so"', ""]
    assert table.occurrences("null").tolist() == [[0.0, 1.0], [5.0, 6.0]]
    assert table.occurrences("STIM_ESE-23_Sparrows_-_Large_excited_group,.wav")[0, 1] == 17.439999999999998
    assert table.names("STIM_") == ["STIM_ESE-23_Sparrows_-_Large_excited_group,.wav"]
    assert table.counts("") == {name: len(table.occurrences(name)) for name in table.names()}
    assert table.occurrences("nothing").shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        (b"", "line 1", "[]"),
        (b"start,end\n1,2\n", "line 1", "['start', 'end']"),
        (b",name,start,end\n0,a,1,2\n", "line 1", "name"),
        (b"name,start,end\na,0,1\nb,2\n", "line 3", "['b', '2']"),
        (b"name,start,end\na,0,1\nb,2,3,4\n", "line 3", "4"),
        (b"name,start,end\na,0,1\n\nb,2,3\n", "line 3", "[]"),
        (b"name,start,end\na,0,one\n", "line 2", "one"),
        (b"name,start,end\na,,1\n", "line 2", "''"),
        (b"name,start,end\na,0,1_0\n", "line 2", "1_0"),
        (b"name,start,end\na,0,nan\n", "line 2", "nan"),
        (b"name,start,end\na,-inf,1\n", "line 2", "-inf"),
        (b"name,start,end\na,0,1\nb,1,0.9\n", "line 3", "0.9"),
        (b'name,start,end\na,0,1\n"b,1,2\n', "line 3", "unexpected end of data"),
        (b'name,start,end\n"a"b,0,1\n', "line 2", "expected after"),
        (b"name,start,end\n\xff,0,1\n", "epoch.csv", "0xff"),
    ],
)
def test_bad_tables_are_refused_with_their_line(text, place, found):
    with pytest.raises(RawFormatError) as caught:
        read(text)
    assert "a/a.resp.epoch.csv" in caught.value.field
    assert place in caught.value.field
    assert found in str(caught.value.found)
    assert caught.value.path == "a.tgz"


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**4)), min_size=1, max_size=20), st.integers(0, 3))
def test_spans_are_rounded_half_to_even(times, digits):
    rate = 100
    rows = [("a", start / 10**digits, (start + length) / 10**digits) for start, length in times]
    spans = read(epoch_csv(rows)).spans("a", rate)
    for (_, start, end), span in zip(rows, spans, strict=True):
        # The product in floating point is what NEMS rounds; the rounding is done again in decimal arithmetic.
        expected = [int(Decimal(time * rate).to_integral_value(ROUND_HALF_EVEN)) for time in (start, end)]
        assert span.tolist() == expected


def test_half_samples_go_to_the_even_one():
    table = read(epoch_csv([("a", 0.0, 0.25), ("a", 0.75, 1.25)]))
    assert table.spans("a", 2).tolist() == [[0, 0], [2, 2]]
    assert table.spans("a", 10).tolist() == [[0, 2], [8, 12]]


def test_epochs_outside_their_signal_are_refused_by_name():
    table = read(epoch_csv([("STIM_a", 0.0, 1.0), ("STIM_a", 9.0, 10.0), ("STIM_b", -0.1, 1.0)]))
    assert table.spans("STIM_a", 100, 1000).tolist() == [[0, 100], [900, 1000]]
    with pytest.raises(RawFormatError, match="An epoch lies outside its signal") as caught:
        table.spans("STIM_a", 100, 999)
    assert caught.value.field == "a/a.resp.epoch.csv: STIM_a"
    assert caught.value.found == "occurrence 2 from 9 s to 10 s, samples 900 to 1000"
    assert "999" in caught.value.expected
    with pytest.raises(RawFormatError, match="occurrence 1 from -0.1 s"):
        table.spans("STIM_b", 100)
    assert table.spans("STIM_c", 100, 1).shape == (0, 2)


def test_silences_are_those_of_each_presentation():
    rows = [
        *trial_epochs("a", 0.0, 0.5, 3.0, 0.5),
        *trial_epochs("b", 4.3, 2.0, 3.0, 0.25),
        *trial_epochs("a", 10.1, 2.0, 1.5, 0.5),
        *trial_epochs("c", 20.0, 1.0, 1.0, 1.0, silences=False),
    ]
    table = read(epoch_csv(rows))
    np.testing.assert_allclose(table.silences("STIM_a").before_s, [0.5, 2.0], atol=1e-9)
    np.testing.assert_allclose(table.silences("STIM_a").after_s, [0.5, 0.5], atol=1e-9)
    np.testing.assert_allclose(np.concatenate(table.silences("STIM_b")), [2.0, 0.25], atol=1e-9)
    assert np.isnan(np.concatenate(table.silences("STIM_c"))).all()
    assert table.silences("STIM_d").before_s.shape == (0,)


def test_silences_are_found_through_float_noise():
    rows = [
        ("STIM_a", 11.94, 17.44),
        ("PreStimSilence", 11.939999999999998, 13.94),
        ("PostStimSilence", 16.94, 17.440000000000001),
    ]
    silences = read(epoch_csv(rows)).silences("STIM_a")
    np.testing.assert_allclose(np.concatenate(silences), [2.0, 0.5], atol=1e-9)


def test_two_silences_before_one_sound_are_refused():
    rows = [("STIM_a", 0.0, 5.0), ("PreStimSilence", 0.0, 1.0), ("PreStimSilence", 2.0, 3.0)]
    with pytest.raises(RawFormatError, match="more than one PreStimSilence") as caught:
        read(epoch_csv(rows)).silences("STIM_a")
    assert caught.value.found == "2 between 0 s and 5 s"
    twice = [("STIM_a", 0.0, 5.0), ("PreStimSilence", 0.0, 1.0), ("PreStimSilence", 0.0, 1.0)]
    assert read(epoch_csv(twice)).silences("STIM_a").before_s.tolist() == [1.0]


def test_overlapping_occurrences():
    rows = [("a", 5.0, 6.0), ("a", 0.0, 2.0), ("a", 1.5, 3.5), ("a", 3.0, 4.0), ("a", 2.0 - 1e-9, 2.5)]
    # 1.5 overlaps 0.0–2.0 and is not counted any more, so that 3.0 overlaps nothing.
    assert read(epoch_csv(rows)).overlapping("a").tolist() == [False, False, True, False, False]
    assert read(epoch_csv(rows)).overlapping("b").tolist() == []


def test_published_split_with_one_two_and_more_counts():
    assert split_by_occurrence_counts({}) == {}
    assert split_by_occurrence_counts({"b": 3, "a": 24, "c": 3}) == {"b": "est", "a": "val", "c": "est"}
    # Distinct counts 1, 2, 20: mean 7.67, whatever how many names have each.
    counts = {"a": 20, **{f"n{index}": 1 for index in range(9)}, "m": 2}
    assert [name for name, split in split_by_occurrence_counts(counts).items() if split == "val"] == ["a"]
    # 1, 2, 3: the mean is 2, which does not exceed itself.
    assert split_by_occurrence_counts({"a": 1, "b": 2, "c": 3}) == {"a": "est", "b": "est", "c": "val"}
    one = split_by_occurrence_counts(dict.fromkeys("gfedcba", 2))
    assert [name for name in "abcdefg" if one[name] == "est"] == list("abcde")
    assert split_by_occurrence_counts({"a": 1}) == {"a": "val"}


@given(st.dictionaries(st.text("abcde", min_size=1, max_size=4), st.integers(1, 30), min_size=1, max_size=30))
def test_published_split_against_its_definition(counts):
    groups = {}
    for name, count in counts.items():
        groups.setdefault(count, []).append(name)
    if len(groups) == 1:
        names = sorted(counts)
        validation = set(names[math.floor(Fraction(8, 10) * len(names)) :])
    elif len(groups) == 2:
        validation = set(groups[max(groups)])
    else:
        mean = Fraction(sum(groups), len(groups))
        validation = {name for count, names in groups.items() if count > mean for name in names}
    split = split_by_occurrence_counts(counts)
    assert list(split) == list(counts)
    assert {name for name, kind in split.items() if kind == "val"} == validation
    assert set(split.values()) <= {"est", "val"}


@pytest.mark.real
def test_the_epochs_of_a_real_recording(real_data):
    directory = real_data / "nems" / "TAR010c-18-1"
    if not directory.is_dir():
        pytest.skip("no nems/TAR010c-18-1")
    recording = read_recording(directory, ("resp", "stim"))
    table = recording.epochs("resp")
    with (directory / "TAR010c-18-1.resp.epoch.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(table.counts("").values()) == len(rows)
    counts = table.counts()
    assert len(counts) == 93
    assert sorted(counts.values()) == [3] * 90 + [24] * 3
    assert {name for name, split in split_by_occurrence_counts(counts).items() if split == "val"} == {
        name for name in counts if name.startswith("STIM_00")
    }
    assert len([name for name in counts if "," in name]) >= 1
    for name in counts:
        assert np.diff(table.spans(name, 100, 206973)).tolist() == [[550]] * counts[name]
        np.testing.assert_allclose(table.silences(name).before_s, 2.0, atol=1e-6)
        np.testing.assert_allclose(table.silences(name).after_s, 0.5, atol=1e-6)
        assert not table.overlapping(name).any()
    assert recording.meta is None
    assert recording.signal("resp").channels == ("TAR010c-18-1",)
    assert recording.signal("stim").channels is None
    assert recording.signal("resp").n_samples is None
    assert recording.values_kind("resp") is None
