import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import datasets
import pytest

import deepstrf_hf
from deepstrf_hf import build
from deepstrf_hf.errors import (
    OutputDirectoryError,
    RawFormatError,
    UnknownNameError,
)
from deepstrf_hf.report import BuildReport
from tests.toy import SecondToy, Toy, fingerprint, write_toy


@pytest.fixture
def raw(tmp_path):
    return write_toy(tmp_path / "raw")


# The output directory -------------------------------------------------------------------------------------------------


def test_cohorts_of_an_earlier_build_and_files_of_the_user_are_kept(raw, tmp_path):
    out = tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out, waveform=True)
    (out / "notes.txt").write_text("mine")
    before = fingerprint(out)
    build(Toy, ["potentials"], data_dir=raw, out=out)
    assert sorted(BuildReport.read(out).cohorts) == ["counts", "potentials"]
    after = fingerprint(out)
    for name, digest in before.items():
        if name not in ("README.md", "build_report.json"):
            assert after[name] == digest
    assert len(datasets.load_dataset(str(out), "counts", split="test")) == 6
    build(Toy, ["counts"], data_dir=raw, out=out)
    assert not (out / "counts-waveform").exists(), "a configuration that was not built again is stale"
    assert (out / "notes.txt").read_text() == "mine"


def test_a_variant_gets_its_own_name_beside_the_published_one(raw, tmp_path):
    out = tmp_path / "out"
    build(Toy, ["potentials"], data_dir=raw, out=out)
    build(Toy, ["potentials"], data_dir=raw, out=out, parameters={"gain": "2", "dt_ms": 10, "limit": 3})
    report = BuildReport.read(out)
    assert sorted(report.cohorts) == ["potentials", "potentials-dt10-gain_2-limit_3"]
    variant = datasets.load_dataset(str(out), "potentials-dt10-gain_2-limit_3", split="test").with_format("numpy")
    assert set(variant["n_trials"][:].tolist()) == {3}
    assert variant[0]["dt_ms"] == 10
    grid = deepstrf_hf.load(out, "potentials-dt10-gain_2-limit_3")
    assert grid.dt == 10


@pytest.mark.parametrize("content", ["thesis.txt", "build_report.json"])
def test_a_directory_that_holds_something_else_is_not_touched(raw, tmp_path, content):
    out = tmp_path / "out"
    out.mkdir()
    if content == "build_report.json":
        build(SecondToy, ["counts"], data_dir=raw, out=out)
    else:
        (out / content).write_text("do not lose me")
    before = fingerprint(out)
    with pytest.raises(OutputDirectoryError) as caught:
        build(Toy, data_dir=raw, out=out)
    assert caught.value.path == str(out)
    assert ("second_toy" if content == "build_report.json" else content) in str(caught.value.found)
    assert fingerprint(out) == before
    assert not list(tmp_path.glob(".out*"))


def test_a_file_in_place_of_the_output_directory(raw, tmp_path):
    (tmp_path / "out").write_text("file")
    with pytest.raises(OutputDirectoryError, match="is a file"):
        build(Toy, data_dir=raw, out=tmp_path / "out")


def test_raw_files_are_never_overwritten(raw, tmp_path):
    for out in (raw, tmp_path):
        before = fingerprint(raw)
        with pytest.raises(OutputDirectoryError):
            build(Toy, data_dir=raw, out=out)
        assert fingerprint(raw) == before


def test_cohorts_of_another_builder_version_do_not_mix(raw, tmp_path):
    out = tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out)
    report = json.loads((out / "build_report.json").read_text())
    (out / "build_report.json").write_text(json.dumps({**report, "corpus_version": "0.9.0"}))
    with pytest.raises(OutputDirectoryError, match=r"counts of version 0\.9\.0"):
        build(Toy, ["potentials"], data_dir=raw, out=out)
    build(Toy, ["counts"], data_dir=raw, out=out)
    assert BuildReport.read(out).corpus_version == "1.2.3"


def test_a_failed_build_leaves_the_earlier_one(tmp_path):
    raw, out = write_toy(tmp_path / "raw"), tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out)
    before = fingerprint(out)
    write_toy(raw, broken=["site_c-n1"])
    with pytest.raises(RawFormatError):
        build(Toy, ["counts"], data_dir=raw, out=out)
    assert fingerprint(out) == before
    assert [path.name for path in tmp_path.glob(".out*")] == [".out.building"]


def _build_slowly(raw: str, out: str, started: str) -> None:
    import deepstrf_hf.build_part as build_part_module

    write = build_part_module.ShardWriter.write

    def slow(self, table):
        write(self, table)
        Path(started).touch()
        time.sleep(30)

    build_part_module.ShardWriter.write = slow
    build(Toy, ["counts"], data_dir=raw, out=out)


def test_a_killed_build_leaves_the_earlier_one_and_can_be_run_again(tmp_path):
    raw, out = write_toy(tmp_path / "raw"), tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out)
    before = fingerprint(out)
    write_toy(raw, seed=1)
    process = multiprocessing.get_context("spawn").Process(
        target=_build_slowly, args=(str(raw), str(out), str(tmp_path / "started"))
    )
    process.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert fingerprint(out) == before
    build(Toy, ["counts"], data_dir=raw, out=out)
    after = fingerprint(out)
    assert after["counts/train-00000-of-00003.parquet"] != before["counts/train-00000-of-00003.parquet"]
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "clean")
    assert fingerprint(tmp_path / "clean") == after
    assert not list(tmp_path.glob(".out*"))


def test_a_build_killed_while_it_puts_the_new_in_place_is_recovered(raw, tmp_path):
    out = tmp_path / "out"
    build(Toy, ["counts"], data_dir=raw, out=out)
    before = fingerprint(out)
    out.rename(tmp_path / ".out.previous")  # the first of the two renames has happened, the second has not
    with pytest.raises(UnknownNameError):
        build(Toy, ["kounts"], data_dir=raw, out=out)
    build(Toy, ["potentials"], data_dir=raw, out=out)
    assert before.items() - fingerprint(out).items() == {
        (name, before[name]) for name in ("README.md", "build_report.json")
    }


def test_two_builds_cannot_write_to_one_directory(raw, tmp_path):
    from deepstrf_hf.staging import OutputDirectory

    with OutputDirectory(tmp_path / "out", "toy"), pytest.raises(OutputDirectoryError, match="Another build"):
        build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out")
    build(Toy, ["counts"], data_dir=raw, out=tmp_path / "out")
