"""Unpacking what labs publish: the same tree, whole, in place of the old one or beside what is there."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf.download.archive_members import BLOCK
from deepstrf_hf.download.unpack import Limits, Member, unpack
from deepstrf_hf.errors import ArchiveError, DownloadError, MissingRawFileError
from scripts.archives.packing import (
    FOLDER,
    STORED,
    TarMember,
    ZipMember,
    tar_of,
    tgz_by_library,
    tgz_of,
    zip_by_library,
    zip_of,
)
from tests.download.archive_helpers import AMPLE, files_below, members_of, names_in, tree

FILES = {
    "cells/bird 1/spike1": b"1 2 3\n",
    "cells/bird 1/stim1": b"song\n",
    "cells/.DS_Store": b"\0\0\0\1Bud1",
    "README.txt": b"",
    "sounds/ESE-23_Sparrows_-_Large_excited_group,.wav": bytes(range(256)) * 20,
    "sounds/caf\u00e9.wav": b"RIFF",
}
PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": zip_by_library,
    "tar.gz": tgz_by_library,
    "tar": lambda files: gzip.decompress(tgz_by_library(files)),
}


@pytest.fixture(params=PACKERS)
def pack(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Return what packs files into an archive of each kind, with a name that does not tell the kind."""

    def packed(files: dict[str, bytes]) -> Path:
        path = tmp_path / "archive"
        path.write_bytes(PACKERS[request.param](files))
        return path

    return packed


def written(tmp_path: Path, archive: bytes) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(archive)
    return path


def test_tree_and_members(pack: Callable[..., Path], tmp_path: Path) -> None:
    members = unpack(pack({"cells/": b"", "no trials/": b"", **FILES}), tmp_path / "data" / "raw", limits=AMPLE)
    assert members == members_of(FILES)
    assert files_below(tmp_path / "data" / "raw") == FILES
    assert (tmp_path / "data" / "raw" / "no trials").is_dir()
    assert names_in(tmp_path / "data") == ["raw"], "nothing is left beside it"


def test_file_objects_are_archives(pack: Callable[..., Path], tmp_path: Path) -> None:
    content = io.BytesIO(pack(FILES).read_bytes())
    content.seek(7)
    assert unpack(content, tmp_path / "raw", limits=AMPLE) == members_of(FILES)
    assert not content.closed


def test_what_an_archive_says_of_modes_and_times_is_not_applied(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as writer:
        for name, kind in (("folder", tarfile.DIRTYPE), ("folder/file", tarfile.REGTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.uid = kind, 0o6777, 1000, 12345
            writer.addfile(info)
    zipped = zip_of([ZipMember("folder/", mode=0o046777, method=STORED), ZipMember("folder/file", mode=0o106777)])
    before = os.umask(0o022)
    try:
        for number, content in enumerate((archive.getvalue(), zipped)):
            unpack(io.BytesIO(content), tmp_path / str(number), limits=AMPLE)
            for name, mode in (("folder", 0o40755), ("folder/file", 0o100644)):
                status = (tmp_path / str(number) / name).stat()
                assert (status.st_mode, status.st_uid) == (mode, os.getuid())
                assert status.st_mtime > 1e9
    finally:
        os.umask(before)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tar_with_long_names(format: int, tmp_path: Path) -> None:
    names = [
        "short",
        "folder/" * 14 + "n" * 90,
        *([] if format == tarfile.USTAR_FORMAT else ["é" * 120, "d/" * 200 + "f"]),
    ]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", format=format, pax_headers={"comment": "of the whole"}) as writer:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname = 3, 1.5, "å"
            writer.addfile(info, io.BytesIO(b"abc"))
    assert unpack(archive, tmp_path / "raw", limits=AMPLE) == members_of(dict.fromkeys(names, b"abc"))
    assert files_below(tmp_path / "raw") == dict.fromkeys(names, b"abc")


def test_names_below_a_dot_and_folders_listed_late_or_twice(tmp_path: Path) -> None:
    folders = [TarMember(name, kind=tarfile.DIRTYPE) for name in (".", "./a", "./a/b")]
    archive = tgz_of([TarMember("./a/b/file", b"x"), *folders, *folders])
    assert unpack(io.BytesIO(archive), tmp_path / "raw", limits=AMPLE) == members_of({"a/b/file": b"x"})
    folder = ZipMember("a/", mode=FOLDER)
    assert folder.raw_packed == b"\x03\x00", "as Java packs a folder"
    archive = zip_of([ZipMember("./a/file", b"x"), folder, folder])
    assert unpack(io.BytesIO(archive), tmp_path / "raw", limits=AMPLE) == members_of({"a/file": b"x"})


def test_what_streams_of_zip_look_like(tmp_path: Path) -> None:
    """Sizes and check sum follow the content, as servers pack on the fly; one member is of 64 bits."""

    class Stream:
        def __init__(self) -> None:
            self.written = b""

        def write(self, block: bytes) -> int:
            self.written += block
            return len(block)

        def flush(self) -> None:
            pass

    archive: Any = Stream()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in FILES.items():
            writer.writestr(name, content)
        with writer.open("large", "w", force_zip64=True) as file:
            file.write(b"large")
        writer.comment = b"packed while you wait"
    expected = members_of({**FILES, "large": b"large"})
    assert unpack(io.BytesIO(archive.written), tmp_path / "raw", limits=AMPLE) == expected


def test_zip_of_64_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As archives of more than 65,535 members or 4 GiB are written, here from three members on and 100 bytes."""
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    packed = zip_by_library(FILES)
    assert b"PK\x06\x06" in packed
    assert unpack(io.BytesIO(packed), tmp_path / "raw", limits=AMPLE) == members_of(FILES)
    assert files_below(tmp_path / "raw") == FILES
    at = packed.index(b"PK\x06\x06")
    for place in (at, at + 24, at + 32, at + 40, at + 48, packed.index(b"PK\x06\x07") + 8):
        broken = bytearray(packed)
        broken[place] ^= 1  # signature, counts, length and place of the directory, place of the record itself
        with pytest.raises(ArchiveError, match="directory of a zip archive is damaged"):
            unpack(io.BytesIO(broken), tmp_path / "broken", limits=AMPLE)


@pytest.mark.parametrize("isal", [True, False], ids=["as installed", "without isal"])
def test_with_and_without_isal(isal: bool, pack: Callable[..., Path], tmp_path: Path) -> None:
    """In a process of its own, so that no other test sees modules that were loaded differently."""
    files = {"noise": os.urandom(3 * BLOCK), "zeros": bytes(3 * BLOCK), "text": b"1, 2, 3\n" * 400_000}
    archive = pack(files)
    code = f"""
import sys
if not {isal}:
    sys.modules["isal"] = None
from pathlib import Path
from deepstrf_hf.download.unpack import Limits, unpack
limits = Limits(10**9, 9, 9000)
print(unpack(Path({str(archive)!r}), Path({str(tmp_path / "raw")!r}), limits=limits))
"""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == str(members_of(files))
    assert files_below(tmp_path / "raw") == files


def test_gzip_streams_in_a_row_and_padding(tmp_path: Path) -> None:
    plain = tar_of([TarMember(name, content) for name, content in FILES.items()], end=bytes(10240))
    zipped = gzip.compress(plain[:700]) + gzip.compress(plain[700:]) + bytes(512)
    assert unpack(io.BytesIO(zipped), tmp_path / "raw", limits=AMPLE) == members_of(FILES)


# The place it is unpacked to ------------------------------------------------------------------------------------------


def test_replaces_the_whole_folder(pack: Callable[..., Path], tmp_path: Path) -> None:
    target = tmp_path / "raw"
    (target / "cells" / "old").mkdir(parents=True)
    (target / "cells" / "old" / "file").write_text("old")
    unpack(pack(FILES), target, limits=AMPLE)
    assert files_below(target) == FILES
    assert names_in(tmp_path) == ["archive", "raw"]


def test_a_link_to_a_folder_is_followed(pack: Callable[..., Path], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "disk"
    elsewhere.mkdir(parents=True)
    (tmp_path / "raw").symlink_to(elsewhere)
    unpack(pack(FILES), tmp_path / "raw", limits=AMPLE)
    assert (tmp_path / "raw").is_symlink()
    assert files_below(elsewhere) == FILES
    assert names_in(tmp_path / "elsewhere") == ["disk"]


def test_a_file_is_not_replaced(pack: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("mine")
    with pytest.raises(DownloadError, match="over a file"):
        unpack(pack(FILES), tmp_path / "raw", limits=AMPLE)
    assert (tmp_path / "raw").read_text() == "mine"
    assert names_in(tmp_path) == ["archive", "raw"]


def test_damage_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "data" / "raw"
    unpack(written(tmp_path, zip_by_library(FILES)), target, limits=AMPLE)
    before = tree(tmp_path / "data")
    archive = zip_of([ZipMember("first", b"x"), ZipMember("second", b"content", crc=1)])
    with pytest.raises(ArchiveError, match="damaged.*'second'.*fetch the archive again"):
        unpack(written(tmp_path, archive), target, limits=AMPLE)
    assert tree(tmp_path / "data") == before


def test_wanted_members_are_added(pack: Callable[..., Path], tmp_path: Path) -> None:
    target = tmp_path / "raw"
    target.mkdir()
    (target / "mine").write_text("mine")
    (target / "README.txt").write_text("an old edition")
    archive = pack({"no trials/": b"", **FILES})
    asked: list[str] = []

    def wanted(name: str) -> bool:
        asked.append(name)
        return name.endswith((".wav", ".txt"))

    members = unpack(archive, target, limits=AMPLE, wanted=wanted)
    assert asked == list(FILES)
    chosen = {name: content for name, content in FILES.items() if name.endswith((".wav", ".txt"))}
    assert members == members_of(chosen)
    assert files_below(target) == {**chosen, "mine": b"mine"}
    assert unpack(archive, target, limits=AMPLE, wanted=lambda name: False) == []
    assert files_below(target) == {**chosen, "mine": b"mine"}
    assert names_in(tmp_path) == ["archive", "raw"]


def test_wanted_members_before_a_damaged_one_stay(tmp_path: Path) -> None:
    archive = zip_of([ZipMember("a", b"x"), ZipMember("b", b"content", crc=1), ZipMember("c", b"z")])
    with pytest.raises(ArchiveError, match="'b'"):
        unpack(io.BytesIO(archive), tmp_path / "raw", limits=AMPLE, wanted=lambda name: True)
    assert files_below(tmp_path) == {"raw/a": b"x"}
    assert unpack(io.BytesIO(archive), tmp_path / "raw", limits=AMPLE, wanted=lambda name: name == "c")
    assert files_below(tmp_path) == {"raw/a": b"x", "raw/c": b"z"}


def test_wanted_members_are_all_that_is_read_of_a_zip(tmp_path: Path) -> None:
    """As over a network: the directory, and the headers and contents of what is wanted."""

    class Counting(io.BytesIO):
        seen = 0

        def read(self, size: int | None = -1, /) -> bytes:
            block = super().read(size)
            self.seen += len(block)
            return block

    noise = os.urandom(1_000_000)
    archive = Counting(zip_of([ZipMember(f"{number}.mat", noise, method=STORED) for number in range(8)]))
    members = unpack(archive, tmp_path / "raw", limits=AMPLE, wanted=lambda name: name == "5.mat")
    assert members == members_of({"5.mat": noise})
    assert archive.seen < 1_000_000 + 2**17


# Leading folders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapper", [("crcns", "aa2"), ("crcns",), ()])
def test_leading_folders_are_taken_off(wrapper: tuple[str, ...], pack: Callable[..., Path], tmp_path: Path) -> None:
    above = {"/".join(("crcns", "aa2")[:depth]) + "/": b"" for depth in (1, 2)}
    archive = pack({**above, **{f"crcns/aa2/{name}": content for name, content in FILES.items()}})
    seen: list[str] = []
    unpack(archive, tmp_path / "raw", strip=wrapper, limits=AMPLE)
    left = "".join(f"{part}/" for part in ("crcns", "aa2")[len(wrapper) :])
    assert files_below(tmp_path / "raw") == {left + name: content for name, content in FILES.items()}
    unpack(archive, tmp_path / "some", strip=wrapper, limits=AMPLE, wanted=lambda name: bool(seen.append(name)))
    assert seen == [left + name for name in FILES]


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b/c"],
        ["aa1/a", "b"],
        ["aa1/a", "aa1b/c"],
        ["AA1/a"],
        ["aa1"],
        ["b/aa1/a"],
    ],
)
def test_leading_folders_that_not_all_members_have(names: list[str], pack: Callable[..., Path], tmp_path: Path) -> None:
    files = dict.fromkeys(names, b"x")
    assert unpack(pack(files), tmp_path / "raw", strip=("aa1",), limits=AMPLE) == members_of(files)


def test_what_macos_leaves_beside_the_leading_folder(pack: Callable[..., Path], tmp_path: Path) -> None:
    inside = {"aa1/.DS_Store": b"in", "aa1/a": b"x", "aa1/__MACOSX/b": b"y"}
    strays = {".DS_Store": b"out", "._aa1": b"z", "__MACOSX/": b"", "__MACOSX/aa1/._a": b"z"}
    archive = pack({**strays, **inside})
    unpack(archive, tmp_path / "raw", strip=("aa1",), limits=AMPLE)
    assert files_below(tmp_path / "raw") == {name.removeprefix("aa1/"): content for name, content in inside.items()}
    unpack(archive, tmp_path / "whole", limits=AMPLE)
    assert len(files_below(tmp_path / "whole")) == 6


def test_leading_folder_that_is_a_file(tmp_path: Path) -> None:
    archive = zip_of([ZipMember("crcns/aa2", b"x")])
    unpack(io.BytesIO(archive), tmp_path / "raw", strip=("crcns", "aa2"), limits=AMPLE)
    assert files_below(tmp_path / "raw") == {"aa2": b"x"}, "as many folders as all members lie in"


# Limits ---------------------------------------------------------------------------------------------------------------


def test_limits_are_reached_exactly_and_not_passed(pack: Callable[..., Path], tmp_path: Path) -> None:
    files = {"folder/": b"", "a": bytes(100), "folder/b": os.urandom(1000)}
    archive = pack(files)
    ratio = 1100 / archive.stat().st_size
    limits = Limits(largest_bytes=1100, most_members=3, largest_ratio=ratio)
    assert len(unpack(archive, tmp_path / "raw", limits=limits)) == 2
    for low, message in (
        (Limits(1099, 3), "1100 bytes or more.*at most 1099"),
        (Limits(1100, 2), "more than 2 members"),
        (Limits(1100, 3, ratio * 0.99), "1100 bytes or more, packed into.*times"),
    ):
        with pytest.raises(ArchiveError, match=f"more than was declared.*{message}"):
            unpack(archive, tmp_path / "other", limits=low)
        with pytest.raises(ArchiveError, match=message):
            unpack(archive, tmp_path / "other", limits=low, wanted=lambda name: name == "a")
    assert not (tmp_path / "other").exists()


def test_free_space_is_looked_at_first(
    pack: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, asked = pack({"a": os.urandom(10_000), "b": bytes(10)}), []

    def disk_usage(path: Path) -> Any:
        asked.append(path)
        return shutil._ntuple_diskusage(10**6, 10**6, 12_000)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    with pytest.raises(DownloadError, match="not enough free space.*Mend: free space on that disk"):
        unpack(archive, tmp_path / "data" / "raw", limits=AMPLE)
    assert asked == [tmp_path]
    assert names_in(tmp_path) == ["archive"]
    assert unpack(archive, tmp_path / "data" / "raw", limits=AMPLE, wanted=lambda name: name == "b")


def test_disk_that_is_full_half_way(tmp_path: Path, pack: Callable[..., Path]) -> None:
    """The system refuses a file larger than this process may write; the error is the kind that a full disk makes."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    archive = pack({"a": b"x", "b": os.urandom(3_000_000)})
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
        with pytest.raises(DownloadError, match="cannot be unpacked.*File too large.*free space") as refused:
            unpack(archive, tmp_path / "data" / "raw", limits=AMPLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert isinstance(refused.value.__cause__, OSError)
    assert names_in(tmp_path / "data") == []


@pytest.mark.parametrize("kind", PACKERS)
def test_memory_does_not_grow_with_members(kind: str, tmp_path: Path) -> None:
    archive = written(tmp_path, PACKERS[kind]({"zeros": bytes(48 * BLOCK), "noise": os.urandom(16 * BLOCK)}))
    tracemalloc.start()
    try:
        unpack(archive, tmp_path / "raw", limits=AMPLE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * BLOCK


# What is no archive ---------------------------------------------------------------------------------------------------


def test_nothing_to_unpack(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(MissingRawFileError, match="no archive.*download it first"):
            unpack(path, tmp_path / "raw", limits=AMPLE)


def test_error_names_the_archive_and_the_kind(tmp_path: Path) -> None:
    path = written(tmp_path, bz2.compress(b"x"))
    with pytest.raises(ArchiveError, match="not unpacked.*bzip2.*zip, tar or tar.gz") as refused:
        unpack(path, tmp_path / "raw", limits=AMPLE)
    assert str(path) in str(refused.value)
    with path.open("rb") as file, pytest.raises(ArchiveError) as refused:
        unpack(file, tmp_path / "raw", limits=AMPLE)
    assert str(path) in str(refused.value)


def test_progress_counts_the_bytes_of_all_files(pack: Callable[..., Path], tmp_path: Path) -> None:
    steps: list[int] = []
    files = {**FILES, "large": bytes(3 * BLOCK + 5)}
    unpack(pack(files), tmp_path / "raw", limits=AMPLE, progress=steps.append)
    assert sum(steps) == sum(map(len, files.values()))
    assert max(steps) <= BLOCK


def test_unpacking_costs_no_large_import() -> None:
    code = "import sys, deepstrf_hf.download.unpack; sys.exit(bool({'numpy', 'datasets', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Real archives --------------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_real_aa1_is_unpacked_whole(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "crcns_aa1" / "crcns-aa1.zip"
    limits = Limits(largest_bytes=20_000_000, most_members=7_000)
    members = unpack(path, tmp_path / "aa1", strip=("crcns-aa1",), limits=limits)
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        expected = members_of({name.removeprefix("crcns-aa1/"): archive.read(name) for name in names})
    assert members == expected
    assert len(members) == 5955
    assert members_of(files_below(tmp_path / "aa1")) == sorted(members, key=_order(tmp_path / "aa1"))


def _order(folder: Path) -> Callable[[Member], int]:
    places = {name: place for place, name in enumerate(files_below(folder))}
    return lambda member: places[member.name]


@pytest.mark.real
def test_real_nems_recording_is_unpacked_whole(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "nems" / "eno052d-a1.tgz"
    members = unpack(path, tmp_path / "nems", strip=("eno052d-a1",), limits=Limits(1_000_000, 10))
    with tarfile.open(path) as archive:
        files = {info.name: archive.extractfile(info) for info in archive if info.isfile()}
        expected = {name.removeprefix("eno052d-a1/"): file.read() for name, file in files.items() if file}
    assert members == members_of(expected)
    assert files_below(tmp_path / "nems") == expected


@pytest.mark.real
def test_real_names_of_nat4_sites(real_data: Path, tmp_path: Path) -> None:
    names = (real_data / "nems" / "nat4_single_site_tgz_names.txt").read_text().split()
    files = {f"A1_single_sites/{name}": name.encode() for name in names}
    assert unpack(io.BytesIO(zip_by_library(files)), tmp_path / "raw", limits=AMPLE) == members_of(files)
