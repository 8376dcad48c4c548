import math

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError, RawFormatError
from deepstrf_hf.formats.nems_epochs import EpochTable
from deepstrf_hf.formats.nems_events import EventTimes, read_events
from deepstrf_hf.formats.nems_h5 import H5Member
from deepstrf_hf.formats.nems_signal import POINT_PROCESS, NemsSignal
from tests.raw_writers.nems import h5_bytes


def header(channels, rate=100.0):
    return NemsSignal("resp", channels, rate, None, POINT_PROCESS, {}, "a.tgz", "a/a.resp.json")


def events_of(*trains):
    return EventTimes(
        tuple(f"c{index}" for index in range(len(trains))), tuple(np.sort(np.array(t, float)) for t in trains)
    )


def slow_counts(trains, starts_s, rate, n_bins, samples_per_bin=1):
    """Count spike by spike: bin floor(t * rate) of the recording, less round(start * rate), kept in the window."""
    counts = np.zeros((len(trains), len(starts_s), n_bins), int)
    for channel, train in enumerate(trains):
        for occurrence, start in enumerate(starts_s):
            for time in train:
                offset = math.floor(time * rate) - round(start * rate)
                if 0 <= offset < n_bins * samples_per_bin:
                    counts[channel, occurrence, offset // samples_per_bin] += 1
    return counts


times = st.one_of(
    st.floats(-1, 12, allow_nan=False),
    st.integers(-100, 12_000).map(lambda ms: ms / 1000),
    st.integers(0, 1200).map(lambda bins: bins * 0.01),
    st.integers(0, 1200).map(lambda bins: float(np.nextafter(bins / 100, 0))),
)


@given(
    st.lists(st.lists(times, max_size=30), min_size=1, max_size=4),
    st.lists(st.one_of(st.floats(0, 11), st.integers(0, 2200).map(lambda half: half / 200)), max_size=6),
    st.sampled_from([10.0, 100.0, 1000.0]),
    st.integers(0, 120),
    st.sampled_from([1, 2, 10]),
)
def test_counts_against_the_rule_applied_spike_by_spike(trains, starts_s, rate, n_bins, samples_per_bin):
    table = EpochTable({"a": np.array([[s, s + 1] for s in starts_s]).reshape(-1, 2)}, "a.tgz", "a.resp.epoch.csv")
    starts = table.spans("a", rate)[:, 0]
    binned = events_of(*trains).binned(rate)
    counts = binned.counts(starts, n_bins, samples_per_bin)
    assert counts.dtype == np.uint16
    np.testing.assert_array_equal(counts, slow_counts(trains, starts_s, rate, n_bins, samples_per_bin))


@given(
    st.lists(st.lists(times, max_size=30), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(-50, 1300), st.integers(0, 300)), max_size=5),
)
def test_events_outside_windows_against_a_count_one_by_one(trains, windows):
    spans = np.array([(start, start + length) for start, length in windows], np.int64).reshape(-1, 2)
    expected = [
        sum(not any(start <= math.floor(time * 100.0) < end for start, end in spans) for time in train)
        for train in trains
    ]
    binned = events_of(*trains).binned(100.0)
    assert binned.outside(spans).tolist() == expected
    assert binned.n_events().tolist() == [len(train) for train in trains]


def test_the_bin_is_that_of_the_recording_and_not_of_the_epoch():
    # The epoch begins at 1.004 s, bin 100. The spike at 1.001 s comes before it and lies in its first bin.
    binned = events_of([1.001, 1.0, 0.999, 1.0099, 1.01]).binned(100.0)
    assert binned.counts(np.array([100]), 2).tolist() == [[[3, 1]]]


def test_times_are_multiplied_not_divided():
    # 0.29 * 100 is 28.999999999999996, and NEMS puts the spike into bin 28; 0.57 * 100 likewise into 56.
    assert events_of([0.29, 0.57]).binned(100.0).raster(60)[0].nonzero()[0].tolist() == [28, 56]


def test_overlapping_occurrences_and_windows_past_the_end():
    binned = events_of([0.05, 0.25, 0.25, 0.95]).binned(10.0)
    counts = binned.counts(np.array([0, 2, 1, 8, 500]), 4)
    assert counts[0].tolist() == [[1, 0, 2, 0], [2, 0, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_spikes_before_the_start_and_past_the_end_are_left_out_and_counted():
    binned = events_of([-0.5, 0.0, 1.99, 2.0, 7.0], [], [3.0]).binned(10.0)
    raster = binned.raster(20)
    assert raster.shape == (3, 20)
    assert raster.sum(axis=1).tolist() == [2, 0, 0]
    assert binned.outside(np.array([[0, 20]])).tolist() == [3, 0, 1]
    assert binned.outside(np.empty((0, 2), int)).tolist() == [5, 0, 1]


def test_nothing_to_count():
    assert events_of().binned(10.0).counts(np.array([0]), 3).shape == (0, 1, 3)
    assert events_of().binned(10.0).outside(np.array([[0, 1]])).shape == (0,)
    assert events_of([1.0]).binned(10.0).counts(np.empty(0, int), 3).shape == (1, 0, 3)
    assert events_of([], []).binned(10.0).counts(np.array([0, 5]), 3).sum() == 0
    with pytest.raises(ParameterError, match="cannot be counted in such bins"):
        events_of([1.0]).binned(10.0).counts(np.array([0]), 3, 0)


def test_more_events_than_fit_are_refused():
    times = np.full(65_536, 0.05)
    binned = events_of([0.5], times).binned(10.0)
    with pytest.raises(RawFormatError, match="too many for one bin") as caught:
        binned.counts(np.array([7, 0]), 2)
    assert (caught.value.field, caught.value.found) == ("c1", 65_536)
    assert events_of(times[1:]).binned(10.0).counts(np.array([0]), 1).item() == 65_535


def test_channels_come_in_the_order_of_the_header():
    trains = {"b-01-1": np.array([3.0, 1.0]), "a-01-1": np.array([]), "c-01-1": np.array([2.0])}
    content = h5_bytes(trains)
    events = read_events(content, header(("b-01-1", "c-01-1", "a-01-1")), "a/a.resp.h5")
    assert events.channels == ("b-01-1", "c-01-1", "a-01-1")
    assert [train.tolist() for train in events.times_s] == [[1.0, 3.0], [2.0], []]
    assert events.unlisted == ()
    assert read_events(content, header(None), "a/a.resp.h5").channels == ("a-01-1", "b-01-1", "c-01-1")
    some = read_events(content, header(("c-01-1",)), "a/a.resp.h5")
    assert some.unlisted == ("a-01-1", "b-01-1")
    selected = events.select(("a-01-1", "b-01-1"))
    assert [train.tolist() for train in selected.times_s] == [[], [1.0, 3.0]]
    with pytest.raises(ParameterError, match="no such channel"):
        events.select(("d",))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (np.array([1.0, np.nan]), "An event has no possible time"),
        (np.array([np.inf]), "An event has no possible time"),
        (np.array([2e8]), "An event has no possible time"),
        (np.ones((2, 2)), "not as published"),
        (np.float64(1.0), "not as published"),
        (np.array([b"x"]), "not as published"),
        (np.array([1j]), "not as published"),
    ],
)
def test_bad_times_are_refused(values, problem):
    with pytest.raises(RawFormatError, match=problem) as caught:
        read_events(h5_bytes({"a": np.array([1.0]), "b": values}, compressed=False), header(("a", "b")), "a/a.resp.h5")
    assert caught.value.field == "a/a.resp.h5: b"
    assert caught.value.path == "a.tgz"


def test_absent_channels_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(RawFormatError, match="lacks the events of a channel") as caught:
        read_events(h5_bytes({"a": np.array([1.0])}), header(("a", "b")), "a/a.resp.h5")
    assert caught.value.field == "a/a.resp.h5: b"
    for content in (b"", b"no hdf5" * 1000, h5_bytes({"a": np.arange(9000.0)})[:3000]):
        with pytest.raises(RawFormatError, match="cannot be read") as caught:
            read_events(content, header(("a",)), "a/a.resp.h5")
        assert caught.value.field.startswith("a/a.resp.h5")
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("a")
    with pytest.raises(RawFormatError, match="not a data set"):
        read_events((tmp_path / "group.h5").read_bytes(), header(("a",)), "a/a.resp.h5")


def test_data_sets_that_claim_too_much_are_refused_unread(tmp_path):
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("a", (2**40,), "f8", chunks=(1024,), compression="gzip")
    content = (tmp_path / "bomb.h5").read_bytes()
    assert len(content) < 100_000
    with H5Member(content, "a.tgz", "a.h5") as member, pytest.raises(RawFormatError, match="too large") as caught:
        member.values("a", 1)
    assert caught.value.found == f"{2**40} values"


def test_the_digest_is_of_the_contents():
    one, two = events_of([1.0, 2.0], [3.0]), events_of([1.0, 2.0], [3.0])
    assert one.content_digest() == two.content_digest()
    assert EventTimes(("c1", "c0"), one.times_s[::-1]).content_digest() == one.content_digest()
    others = (
        events_of([1.0, 2.0], [3.0 + 1e-12]),
        events_of([1.0], [2.0, 3.0]),
        EventTimes(("c0", "d1"), one.times_s),
        events_of([1.0, 2.0]),
    )
    assert len({one.content_digest(), *(other.content_digest() for other in others)}) == 5
