"""Builds to a place that fsspec knows: the same files, the card last, and what was left of earlier builds gone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

import deepstrf_hf
from deepstrf_hf import build
from deepstrf_hf.errors import (
    MissingDependencyError,
    OutputDirectoryError,
    ParameterError,
    RawFormatError,
    TableFormatError,
)
from deepstrf_hf.remote_place import RemotePlace
from deepstrf_hf.verification import verify
from tests.toy import SITES, SecondToy, Toy, fingerprint, write_toy
from tests.watched_toy import WatchedToy, walked


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "raw")


@pytest.fixture
def out() -> Iterator[str]:
    url = f"memory://{uuid.uuid4().hex}/toy"
    yield url
    place = RemotePlace.of(url)
    place.filesystem.rm(place.root.rpartition("/")[0], recursive=True)


def names(out: str) -> list[str]:
    return sorted(RemotePlace.of(out).files())


def content(out: str, tmp_path: Path) -> dict[str, str]:
    """Return the SHA-256 of all files of a place."""
    target = tmp_path / uuid.uuid4().hex
    for name in names(out):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (RemotePlace.of(out) / name).download(target / name)
    return fingerprint(target)


def test_the_same_files_as_in_a_directory(raw: Path, tmp_path: Path, out: str) -> None:
    build(Toy, data_dir=raw, out=tmp_path / "local", waveform=True)
    build(Toy, data_dir=raw, out=out, waveform=True)
    assert content(out, tmp_path) == fingerprint(tmp_path / "local")


def test_cohorts_and_files_that_are_not_built_again_stay_and_stale_ones_go(raw: Path, tmp_path: Path, out: str) -> None:
    build(Toy, ["counts"], data_dir=raw, out=out, waveform=True)
    place = RemotePlace.of(out)
    (place / "notes.txt").write(b"of the user")
    card = place / "README.md"
    card.write(card.read() + b"\n![unit](assets/unit.png)\n")
    (place / "assets/unit.png").write(b"a picture of the data before")
    build(Toy, ["potentials"], data_dir=raw, out=out)
    assert "assets/unit.png" not in names(out)
    build(Toy, ["counts"], data_dir=raw, out=out)
    for cohort in ("counts", "potentials", "counts"):
        build(Toy, [cohort], data_dir=raw, out=tmp_path / "local")
    found = content(out, tmp_path)
    assert found.pop("notes.txt")
    assert found == fingerprint(tmp_path / "local")


def test_a_place_that_holds_something_else_is_not_touched(raw: Path, tmp_path: Path, out: str) -> None:
    (RemotePlace.of(out) / "thesis.txt").write(b"do not lose me")
    with pytest.raises(OutputDirectoryError, match=r"thesis\.txt"):
        build(Toy, data_dir=raw, out=out)
    assert names(out) == ["thesis.txt"]
    other = f"{out}_other"
    build(SecondToy, ["counts"], data_dir=raw, out=other)
    before = content(other, tmp_path)
    with pytest.raises(OutputDirectoryError, match="second_toy"):
        build(Toy, data_dir=raw, out=other)
    assert content(other, tmp_path) == before


def test_a_build_that_failed_is_gone_on_with(tmp_path: Path, out: str) -> None:
    raw = write_toy(tmp_path / "raw", broken=["site_c-n0"])
    for _ in range(2):
        with pytest.raises(RawFormatError) as caught:
            build(WatchedToy, ["counts"], data_dir=raw, out=out)
        assert "2 finished parts" in str(caught.value.mend) and f"{out}/.building" in str(caught.value.mend)
        assert not [name for name in names(out) if not name.startswith(".building/")]
    assert walked(raw) == ["site_a", "site_b", "site_c", "site_c"]
    shard = next(name for name in names(out) if "/00000/rows" in name)
    (RemotePlace.of(out) / shard).write(b"damaged")
    with pytest.raises(RawFormatError):
        build(WatchedToy, ["counts"], data_dir=raw, out=out)
    assert walked(raw)[4:] == ["site_a", "site_c"]
    write_toy(raw)
    build(WatchedToy, ["counts"], data_dir=raw, out=out)
    assert walked(raw)[6:] == list(SITES)
    assert not [name for name in names(out) if name.startswith(".building")]


class Ended(BaseException):
    """The end of a process, as far as a test in one process can tell."""


def _ending_at(call: int, real: Callable[..., Any], seen: list[list[str]], out: str) -> Callable[..., Any]:
    def ending(*arguments: Any) -> Any:
        seen.append([name for name in names(out) if not name.startswith(".building/")])
        if len(seen) == call:
            raise Ended
        return real(*arguments)

    return ending


def test_a_commit_that_was_killed_is_finished_by_the_next_build_and_never_looks_whole(
    raw: Path, tmp_path: Path, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy(raw, seed=1)
    build(WatchedToy, data_dir=raw, out=tmp_path / "local")
    build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "local")
    n_copies = len(fingerprint(tmp_path / "local"))
    for call in (1, 2, n_copies - 1, n_copies):
        write_toy(raw)
        build(WatchedToy, data_dir=raw, out=out)
        write_toy(raw, seed=1)
        seen: list[list[str]] = []
        with monkeypatch.context() as patched, pytest.raises(Ended):
            patched.setattr(RemotePlace, "copy_to", _ending_at(call, RemotePlace.copy_to, seen, out))
            build(WatchedToy, data_dir=raw, out=out)
        assert len(seen) == call
        for there in seen:
            assert "README.md" not in there, "nobody takes a half for a whole"
        assert "build_report.json" in seen[-1] or call < n_copies
        with pytest.raises(OutputDirectoryError, match="another corpus"):
            build(Toy, data_dir=raw, out=out)
        before = walked(raw)
        build(WatchedToy, ["counts"], data_dir=raw, out=out)
        assert walked(raw)[len(before) :] == list(SITES), "what was asked for is built; the rest was there already"
        assert content(out, tmp_path) == fingerprint(tmp_path / "local")


def test_processes_that_do_not_see_the_place_say_so(raw: Path, out: str) -> None:
    with pytest.raises(OutputDirectoryError, match="does not see the place") as caught:
        build(Toy, ["counts"], data_dir=raw, out=out, num_proc=2)
    assert "on several machines" in str(caught.value.mend)


def test_a_file_url_is_a_directory(raw: Path, tmp_path: Path) -> None:
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "local")
    build(Toy, ["counts"], data_dir=raw, out=f"file://{tmp_path}/url", num_proc=2)
    assert fingerprint(tmp_path / "url") == fingerprint(tmp_path / "local")
    with pytest.raises(OutputDirectoryError, match="contains the raw files"):
        build(Toy, ["counts"], data_dir=raw, out=f"file://{raw}")


def test_places_that_fsspec_does_not_know(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError) as caught:
        build(Toy, data_dir=raw, out="nowhere://bucket/toy")
    assert caught.value.field == "out"

    def lacking(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lacking)
    with pytest.raises(MissingDependencyError, match="Install s3fs"):
        build(Toy, data_dir=raw, out="s3://bucket/toy")


def test_readers_say_that_they_read_directories(raw: Path, out: str) -> None:
    build(Toy, ["counts"], data_dir=raw, out=out)
    for reader in (deepstrf_hf.load, verify):
        with pytest.raises(TableFormatError, match="copy what is there to a directory"):
            reader(out)


def test_the_report_in_the_place_is_that_of_the_build(raw: Path, out: str) -> None:
    report = build(Toy, ["counts"], data_dir=raw, out=out)
    stored = json.loads((RemotePlace.of(out) / "build_report.json").read())
    assert stored["cohorts"]["counts"]["counts"] == report.cohorts["counts"].counts
