"""Parts built by several processes: the same bytes, the same errors, and no matter who is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from deepstrf_hf import build
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.corpus import Cohort
from deepstrf_hf.engines.schedule import ATTEMPTS
from deepstrf_hf.errors import DeepstrfError, ParameterError, RawFormatError, WorkerLostError
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part, Recording
from tests.every_corpus import TREES
from tests.toy import Toy, fingerprint, write_toy
from tests.watched_toy import KILL, WatchedToy, walked


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "raw")


@pytest.mark.parametrize("stimulus", ["inline", "reference"])
def test_more_processes_than_parts_give_the_same_bytes(raw: Path, tmp_path: Path, stimulus: str) -> None:
    for number in (1, 2, 5):
        build(Toy, data_dir=raw, out=tmp_path / str(number), num_proc=number, waveform=True, stimulus=stimulus)
    assert fingerprint(tmp_path / "1") == fingerprint(tmp_path / "2") == fingerprint(tmp_path / "5")


@pytest.mark.parametrize("name", ["downer2025", "alice_eeg", "crcns_ac1", "wingert2026"])
def test_a_corpus_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    raw = TREES[name].write(tmp_path / "raw")
    reports = [
        build(name, data_dir=raw, out=tmp_path / str(number), num_proc=number, on_error="skip") for number in (1, 2)
    ]
    assert fingerprint(tmp_path / "1") == fingerprint(tmp_path / "2")
    assert asdict(reports[0]) == asdict(reports[1])


def test_the_error_is_that_of_the_first_part_and_other_parts_are_kept(tmp_path: Path) -> None:
    raw = write_toy(tmp_path / "raw", broken=["site_b-n0", "site_c-n1"])
    errors = []
    for number in (1, 3):
        with pytest.raises(RawFormatError) as caught:
            build(Toy, ["counts"], data_dir=raw, out=tmp_path / str(number), num_proc=number)
        errors.append(caught.value)
    assert [error.field for error in errors] == ["site_b-n0"] * 2
    assert [error.problem for error in errors] == ["A unit is broken"] * 2
    for number, error in zip((1, 3), errors, strict=True):
        assert "1 finished parts" in str(error.mend) and f".{number}.building" in str(error.mend)
    assert "in recordings" in str(errors[1].__cause__), "where in the worker"


def test_a_part_whose_worker_is_killed_is_built_again(raw: Path, tmp_path: Path) -> None:
    build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "one")
    (raw / "calls.txt").unlink()
    (raw / KILL).write_text("site_b 1 self")
    report = build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "two", num_proc=2)
    assert (raw / KILL).read_text() == "site_b 0 self"
    assert sorted(walked(raw)) == ["site_a", "site_b", "site_b", "site_c"]
    assert fingerprint(tmp_path / "two") == fingerprint(tmp_path / "one")
    assert report.cohorts["counts"].n_parts_taken_over == 0
    assert not list(tmp_path.glob(".two*"))


def test_a_part_whose_workers_are_always_killed_is_named(raw: Path, tmp_path: Path) -> None:
    (raw / KILL).write_text(f"site_b {ATTEMPTS} self")
    with pytest.raises(WorkerLostError) as caught:
        build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "out", num_proc=2)
    assert caught.value.field == "part site_b of watched_toy/counts"
    assert "-9" in str(caught.value.found)
    assert walked(raw).count("site_b") == ATTEMPTS
    assert walked(raw).count("site_a") == 1
    before = walked(raw)
    report = build(WatchedToy, ["counts"], data_dir=raw, out=tmp_path / "out", num_proc=2)
    assert walked(raw).count("site_b") == before.count("site_b") + 1
    assert walked(raw).count("site_a") == 1, "a part that was finished"
    assert report.cohorts["counts"].n_parts_taken_over == len(set(before)) - 1


class UnportableError(Exception):
    """An error that no pipe takes."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)
        self.held = lambda: second


class RaisesUnportable(Toy):
    @classmethod
    def recordings(cls, raw: RawTree, cohort: Cohort, config: Any, part: Part, log: BuildLog) -> Iterator[Recording]:
        yield from ()
        raise UnportableError("nobody can send this", "but its words")


def test_an_error_that_cannot_be_sent_still_says_what_it_is(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(DeepstrfError, match="UnportableError: nobody can send this"):
        build(RaisesUnportable, ["counts"], data_dir=raw, out=tmp_path / "out", num_proc=2)


class RaisesEof(Toy):
    @classmethod
    def recordings(cls, raw: RawTree, cohort: Cohort, config: Any, part: Part, log: BuildLog) -> Iterator[Recording]:
        yield from ()
        raise EOFError("a file of a lab ends too early")


def test_an_end_of_file_in_a_builder_is_not_taken_for_the_end_of_the_build(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(EOFError, match="of a lab"):
        build(RaisesEof, ["counts"], data_dir=raw, out=tmp_path / "out", num_proc=2)


def test_what_cannot_be_skipped_and_what_can_are_told_alike(tmp_path: Path) -> None:
    raw = write_toy(tmp_path / "raw", broken=["site_a-n0", "site_c-n1"])
    for number in (1, 2):
        build(Toy, data_dir=raw, out=tmp_path / str(number), num_proc=number, on_error="skip")
    assert fingerprint(tmp_path / "1") == fingerprint(tmp_path / "2")
    left_out = json.loads((tmp_path / "2" / "build_report.json").read_text())["cohorts"]["counts"]["left_out"]
    assert [name for _, name, _ in left_out] == ["site_a-n0", "site_c-n1"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"engine": "threads"}, "engine"),
        ({"num_proc": 0}, "num_proc"),
        ({"address": "auto"}, "address"),
    ],
)
def test_engines_that_do_not_exist_are_refused(raw: Path, tmp_path: Path, options: dict[str, Any], field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        build(Toy, data_dir=raw, out=tmp_path / "out", **options)
    assert caught.value.field == field
    assert not (tmp_path / "out").exists()
