"""Contents of files by their SHA-256: never stale, and no file read twice."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from deepstrf_hf.cache import digests
from deepstrf_hf.cache.digests import FileDigests

SETTLED_SECONDS = 10
CONTENTS = {"one.parquet": b"first", "two.parquet": b"second" * 1000, "three.parquet": b""}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    return [tmp_path / name for name in CONTENTS]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so much time pass that file systems can tell a further change."""
    now = time.time_ns
    monkeypatch.setattr(digests.time, "time_ns", lambda: now() + SETTLED_SECONDS * 10**9)


def expected(files: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    real = digests.sha256_of

    def counting(path: Path) -> str:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(digests, "sha256_of", counting)
    return read


@pytest.mark.usefixtures("later")
def test_files_are_read_once(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = counted(monkeypatch)
    for _ in range(3):
        assert FileDigests(tmp_path / "index").of(files) == expected(files)
    assert sorted(read) == sorted(CONTENTS)
    assert FileDigests(tmp_path / "index").of(files[:1]) == expected(files)[:1], "another list has its own index"


@pytest.mark.usefixtures("later")
def test_a_change_is_seen_whatever_size_and_time_of_change_say(files: list[Path], tmp_path: Path) -> None:
    known = FileDigests(tmp_path / "index")
    before = known.of(files)
    stamp = files[0].stat()
    files[0].write_bytes(b"FIRST")  # in place, as long as before
    os.utime(files[0], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other = tmp_path / "other"
    other.write_bytes(b"SECOND" * 1000)
    stamp = files[1].stat()
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(files[1])  # another file in its place
    found = known.of(files)
    assert found == expected(files)
    assert [new == old for new, old in zip(found, before, strict=True)] == [False, False, True]


def test_a_file_that_was_just_written_is_read_again(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change within the same tick of the clock would leave the same time stamps."""
    monkeypatch.setattr(digests.time, "time_ns", lambda: max(path.stat().st_ctime_ns for path in files) + 10**7)
    read = counted(monkeypatch)
    known = FileDigests(tmp_path / "index")
    assert known.of(files) == known.of(files) == expected(files)
    assert len(read) == 2 * len(files)


def test_whole_seconds_mean_a_coarse_clock() -> None:
    fine, coarse = [0, 0, 0, 5, 5 * 10**9 + 1], [0, 0, 0, 5, 5 * 10**9]
    assert digests._settled(fine, 5 * 10**9 + 2 * 10**8)
    assert not digests._settled(coarse, 5 * 10**9 + 2 * 10**8)
    assert digests._settled(coarse, 8 * 10**9)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 1}', '{"x": {"state": 3}}'])
def test_a_broken_index_is_made_anew(files: list[Path], tmp_path: Path, content: str) -> None:
    known = FileDigests(tmp_path / "index")
    known.of(files)
    (index,) = (tmp_path / "index").iterdir()
    index.write_text(content)
    assert known.of(files) == expected(files)
    assert [path.name for path in (tmp_path / "index").iterdir()] == [index.name], "nothing else is left"
    assert index.read_text() != content


def test_an_absent_file_is_an_error(files: list[Path], tmp_path: Path) -> None:
    files[0].unlink()
    with pytest.raises(FileNotFoundError):
        FileDigests(tmp_path / "index").of(files)
