"""Builds that end before their time, and those that go on from what they have finished."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import build
from deepstrf_hf.errors import MissingRawFileError, OutputDirectoryError, RawFormatError
from deepstrf_hf.report import BuildReport
from tests.toy import SITES, Toy, fingerprint, write_toy
from tests.watched_toy import CALLS, KILL, WatchedToy, walked

# Where a build is killed: module, attribute, and at which call of it, before it does anything.
POINTS = {
    "in the first part": ("deepstrf_hf.parquet", "ShardWriter.write", 2),
    "in the second part": ("deepstrf_hf.parquet", "ShardWriter.write", 6),
    "before the first manifest": ("deepstrf_hf.build_part", "manifest_of", 1),
    "before the second manifest": ("deepstrf_hf.build_part", "manifest_of", 2),
    "between the parts": ("deepstrf_hf.build_part", "build_part", 3),
    "when all parts are there": ("deepstrf_hf.cohort_files", "MergedStimuli.write", 1),
    "among the stimuli": ("deepstrf_hf.cohort_files", "read_stimulus", 2),
    "when shards get their names": ("deepstrf_hf.staging", "OutputDirectory.place", 2),
    "in the second cohort": ("deepstrf_hf.parquet", "ShardWriter.write", 23),
    "when earlier content is taken over": ("deepstrf_hf.staging", "OutputDirectory.carry_over", 1),
    "before the report": ("deepstrf_hf.report", "BuildReport.write", 1),
    "before the card": ("deepstrf_hf.building", "write_card", 1),
    "before the old content is moved": ("deepstrf_hf.staging", "OutputDirectory.commit", 1),
    "when the new content is in place": ("deepstrf_hf.staging", "shutil.rmtree", 3),
}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "raw")


def _attribute(module: str, path: str) -> tuple[Any, str]:
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    return owner, name


def _killed_at(call: int, real: Callable[..., Any]) -> Callable[..., Any]:
    calls = 0

    def killing(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **keywords)

    return killing


def _build_and_die(point: tuple[str, str, int], raw: Path, out: Path) -> None:
    import deepstrf_hf.engines.serial as serial

    module, path, call = point
    owner, name = _attribute(module, path)
    setattr(owner, name, _killed_at(call, getattr(owner, name)))
    serial.build_part = import_module("deepstrf_hf.build_part").build_part  # what it has imported
    build(WatchedToy, data_dir=raw, out=out)


def run_and_expect_death(target: Callable[..., None], *arguments: Any) -> None:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def manifests(out: Path) -> list[Path]:
    return sorted((out.parent / f".{out.name}.building").glob("parts/*/*/[!.]*/manifest.json"))


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_build_is_gone_on_with(point: str, tmp_path: Path) -> None:
    raw, out = write_toy(tmp_path / "raw"), tmp_path / "out"
    build(WatchedToy, data_dir=raw, out=out)
    (out / "notes.txt").write_text("of the user")
    before = fingerprint(out)
    write_toy(raw, seed=1)
    build(WatchedToy, data_dir=raw, out=tmp_path / "whole")
    (raw / CALLS).unlink()
    run_and_expect_death(_build_and_die, POINTS[point], raw, out)
    done = len(manifests(out))
    begun = len(walked(raw))
    assert done in (begun, begun - 1), "all that were begun, but the one that was interrupted"
    interrupted = begun - done
    if point != "when the new content is in place":
        assert fingerprint(out) == before, "the old content is there until the new is"
    report = build(WatchedToy, data_dir=raw, out=out)
    after = fingerprint(out)
    assert after.pop("notes.txt") == before["notes.txt"]
    assert after == fingerprint(tmp_path / "whole")
    assert len(walked(raw)) == 2 * len(SITES) + interrupted, "no finished part is built twice"
    assert sum(entry.n_parts_taken_over for entry in report.cohorts.values()) == done
    assert [path.name for path in tmp_path.glob(".out*")] == [], "nothing is left behind"


def _build_in_two(raw: Path, out: Path) -> None:
    build(WatchedToy, ["counts"], data_dir=raw, out=out, num_proc=2)


def test_a_build_with_processes_whose_parent_is_killed_is_gone_on_with(raw: Path, tmp_path: Path) -> None:
    build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "whole")
    (raw / CALLS).unlink()
    (raw / KILL).write_text("site_c 1 parent")
    out = tmp_path / "out"
    run_and_expect_death(_build_in_two, raw, out)
    assert not out.exists()
    report = build(WatchedToy, ["counts"], data_dir=raw, out=out, num_proc=2)
    assert fingerprint(out) == fingerprint(tmp_path / "whole")
    assert report.cohorts["counts"].n_parts_taken_over >= 1, "one of the first two at least was finished"
    assert report.cohorts["counts"].n_parts == 3


def test_an_engine_goes_on_from_what_another_has_finished(tmp_path: Path) -> None:
    raw, out = write_toy(tmp_path / "raw", broken=["site_c-n0"]), tmp_path / "out"
    with pytest.raises(RawFormatError) as caught:
        build(WatchedToy, ["counts"], data_dir=raw, out=out, num_proc=2)
    assert "2 finished parts" in str(caught.value)
    with pytest.raises(RawFormatError):
        build(WatchedToy, ["counts"], data_dir=raw, out=out)
    assert sorted(walked(raw)) == ["site_a", "site_b", "site_c", "site_c"]


def _fail_in_third_part(raw: Path, out: Path, **options: Any) -> None:
    """Leave two finished parts of the very build that follows: what is broken is in no raw file that is hashed."""
    (raw / "site_c.hidden").mkdir()
    with pytest.raises(RawFormatError):
        build(Fragile, ["counts"], data_dir=raw, out=out, **options)
    (raw / "site_c.hidden").rmdir()


class Fragile(WatchedToy):
    @classmethod
    def recordings(cls, raw: Any, cohort: Any, config: Any, part: Any, log: Any) -> Any:
        yield from super().recordings(raw, cohort, config, part, log)
        if (raw.root / f"{part.name}.hidden").exists():
            raise RawFormatError("The disk has gone", path=raw.root / f"{part.name}.txt")


def test_a_build_that_failed_is_gone_on_with(raw: Path, tmp_path: Path) -> None:
    build(Fragile, ["counts"], data_dir=raw, out=tmp_path / "whole")
    (raw / CALLS).unlink()
    _fail_in_third_part(raw, tmp_path / "out")
    report = build(Fragile, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert walked(raw) == ["site_a", "site_b", "site_c", "site_c"]
    assert fingerprint(tmp_path / "out") == fingerprint(tmp_path / "whole")
    assert (report.cohorts["counts"].n_parts, report.cohorts["counts"].n_parts_taken_over) == (3, 2)
    assert BuildReport.read(tmp_path / "out") == report


@pytest.mark.parametrize(
    "options",
    [
        {"parameters": {"gain": 2.0}},
        {"where": {"stim.level": [60.0, 61.0]}},
        {"stimulus": "reference"},
        {"waveform": True},
        {"audio": False},
        {"on_error": "skip"},
    ],
)
def test_another_build_starts_anew(raw: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    _fail_in_third_part(raw, tmp_path / "out")
    before = walked(raw)
    report = build(Fragile, ["counts"], data_dir=raw, out=tmp_path / "out", **options)
    assert walked(raw)[len(before) :] == list(SITES)
    assert next(iter(report.cohorts.values())).n_parts_taken_over == 0
    build(Fragile, ["counts"], data_dir=raw, out=tmp_path / "fresh", **options)
    assert fingerprint(tmp_path / "out") == fingerprint(tmp_path / "fresh")


@pytest.mark.parametrize("changed", ["raw", "version", "code", "library"])
def test_what_a_part_depends_on_starts_anew(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    _fail_in_third_part(raw, tmp_path / "out")
    before = walked(raw)
    if changed == "raw":
        (raw / "site_c.txt").write_text("other content")
    elif changed == "version":
        monkeypatch.setattr(Fragile, "CORPUS", Toy.CORPUS.__class__(**{**vars(Fragile.CORPUS), "version": "1.2.4"}))
    elif changed == "code":
        monkeypatch.setattr("deepstrf_hf.build_key._code_digest", lambda builder: "of mended code")
    else:
        monkeypatch.setattr("deepstrf_hf.build_key.importlib.metadata.version", lambda name: "99")
    build(Fragile, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert walked(raw)[len(before) :] == list(SITES)


@pytest.mark.parametrize("damage", ["cut", "changed", "removed", "manifest", "manifest of another part"])
def test_a_finished_part_that_was_damaged_is_built_again(raw: Path, tmp_path: Path, damage: str) -> None:
    build(Fragile, ["counts"], data_dir=raw, out=tmp_path / "whole")
    (raw / CALLS).unlink()
    _fail_in_third_part(raw, tmp_path / "out")
    first, second = manifests(tmp_path / "out")
    shard = second.parent / "rows-train-00000.parquet"
    content = shard.read_bytes()
    if damage == "cut":
        shard.write_bytes(content[:-1])
    elif damage == "changed":
        shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "removed":
        shard.unlink()
    elif damage == "manifest":
        second.write_text(second.read_text()[:-40])
    else:
        second.write_text(first.read_text())
    build(Fragile, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert walked(raw) == ["site_a", "site_b", "site_c", "site_b", "site_c"]
    assert fingerprint(tmp_path / "out") == fingerprint(tmp_path / "whole")


def test_parts_of_one_cohort_wait_for_those_of_the_other(raw: Path, tmp_path: Path) -> None:
    build(Toy, data_dir=raw, out=tmp_path / "whole")
    assert {path.parts[-4] for path in manifests(tmp_path / "out")} == set()
    run_and_expect_death(_build_and_die, POINTS["in the second cohort"], raw, tmp_path / "out")
    assert {path.parts[-4] for path in manifests(tmp_path / "out")} == {"counts", "potentials"}
    build(WatchedToy, ["potentials"], data_dir=raw, out=tmp_path / "out")
    assert walked(raw).count("site_a") == 2, "the second cohort went on"


def test_nothing_stays_of_a_build_that_has_finished_no_part(tmp_path: Path) -> None:
    raw = write_toy(tmp_path / "raw", broken=["site_a-n0"])
    with pytest.raises(RawFormatError) as caught:
        build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert caught.value.mend is None
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_reason_never_tells_where_the_raw_files_were(tmp_path: Path) -> None:
    broken = [f"{site}-n{number}" for site in SITES[:2] for number in range(2)] + ["site_c-n0"]
    for name in ("here", "there"):
        write_toy(tmp_path / name, broken=broken)
    (tmp_path / "here" / "site_c.hidden").mkdir()
    with pytest.raises(RawFormatError):
        build(Fragile, ["counts"], data_dir=tmp_path / "here", out=tmp_path / "out", on_error="skip")
    report = build(Fragile, ["counts"], data_dir=tmp_path / "there", out=tmp_path / "out", on_error="skip")
    assert report.cohorts["counts"].n_parts_taken_over == 2
    assert str(tmp_path) not in (tmp_path / "out" / "build_report.json").read_text()


def test_other_errors_than_ours_say_what_is_kept_too(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("deepstrf_hf.building.write_card", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out")
    assert "3 finished parts" in caplog.text and ".out.building" in caplog.text
    assert build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out").cohorts["counts"].n_parts_taken_over == 3


def test_nothing_usable_keeps_its_parts_and_gives_the_same_error_again(tmp_path: Path) -> None:
    raw = write_toy(tmp_path / "raw", broken=[f"{site}-n{number}" for site in SITES for number in range(2)])
    for _ in range(2):
        with pytest.raises(MissingRawFileError, match="No recording of watched_toy/counts"):
            build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "out", on_error="skip")
    assert walked(raw) == list(SITES)


def test_the_report_file_does_not_tell_how_often_the_build_was_begun(raw: Path, tmp_path: Path) -> None:
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out")
    entry = json.loads((tmp_path / "out" / "build_report.json").read_text())["cohorts"]["counts"]
    assert not any("parts" in name for name in entry)


def test_a_lock_holds_while_parts_are_kept(raw: Path, tmp_path: Path) -> None:
    from deepstrf_hf.staging import OutputDirectory

    _fail_in_third_part(raw, tmp_path / "out")
    with OutputDirectory(tmp_path / "out", Fragile.CORPUS.name):
        kept = manifests(tmp_path / "out")
        assert len(kept) == 2
        with pytest.raises(OutputDirectoryError, match="Another build"):
            build(Fragile, ["counts"], data_dir=raw, out=tmp_path / "out")
        assert manifests(tmp_path / "out") == kept, "a build that is refused touches nothing"
