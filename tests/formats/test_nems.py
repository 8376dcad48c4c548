import json

import numpy as np
import pytest

from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems import read_recording, read_signal_header
from deepstrf_hf.formats.nems_files import parse_file_name
from deepstrf_hf.formats.nems_signal import meta_sha1
from deepstrf_hf.formats.nems_tiles import array_digest
from tests.raw_writers.nems import RecordingWriter, h5_bytes, trial_epochs, write_tgz

CELLS = ("CLT027c-009-1", "CLT027c-003-1")
NAMES = ("STIM_seq0001.wav", "STIM_ESE-23_group,.wav")


@pytest.fixture
def truth():
    """Return a writer of a recording of two cells and two sounds, and what it writes."""
    rng = np.random.default_rng(3)
    epochs = [
        row
        for index, name in enumerate([NAMES[0], NAMES[1], NAMES[1]])
        for row in trial_epochs(name.removeprefix("STIM_"), 1.7 + 3.13 * index, 0.5, 1.0, 0.5)
    ]
    times = {cell: np.sort(rng.uniform(0, 12, 60)) for cell in CELLS}
    tiles = {name: rng.gamma(0.5, 1.0, (4, 200)) for name in NAMES}
    tiles[NAMES[1]][1, 5:8] = np.nan
    writer = RecordingWriter("CLT027c", {"siteid": "CLT027c", "rasterfs": 100}, ("start", "end", "name"))
    writer.point_process("resp", times, CELLS, 100, epochs)
    writer.tiled("stim", tiles, None, 100, epochs)
    writer.rasterized("mask", np.arange(12.0).reshape(6, 2), ("m", "n"), 10, [("STIM_a", 0.0, 0.6)])
    return writer, times, tiles, epochs


@pytest.fixture(params=["archive", "reversed archive", "directory"])
def written(request, truth, tmp_path):
    writer = truth[0]
    if request.param == "directory":
        return writer.write_directory(tmp_path / "CLT027c" / "CLT027c").parent
    if request.param == "reversed archive":
        writer.files = dict(reversed(writer.files.items()))
    return writer.write_tgz(tmp_path / f"CLT027c_{writer.sha1()}.tgz")


def test_a_recording_is_read_whole(written, truth):
    writer, times, tiles, epochs = truth
    recording = read_recording(written, ("resp", "stim", "mask"))
    assert recording.meta == writer.meta
    assert {name: recording.values_kind(name) for name in recording.signals} == {
        "resp": "events",
        "stim": "tiles",
        "mask": "raster",
    }
    signal = recording.signal("resp")
    assert (signal.channels, signal.sample_rate_hz, signal.kind) == (CELLS, 100.0, "PointProcess")
    assert signal.n_samples == round(100 * max(end for _, _, end in epochs))
    events = recording.events("resp")
    assert events.channels == CELLS
    for channel, train in zip(events.channels, events.times_s, strict=True):
        np.testing.assert_array_equal(train, times[channel])
    table = recording.epochs("resp")
    assert table.counts() == {NAMES[0]: 1, NAMES[1]: 2}
    assert [tuple(row) for row in table.occurrences(NAMES[1])] == [
        (start, end) for name, start, end in epochs if name == NAMES[1]
    ]
    with recording.tiles("stim") as opened:
        assert opened.names == tuple(sorted(NAMES))
        assert NAMES[0] in opened
        assert "STIM_other" not in opened
        plain = opened.read(NAMES[0], dtype=np.float64, n_channels=4)
        np.testing.assert_array_equal(plain.values, tiles[NAMES[0]])
        holed = opened.read(NAMES[1])
        np.testing.assert_array_equal(holed.values, np.nan_to_num(tiles[NAMES[1]]).astype(np.float32))
        assert (plain.n_missing, holed.n_missing) == (0, 3)
    np.testing.assert_array_equal(recording.raster("mask").values, np.arange(12.0).reshape(6, 2).T)


def test_what_is_not_asked_for_is_not_kept(written):
    recording = read_recording(written, ("resp",))
    assert set(recording.signals) == {"resp", "stim", "mask"}
    assert recording.values_kind("stim") is None
    assert recording.values_kind("mask") is None
    recording.release("resp")
    assert recording.values_kind("resp") is None
    assert recording.epochs("resp").counts()
    assert read_signal_header(written, "stim").channels is None


def test_raster_values_can_go_elsewhere_or_be_integers(written):
    blocks = []
    recording = read_recording(written, ("mask",), raster_sinks={"mask": lambda first, block: blocks.append(block)})
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), np.arange(12.0).reshape(6, 2).T)
    assert recording.raster("mask").n_bins == 6
    assert read_recording(written, ("mask",), raster_dtype=np.uint8).raster("mask").values.dtype == np.uint8


def test_the_file_name_carries_the_digest_of_the_meta_data(truth, tmp_path):
    writer = truth[0]
    path = writer.write_tgz(tmp_path / f"CLT027c_{writer.sha1()}.tgz")
    recording = read_recording(path, ())
    assert parse_file_name(path).sha1 == meta_sha1(recording.meta)
    # Another digest, the same recording: what tells is the digest of the contents.
    writer.meta = {**writer.meta, "copy": "b"}
    writer.files["CLT027c.meta.json"] = json.dumps(writer.meta).encode()
    copy = writer.write_tgz(tmp_path / f"CLT027d_{writer.sha1()}.tgz", level=1)
    assert parse_file_name(copy).sha1 != parse_file_name(path).sha1
    digests = {read_recording(file, ("resp",)).events("resp").content_digest() for file in (path, copy)}
    assert len(digests) == 1


def test_the_older_generation_without_meta_data(tmp_path):
    writer = RecordingWriter("eno052d-a1", None, ("start", "end", "name"))
    writer.rasterized("resp", np.ones((55, 1)), ("eno052d-a1",), 10, trial_epochs("a.wav", 0.0, 2.0, 3.0, 0.5))
    recording = read_recording(writer.write_tgz(tmp_path / "eno052d-a1.tgz"), ("resp",))
    signal = recording.signal("resp")
    assert recording.meta is None
    assert (signal.n_samples, signal.kind, signal.sample_rate_hz) == (None, "RasterizedSignal", 10.0)
    assert recording.raster("resp").values.shape == (1, 55)


@pytest.mark.parametrize(
    ("change", "field", "found"),
    [
        ({"fs": None}, "fs", "None"),
        ({"fs": 0}, "fs", "0"),
        ({"fs": True}, "fs", "True"),
        ({"fs": "100"}, "fs", "100"),
        ({"fs": float("nan")}, "fs", "nan"),
        ({"chans": "abc"}, "chans", "abc"),
        ({"chans": ["a", 1]}, "chans", "1"),
        ({"chans": ["a", "b", "a"]}, "chans", "a"),
        ({"signal_type": "<class 'nems.signal.EventSignal'>"}, "signal_type", "EventSignal"),
        ({"signal_type": 3}, "signal_type", "3"),
        ({"segments": [[0, 1.5]]}, "segments", "1.5"),
        ({"segments": [[10, 0]]}, "segments", "10"),
        ({"segments": [[0, True]]}, "segments", "True"),
        ({"segments": [5]}, "segments", "5"),
        ({"segments": [[-1, 5]]}, "segments", "-1"),
    ],
)
def test_bad_headers_are_refused(tmp_path, change, field, found):
    content = {"name": "resp", "chans": ["a"], "fs": 100, "segments": [[0, 10]]} | change
    path = write_tgz(tmp_path / "a.tgz", {"a/a.resp.json": json.dumps(content).encode()})
    with pytest.raises(RawFormatError, match="header of a signal is not as published") as caught:
        read_signal_header(path)
    assert caught.value.field == f"a/a.resp.json: {field}"
    assert found in str(caught.value.found)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1]", b"[" * 100_000])
@pytest.mark.parametrize("name", ["a/a.resp.json", "a/a.meta.json"])
def test_files_that_are_no_json_objects(tmp_path, content, name):
    path = write_tgz(tmp_path / "a.tgz", {name: content})
    with pytest.raises(RawFormatError, match="A JSON file") as caught:
        read_recording(path, ("resp",))
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<class 'nems.signal.PointProcess'>", "PointProcess"),
        ("<class 'nems0.signal.TiledSignal'>", "TiledSignal"),
        ("RasterizedSignal", "RasterizedSignal"),
        (None, "RasterizedSignal"),
    ],
)
def test_kinds_and_lengths_of_signals(tmp_path, text, kind):
    content = {"chans": None, "fs": 100, "segments": [[0, 10], [10, 25.0]], "signal_type": text}
    path = write_tgz(tmp_path / "a.tgz", {"a/a.resp.json": json.dumps(content).encode()})
    signal = read_signal_header(path)
    assert (signal.kind, signal.n_samples) == (kind, 25)
    signal.require_rate(100)
    with pytest.raises(RawFormatError, match="another sampling rate") as caught:
        signal.require_rate(1000)
    assert (caught.value.found, caught.value.expected) == ("100 Hz", "1000 Hz")
    with pytest.raises(RawFormatError, match="does not name its channels"):
        signal.require_channels()


def test_values_of_another_kind_are_refused(truth, tmp_path):
    recording = read_recording(truth[0].write_tgz(tmp_path / "a.tgz"), ("resp", "stim"))
    with pytest.raises(RawFormatError, match="A signal is of another kind") as caught:
        recording.tiles("resp")
    assert (caught.value.found, caught.value.expected) == ("PointProcess", "TiledSignal")
    with pytest.raises(RawFormatError, match="A signal is of another kind"):
        recording.events("stim")


@pytest.mark.parametrize(
    ("tile", "channels", "problem"),
    [
        (np.ones((3, 10)), 4, "another shape"),
        (np.ones((4, 0)), 4, "another shape"),
        (np.full((4, 10), np.inf), 4, "infinite"),
        (np.ones(10), 4, "not as published"),
        (np.ones((3, 10)), None, "another shape"),
    ],
)
def test_bad_tiles_are_refused(tmp_path, tile, channels, problem):
    names = None if channels is None else [str(index) for index in range(channels)]
    writer = RecordingWriter("a", {})
    writer.tiled("stim", {"STIM_a": np.ones((4, 10)), "STIM_b": tile}, names, 100, [("STIM_a", 0.0, 1.0)])
    recording = read_recording(writer.write_tgz(tmp_path / "a.tgz"), ("stim",))
    with recording.tiles("stim") as tiles:
        assert tiles.read("STIM_a", n_channels=4).values.shape == (4, 10)
        with pytest.raises(RawFormatError, match=problem) as caught:
            tiles.read("STIM_b", n_channels=4)
        assert caught.value.field == "a/a.stim.h5: STIM_b"
        with pytest.raises(RawFormatError, match="cannot be read"):
            tiles.read("STIM_c")


def test_damaged_tiles_are_refused(tmp_path):
    writer = RecordingWriter("a", {})
    writer.tiled("stim", {"STIM_a": np.ones((4, 10))}, None, 100, [("STIM_a", 0.0, 1.0)])
    writer.files["a.stim.h5"] = h5_bytes({"STIM_a": np.random.default_rng(0).random((40, 100))})[:5000]
    recording = read_recording(writer.write_tgz(tmp_path / "a.tgz"), ("stim",))
    with pytest.raises(RawFormatError, match="An HDF5 file cannot be read"):
        recording.tiles("stim")


def test_digests_of_arrays():
    values = np.arange(6.0).reshape(2, 3)
    assert array_digest(values) == array_digest(np.asfortranarray(values)) == array_digest(values.astype(np.float32))
    assert array_digest(values) != array_digest(values.reshape(3, 2))
    assert array_digest(values) != array_digest(values + 1e-12)


@pytest.mark.real
def test_a_real_recording_of_the_older_generation(real_data):
    path = real_data / "nems" / "eno052d-a1.tgz"
    if not path.is_file():
        pytest.skip("no nems/eno052d-a1.tgz")
    recording = read_recording(path, ("resp", "pupil"))
    assert recording.meta is None  # what it lacks: meta data, lengths and types of signals, and the stimulus
    assert set(recording.signals) == {"resp", "pupil"}
    assert recording.signal("resp").n_samples is None
    assert recording.signal("resp").meta["batch"] == 294
    assert recording.signal("resp").sample_rate_hz == 10
    counts = recording.raster("resp")
    assert counts.values.shape == (1, 13439)
    assert (counts.n_missing, counts.values.sum()) == (0, 4948)
    assert recording.raster("pupil").n_missing == 7
    table = recording.epochs("resp")
    assert table.counts() == {"STIM_ferretmixed41.wav": 120, "STIM_ferretmixed42.wav": 120}
    for name in table.counts():
        assert (np.diff(table.spans(name, 10, 13439)) == 55).all()
        np.testing.assert_allclose(table.silences(name).before_s, 2.0, atol=1e-6)
