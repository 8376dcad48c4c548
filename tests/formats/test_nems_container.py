import gzip
import io
import tarfile

import pytest

from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats import nems_container
from deepstrf_hf.formats.nems import read_meta, read_recording, read_signal_header
from deepstrf_hf.formats.nems_container import describe, walk_members
from deepstrf_hf.formats.nems_files import list_recordings, parse_file_name
from tests.raw_writers.nems import RecordingWriter, write_tgz

HEADER = b'{"name": "resp", "chans": ["a"], "fs": 100}'
FILES = {
    "r/r.meta.json": b'{"siteid": "r"}',
    "r/r.resp.csv": b"1\n2\n" * 3000,
    "r/r.resp.json": HEADER,
    "r/r.resp.epoch.csv": b"name,start,end\nSTIM_a,0,1\n",
}


def contents(path):
    return {stream.member.name: stream.whole() for stream in walk_members(path)}


def write_members(path, entries, *, end=True):
    """Write an archive of (TarInfo, bytes or None), with or without the blocks that end it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry, data in entries:
            entry.size = len(data) if data is not None else 0
            archive.addfile(entry, None if data is None else io.BytesIO(data))
        length = archive.offset
    path.write_bytes(gzip.compress(content.getvalue() if end else content.getvalue()[:length]))
    return path


def typed(name, kind, target=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("folder", ["r/", "", "./r/", "deep/er/r/"])
def test_members_of_archives_and_directories_are_the_same(tmp_path, order, folder):
    files = {folder + name.removeprefix("r/"): data for name, data in list(FILES.items())[::order]}
    assert contents(write_tgz(tmp_path / "r.tgz", files)) == files
    for depth in ("flat", "inner/r"):
        target = tmp_path / depth
        target.mkdir(parents=True)
        for name, data in FILES.items():
            (target / name.removeprefix("r/")).write_bytes(data)
    base = {name.removeprefix("r/"): data for name, data in FILES.items()}
    assert contents(tmp_path / "flat") == base
    assert contents(tmp_path / "inner") == {f"r/{name}": data for name, data in base.items()}


@pytest.mark.parametrize(
    ("name", "signal", "kind"),
    [
        ("A1_NAT4_ozgf.fs100.ch18/A1_NAT4_ozgf.fs100.ch18.resp.csv", "resp", "csv"),
        ("a/a.resp.epoch.csv", "resp", "epochs"),
        ("a.mask_est.json", "mask_est", "json"),
        ("a/a.meta.json", "", "meta"),
        ("a/a.stim.h5", "stim", "h5"),
        ("a/readme.txt", "", ""),
        ("a/.json", "", ""),
    ],
)
def test_names_of_members(name, signal, kind):
    member = describe(name, 7)
    assert (member.signal, member.kind, member.size) == (signal, kind, 7)


def test_hidden_files_are_passed_over_and_others_named(tmp_path):
    files = {"r/._r.resp.json": b"x", "r/.DS_Store": b"x", "r/notes.txt": b"x", **FILES}
    recording = read_recording(write_tgz(tmp_path / "r.tgz", files), ("resp",))
    assert recording.other_members == ("r/notes.txt",)
    assert set(recording.signals) == {"resp"}


@pytest.mark.parametrize("keep", [3, 20, 0.3, 0.6, 0.9, -1, -8, -9])
def test_archives_cut_short_are_refused(tmp_path, keep):
    path = write_tgz(tmp_path / "r.tgz", FILES)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(RawFormatError) as caught:
        read_recording(path, ("resp",))
    assert caught.value.path == str(path)
    assert caught.value.problem in ("A recording is cut short", "A recording cannot be decompressed")


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8, -6, -2])
def test_damaged_archives_are_refused(tmp_path, place):
    path = write_tgz(tmp_path / "r.tgz", {**FILES, "r/r.stim.h5": bytes(range(256)) * 20}, level=1)
    data = bytearray(path.read_bytes())
    data[int(place * len(data)) if isinstance(place, float) else place] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(RawFormatError) as caught:
        read_recording(path, ("resp",))
    assert caught.value.path == str(path)


def test_a_damaged_header_is_no_end(tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("r/r.resp.json", "r/r.resp.csv"):
            entry = tarfile.TarInfo(name)
            entry.size = len(FILES[name])
            archive.addfile(entry, io.BytesIO(FILES[name]))
    data = bytearray(content.getvalue())
    data[1024 + 3] ^= 1  # in the name of the second member: its check sum no longer holds
    path = tmp_path / "r.tgz"
    path.write_bytes(gzip.compress(bytes(data)))
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["r/r.resp.json"]  # the trap: no complaint
    with pytest.raises(RawFormatError, match="An archive is damaged") as caught:
        read_recording(path, ("resp",))
    assert caught.value.field == "after r/r.resp.json"
    assert caught.value.found == "a broken header at byte 1024 of its contents"


def test_a_tar_cut_inside_a_whole_gzip_is_refused(tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        entry = tarfile.TarInfo("r/r.resp.csv")
        entry.size = 5000
        archive.addfile(entry, io.BytesIO(b"1\n" * 2500))
    path = tmp_path / "r.tgz"
    path.write_bytes(gzip.compress(content.getvalue()[:3000]))
    with pytest.raises(RawFormatError, match="A recording is cut short") as caught:
        contents(path)
    assert caught.value.field == "r/r.resp.csv"
    assert (caught.value.found, caught.value.expected) == ("2488 bytes", "5000 bytes")
    with pytest.raises(RawFormatError, match="unexpected end of data"):
        list(walk_members(path))  # the member skipped, not read


def test_an_archive_without_end_blocks_is_read(tmp_path):
    path = write_members(tmp_path / "r.tgz", [(tarfile.TarInfo("r/r.resp.json"), HEADER)], end=False)
    assert contents(path) == {"r/r.resp.json": HEADER}


@pytest.mark.parametrize(
    ("content", "problem", "found"),
    [
        (b"", "A file is not a gzip archive", "0 bytes"),
        (b"\0\0\0\1Bud1", "A file is not a gzip archive", r"8 bytes that begin with b'\x00\x00'"),
        (gzip.compress(b"", mtime=0), "An archive is damaged, or not a tar archive", "empty"),
        (gzip.compress(b"text " * 500, mtime=0), "An archive is damaged, or not a tar archive", ""),
        (gzip.compress(bytes(10240), mtime=0), "An archive holds no recording", "no files with a header"),
    ],
)
def test_files_that_are_no_archives(tmp_path, content, problem, found):
    path = tmp_path / ".DS_Store"
    path.write_bytes(content)
    with pytest.raises(RawFormatError) as caught:
        read_recording(path, ("resp",))
    assert caught.value.problem == problem
    assert found in str(caught.value.found)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (typed("r/r.resp.json", tarfile.SYMTYPE, "../../secret"), "a link"),
        (typed("r/r.resp.json", tarfile.LNKTYPE, "r/r.meta.json"), "a link"),
        (typed("r/pipe", tarfile.FIFOTYPE), "type b'6'"),
        (typed("r/device", tarfile.CHRTYPE), "type b'3'"),
    ],
)
def test_odd_members_are_refused(tmp_path, entry, found):
    path = write_members(tmp_path / "r.tgz", [(entry, None), (tarfile.TarInfo("r/r.stim.json"), HEADER)])
    with pytest.raises(RawFormatError, match="something other than files") as caught:
        read_recording(path, ("resp",))
    assert caught.value.field == entry.name
    assert found in caught.value.found


@pytest.mark.parametrize(
    ("extra", "problem", "found"),
    [
        ({"r/01.r.resp.json": HEADER}, "A recording holds two files of one kind", "also r/r.resp.json"),
        ({"s/r.stim.json": HEADER}, "Files of a recording lie in two directories", "r/r.meta.json, s/r.stim.json"),
    ],
)
def test_two_recordings_in_one_archive_are_refused(tmp_path, extra, problem, found):
    with pytest.raises(RawFormatError, match=problem) as caught:
        read_recording(write_tgz(tmp_path / "r.tgz", {**FILES, **extra}), ("resp",))
    assert caught.value.found == found


def test_bombs_are_refused_before_they_are_held(tmp_path, monkeypatch):
    monkeypatch.setitem(nems_container.LIMITS, "h5", 10_000)
    path = write_tgz(tmp_path / "r.tgz", {**FILES, "r/r.stim.h5": bytes(10_001)})
    with pytest.raises(RawFormatError, match="too large") as caught:
        read_recording(path, ())
    assert (caught.value.field, caught.value.found) == ("r/r.stim.h5", "10001 bytes")
    long_name = tarfile.TarInfo("r/" + "n" * 3_000_000 + ".resp.json")
    path = write_members(tmp_path / "name.tgz", [(tarfile.TarInfo("r/r.stim.json"), HEADER), (long_name, HEADER)])
    with pytest.raises(RawFormatError, match="header that is too large") as caught:
        read_recording(path, ())
    assert caught.value.field == "after r/r.stim.json"


def test_a_header_is_read_without_what_comes_after_it(tmp_path):
    early = {name: FILES[name] for name in ("r/r.meta.json", "r/r.resp.json")}
    path = write_tgz(tmp_path / "r.tgz", {**early, "r/r.stim.h5": bytes(range(256)) * 8000, **FILES})
    path.write_bytes(path.read_bytes()[:-2000])
    assert read_signal_header(path).channels == ("a",)
    assert read_meta(path) == {"siteid": "r"}
    with pytest.raises(RawFormatError):
        read_recording(path, ("resp",))


def test_what_is_missing_is_named(tmp_path):
    path = write_tgz(tmp_path / "r.tgz", {"r/r.stim.json": HEADER})
    with pytest.raises(MissingRawFileError, match="A recording lacks a file") as caught:
        read_signal_header(path)
    assert caught.value.field == "<recording>.resp.json"
    assert read_meta(path) is None
    recording = read_recording(path, ("stim", "resp"))
    assert recording.meta is None
    for ask, end in (
        (recording.signal, "json"),
        (recording.epochs, "epoch.csv"),
        (recording.events, "h5"),
        (recording.tiles, "h5"),
        (recording.raster, "csv"),
    ):
        with pytest.raises(MissingRawFileError) as caught:
            ask("resp")
        assert caught.value.field == f"<recording>.resp.{end}"
        assert caught.value.path == str(path)
    for absent in (tmp_path / "absent.tgz", tmp_path / "absent"):
        with pytest.raises(MissingRawFileError, match="A recording is missing"):
            read_recording(absent, ())


def test_directories_that_hold_none_or_several(tmp_path):
    with pytest.raises(MissingRawFileError, match="A directory holds no recording"):
        read_recording(tmp_path, ())
    for name in ("one", "two"):
        RecordingWriter(name, {}).write_directory(tmp_path / name)
    with pytest.raises(RawFormatError, match="A directory holds several recordings") as caught:
        read_recording(tmp_path, ())
    assert caught.value.found == "one, two"


def test_recordings_of_a_directory_are_listed_by_name(tmp_path):
    writer = RecordingWriter("AMT003c", {"siteid": "AMT003c"})
    archive = writer.write_tgz(tmp_path / f"AMT003c_{writer.sha1()}.tgz")
    other = writer.write_tgz(tmp_path / "por012a.tar.gz")
    folder = writer.write_directory(tmp_path / "unpacked" / "AMT003c").parent
    (tmp_path / "empty").mkdir()
    strays = [tmp_path / name for name in (".DS_Store", "._AMT003c.tgz", "readme.txt")]
    for stray in strays:
        stray.write_bytes(b"x")
    found = list_recordings(tmp_path)
    assert found.recordings == (archive, other, folder)
    assert found.strays == (*strays[:2], tmp_path / "empty", strays[2])
    assert parse_file_name(archive) == ("AMT003c", writer.sha1())
    assert parse_file_name(other) == ("por012a", None)
    assert parse_file_name(folder) == ("unpacked", None)
    assert parse_file_name(tmp_path / "A1_TNC010a_0123.tgz") == ("A1_TNC010a_0123", None)
    with pytest.raises(MissingRawFileError, match="A directory of recordings is missing"):
        list_recordings(tmp_path / "nothing")
