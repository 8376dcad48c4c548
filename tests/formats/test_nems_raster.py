import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats import nems_raster
from deepstrf_hf.formats.nems_container import Member, MemberStream
from deepstrf_hf.formats.nems_fixed_width import parse_fixed_width
from deepstrf_hf.formats.nems_raster import read_raster, stream_raster
from deepstrf_hf.formats.nems_signal import RASTERIZED, NemsSignal
from tests.raw_writers.nems import csv_bytes


def stream_of(content):
    left = memoryview(content)

    def take(size):
        nonlocal left
        piece, left = bytes(left[:size]), left[size:]
        return piece

    return MemberStream(Path("a.tgz"), Member("a/a.resp.csv", "resp", "csv", len(content)), take)


@pytest.fixture(params=[60, 1000, 2**23])
def _blocks(request, monkeypatch):
    """Read in blocks of less than a line, of several lines, and of the whole file."""
    monkeypatch.setattr(nems_raster, "BLOCK_BYTES", request.param)


def matrix(n_bins=97, n_channels=5, seed=0):
    """Return counts, averages of 20 repeats, negative, tiny and missing values."""
    rng = np.random.default_rng(seed)
    values = rng.poisson(0.5, (n_bins, n_channels)).astype(float)
    values[:20] = rng.poisson(20, (20, n_channels)) / 20
    values[30, 1:3] = np.nan
    values[31, 0] = -1.5e-300
    values[32] = [12.0, 1e22, 5e-324, np.pi, 123456.789]
    return values


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_values_are_read_exactly(end, newline):
    values = matrix()
    content = csv_bytes(values).rstrip(b"\n").replace(b"\n", newline) + end
    raster = read_raster(stream_of(content), np.float64)
    np.testing.assert_array_equal(raster.values, values.T)
    assert (raster.n_bins, raster.n_missing) == (97, 2)
    assert read_raster(stream_of(content)).values.dtype == np.float32
    np.testing.assert_array_equal(read_raster(stream_of(content)).values, values.T.astype(np.float32))


@pytest.mark.usefixtures("_blocks")
def test_lines_that_become_shorter_than_the_first_ones():
    values = np.vstack([np.ones((3, 4)), np.full((500, 4), np.nan), np.ones((2, 4))])
    raster = read_raster(stream_of(csv_bytes(values)))
    np.testing.assert_array_equal(raster.values, values.T)
    assert raster.n_missing == 2000


@pytest.mark.usefixtures("_blocks")
def test_blocks_can_go_elsewhere():
    values = matrix()
    got = np.zeros(values.T.shape)
    seen = []

    def sink(first, block):
        seen.append((first, block.shape[1]))
        got[:, first : first + block.shape[1]] = block

    raster = stream_raster(stream_of(csv_bytes(values)), sink)
    np.testing.assert_array_equal(got, values.T)
    assert raster.values.shape == (5, 0)
    assert (raster.n_bins, raster.n_missing) == (97, 2)
    assert [first for first, _ in seen] == np.cumsum([0, *(length for _, length in seen[:-1])]).tolist()


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize(
    ("line", "text", "place", "found"),
    [
        (7, b"1,2", "line 8", "Expected 3 columns, got 2"),
        (7, b"1,2,3,4", "line 8", "Expected 3 columns, got 4"),
        (7, b"", "line 8, column 1", "''"),
        (0, b"1,2", "line 2", "Expected 2 columns, got 3"),
        (95, b"1,x,3", "line 96, column 2", "x"),
        (95, b"1,2,", "line 96, column 3", "''"),
        (40, b'1,"2",3', "line 41, column 2", '"2"'),
        (40, b"1,\xff,3", "line 41, column 2", "invalid value"),
        (40, b"1,inf,3", "line 41, column 2", "inf"),
        (40, b"1.000000000000000000e+00,1.00000000000000000e+999,3.000000000000000000e+00", "line 41, column 2", "inf"),
        (40, b"1.000000000000000000e+00,1.0000000000000000_0e+00,3.000000000000000000e+00", "line 41, column 2", "_0"),
    ],
)
def test_bad_lines_are_refused_with_their_number(line, text, place, found):
    lines = csv_bytes(np.ones((97, 3))).splitlines()
    lines[line] = text
    with pytest.raises(RawFormatError) as caught:
        read_raster(stream_of(b"\n".join(lines) + b"\n"))
    assert caught.value.field == f"a/a.resp.csv: {place}"
    assert found in str(caught.value.found)
    assert caught.value.path == "a.tgz"


def test_values_that_do_not_fit_a_type_are_refused():
    counts = np.random.default_rng(0).poisson(1.0, (50, 3)).astype(float)
    np.testing.assert_array_equal(read_raster(stream_of(csv_bytes(counts)), np.uint8).values, counts.T)
    for value in (0.05, 256.0, -1.0, np.nan):
        counts[33, 2] = value
        with pytest.raises(RawFormatError, match="does not fit its type") as caught:
            read_raster(stream_of(csv_bytes(counts)), np.uint8)
        assert caught.value.field == "a/a.resp.csv: line 34, column 3"
        assert caught.value.expected == "whole numbers of type uint8"


def test_files_that_are_no_rasters(monkeypatch):
    with pytest.raises(RawFormatError, match="A signal has no values"):
        read_raster(stream_of(b""))
    monkeypatch.setattr(nems_raster, "LINE_LIMIT", 1000)
    monkeypatch.setattr(nems_raster, "BLOCK_BYTES", 100)
    with pytest.raises(RawFormatError, match="too long"):
        read_raster(stream_of(b"1," * 5000))
    monkeypatch.setattr(nems_raster, "RESULT_LIMIT", 1000)
    with pytest.raises(RawFormatError, match="too large") as caught:
        read_raster(stream_of(csv_bytes(np.ones((1000, 3)))))
    assert caught.value.found.startswith("3 channels of about 1")


def test_a_member_that_ends_early_is_refused():
    content = csv_bytes(np.ones((20, 3)))
    stream = stream_of(content)
    stream = MemberStream(stream.path, Member("a/a.resp.csv", "resp", "csv", len(content) + 5), stream._read)
    with pytest.raises(RawFormatError, match="A recording is cut short"):
        read_raster(stream)


@pytest.mark.parametrize(
    ("channels", "n_samples", "field", "found", "expected"),
    [(("a", "b"), 20, "chans", 3, 2), (("a", "b", "c"), 21, "segments", 20, 21)],
)
def test_shapes_are_checked_against_the_header(channels, n_samples, field, found, expected):
    raster = read_raster(stream_of(csv_bytes(np.ones((20, 3)))))
    signal = NemsSignal("resp", channels, 100.0, n_samples, RASTERIZED, {}, "a.tgz", "a/a.resp.json")
    with pytest.raises(RawFormatError) as caught:
        raster.check(signal)
    assert caught.value.field == f"a/a.resp.json: {field}"
    assert (caught.value.found, caught.value.expected) == (found, expected)
    raster.check(NemsSignal("resp", None, 100.0, None, RASTERIZED, {}, "a.tgz", "a/a.resp.json"))


@given(
    st.integers(1, 6).flatmap(
        lambda columns: st.lists(
            st.lists(
                st.one_of(
                    st.integers(0, 9).map(float),
                    st.integers(0, 9).map(float),
                    st.integers(0, 9).map(float),
                    st.floats(0, 1e90, allow_nan=False),
                    st.sampled_from([10.0, 0.1, 1e-99, 9.999999999999999e22, 2.05]),
                ),
                min_size=columns,
                max_size=columns,
            ),
            min_size=1,
            max_size=40,
        )
    )
)
def test_lines_of_one_width_are_read_as_the_parser_reads_them(rows):
    values = np.array(rows)
    content = csv_bytes(values)
    read = parse_fixed_width(content, values.shape[1])
    if read is not None:
        np.testing.assert_array_equal(read, values.T)
    np.testing.assert_array_equal(read_raster(stream_of(content), np.float64).values, values.T)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"2.000000000000000000e+00", b"2.000000000000000000e+01"),
        (b"2.000000000000000000e+00", b"2.000000000000000000e-01"),
        (b"2.000000000000000000e+00", b"2.000000000000000001e+00"),
        (b"2.000000000000000000e+00", b"2.000000100000000000e+00"),
        (b"2.000000000000000000e+00", b"2.100000000000000000e+00"),
        (b"2.000000000000000000e+00", b"-2.00000000000000000e+00"),
        (b"2.000000000000000000e+00", b"                     nan"),
    ],
)
def test_fixed_width_numbers_that_are_no_digits(old, new):
    content = csv_bytes(np.ones((10, 4)) * 3).replace(b"3.0", b"2.0", 1).replace(old, new, 1)
    read = parse_fixed_width(content, 4)
    assert read is not None
    np.testing.assert_array_equal(read[0, 0], float(new))
    np.testing.assert_array_equal(read.ravel()[1:], 3.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1.000000000000000000e+00", b":.000000000000000000e+00"),
        (b"1.000000000000000000e+00", b"/.000000000000000000e+00"),
        (b"1.000000000000000000e+00", b"1.000000000000000000e+0x"),
        (b"e+00,1", b"e+00;1"),
        (b"e+00\n1", b"e+00,1"),
        (b"1.000000000000000000e+00", b"1.0000000000000000_0e+00"),
        (b"1.000000000000000000e+00", b"1.000000000000000000e+0\0"),
    ],
)
def test_lines_of_another_layout_are_left_to_the_parser(old, new):
    content = csv_bytes(np.ones((10, 4)))
    assert parse_fixed_width(content, 4) is not None
    assert parse_fixed_width(content.replace(old, new, 1), 4) is None
    with pytest.raises(RawFormatError):
        read_raster(stream_of(content.replace(old, new, 1)))


def test_numbers_of_two_widths_that_share_the_width_of_a_line():
    content = csv_bytes(np.ones((10, 4))).replace(b"e+00,1.", b"e+001,.", 1)
    assert parse_fixed_width(content, 4) is None
    values = read_raster(stream_of(content), np.float64).values
    assert values[:2, 0].tolist() == [10.0, 0.0]
    assert (values.ravel()[values.ravel() != 1].tolist()) == [10.0, 0.0]


def test_a_raster_of_mostly_fractions_goes_to_the_parser():
    assert parse_fixed_width(csv_bytes(np.full((10, 4), 0.05)), 4) is None


def test_decompression_goes_on_while_a_block_is_parsed(monkeypatch):
    monkeypatch.setattr(nems_raster, "BLOCK_BYTES", 1000)
    content, order = csv_bytes(np.ones((200, 3))), []
    stream = stream_of(content)
    take = stream._read

    def slow(size):
        order.append("read")
        return take(size)

    def sink(first, block):
        time.sleep(0.02)
        order.append("parsed")

    stream._read = slow
    stream_raster(stream, sink)
    assert order[:2] == ["read", "read"]  # the second block is there before the first is done with
    assert order.count("read") >= order.count("parsed") - 1
