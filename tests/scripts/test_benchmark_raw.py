"""The benchmark from raw files to a grid: a tiny run of all of it, what is measured once, sizes, memory, goals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from scripts import benchmark
from scripts.benchmarks import disk, raw_jobs, trees
from scripts.benchmarks.goals import Goal, goal_table, over
from scripts.benchmarks.job import ROOT, JobFailedError
from scripts.benchmarks.peak import descendants, memory_of_all_mb
from scripts.benchmarks.section import Environment, Request
from scripts.benchmarks.trees import DEFAULT_CORPORA, Trees, tree_of, tree_of_sites
from scripts.parity.corpus_list import CORPORA

CORPUS = "crcns_ac1-wehr"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


def test_a_tiny_run(scratch: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every job of all three sections, on small trees, in this process."""

    def run(section: str, *more: str) -> tuple[dict[str, Any], str]:
        file = tmp_path / f"{section}.json"
        benchmark.main([section, "--size", "tiny", "--scratch", str(scratch), "--json", str(file), *more])
        found = json.loads(file.read_text())
        assert found["faults"] == []
        return found, capsys.readouterr().out

    built, printed = run("build", "--corpora", CORPUS, "--plots", str(tmp_path / "plots"))
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == {"build-seconds", "build-peak_mb"}
    assert f"| {CORPUS}: build and open, 2 processes |" in printed and "| 3, 2 |" in printed
    of_raw = built["sections"]["build"]["raw"][CORPUS]
    assert of_raw["deepSTRF"] is None and of_raw["ours"]["1"]["stimuli"] == of_raw["ours"]["2"]["stimuli"] > 0
    jobs = [goal["job"] for goal in built["goals"]]
    assert [job.rpartition(": ")[2] for job in jobs[:3]] == ["time", "peak memory", "peak memory beyond imports"]
    assert len(jobs) == len(set(jobs)) == 2 * 3 + 3 + 2 + 1
    assert [goal["met"] for goal in built["goals"][:6]] == [None] * 6, "there is no deepSTRF"

    opened, printed = run("open", "--corpora", CORPUS)
    assert f"| {CORPUS}: open again and read every value |" in printed and "3 sites, open, again" in printed
    of_open = opened["sections"]["open"]["corpora"][CORPUS]
    assert {one["stimuli"] for name, one in of_open.items() if name in ("first", "again", "read")} == {
        of_raw["ours"]["1"]["stimuli"]
    }
    assert of_open["again"]["touched_mb"] > 0 and of_open["page_cache"]["mb"] > 0
    assert of_open["page_cache_of_touched"]["mb"] == pytest.approx(of_open["again"]["touched_mb"], abs=1e-6)

    epoch, printed = run("batch", "--parts", "epoch")
    of_epoch = epoch["sections"]["batch"]["epoch"]["ours"]
    assert (of_epoch["neurons"], of_epoch["stimuli"]) == (6, 8), "two sites of three cells and four sounds"
    assert of_epoch["dense"]["batches"] == 1 and of_epoch["by_site"]["batches"] == 2
    assert "| batches of one site | 2 |" in printed


def test_trees_are_written_once_and_built_in_each_run(tmp_path: Path) -> None:
    tree = tree_of(CORPUS, "tiny")
    first = request_of(tmp_path)
    raw = Path(Trees(first).raw(tree))
    marker = raw / "marker"
    marker.touch()
    assert Trees(first).raw(tree) == Trees(request_of(tmp_path)).raw(tree) == str(raw) and marker.exists()
    stale = Trees(first).place(tree) / "built" / "stale"
    stale.parent.mkdir()
    stale.touch()
    out = Path(Trees(first).built(tree))
    assert not stale.exists() and (out / "build_report.json").exists()
    kept = (out / "build_report.json").stat().st_mtime_ns
    assert Trees(first).built(tree) == str(out) and (out / "build_report.json").stat().st_mtime_ns == kept


def request_of(scratch: Path, size: str = "tiny", peer: str | None = None) -> Request:
    return Request(size, (), Environment(sys.executable, peer, {}), scratch)


def test_trees_of_other_options_lie_elsewhere() -> None:
    names = [tree_of(corpus, size).name for corpus in DEFAULT_CORPORA for size in ("tiny", "full")]
    names += [tree_of_sites(sites, size).name for size, counts in trees.SITES.items() for sites in counts]
    assert len(names) == len(set(names)) + 1
    assert tree_of("wingert2026-a1", "full").name == tree_of_sites(5, "full").name, "written and built but once"


def test_all_corpora_with_goals_are_large_enough_to_measure() -> None:
    assert all(CORPORA[name].bench_options for name in DEFAULT_CORPORA)


def test_medians_failures_and_long_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    took = iter([3.0, 1.0, 2.0, 100.0])

    def pretend(python: str, job: str, **arguments: Any) -> dict[str, float]:
        calls.append(f"{python} {job}")
        if job.endswith("peer:epoch"):
            raise JobFailedError("no memory left")
        return {"seconds": next(took), "peak_mb": float(len(calls))}

    monkeypatch.setattr(trees, "run_job", pretend)
    monkeypatch.setattr(Trees, "raw", lambda self, tree: "raw")
    measuring = Trees(request_of(tmp_path, "full", peer="peer-python"))
    tree = tree_of(CORPUS, "full")
    assert measuring.constructor(tree) == {"seconds": 2.0, "peak_mb": 2.0, "runs": 3}
    assert measuring.constructor(tree) == {"seconds": 2.0, "peak_mb": 2.0, "runs": 3}
    assert calls == ["peer-python scripts.benchmarks.raw_peer:construct"] * 3
    assert measuring.build(tree, 1)["runs"] == 1, "it took long"
    for _ in range(2):
        with pytest.raises(JobFailedError, match="no memory left"):
            measuring.peer_epoch(tree, 8)
    assert len(calls) == 5
    assert Trees(request_of(tmp_path, "full")).constructor(tree) is None


def test_a_corpus_that_fails_is_a_fault_and_the_others_are_measured(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise JobFailedError("it broke")

    monkeypatch.setattr(Trees, "raw_to_grid", fail)
    command = ["build", "--size", "tiny", "--scratch", str(scratch), "--corpora", CORPUS, "--parts", "raw", "disk"]
    with pytest.raises(SystemExit, match="1 faults"):
        benchmark.main(command)
    printed = capsys.readouterr().out
    assert "- it broke" in printed and f"| {CORPUS} |" in printed


@pytest.mark.parametrize("cohort", ["a1"])
def test_normalised_tables_hold_the_same(ns1_built: Path, cohort: str, tmp_path: Path) -> None:
    sizes = disk.sizes(str(ns1_built), cohort, str(tmp_path))
    parts = {name: sorted((ns1_built / f"{cohort}{name}").glob("*.parquet")) for name in ("", "-stimuli", "-neurons")}
    assert sizes["tables"] == sum(path.stat().st_size for files in parts.values() for path in files) / 1e6
    assert sizes["tables_without_media"] < sizes["tables"]
    plain = {name: pq.read_table(tmp_path / f"{name or 'pairs'}.parquet") for name in parts}
    assert sizes["normalised"] == pytest.approx(
        sum((tmp_path / f"{name or 'pairs'}.parquet").stat().st_size for name in parts) / 1e6
    )
    for name, files in parts.items():
        assert len(plain[name]) == sum(pq.read_metadata(path).num_rows for path in files)
    every = {column for files in parts.values() for column in pq.read_schema(files[0]).names}
    assert every == {column for table in plain.values() for column in table.column_names}
    # Every column once, but for the names that join the tables, and what each table tells of its own rows.
    assert not {"spectrogram", "audio", "stim_name", "neuron_cell_id"} & set(plain[""].column_names)
    lean = pq.read_schema(tmp_path / "-stimuli_without_media.parquet").names
    assert set(plain["-stimuli"].column_names) - set(lean) == {"audio", "picture"}


def test_reading_from_the_page_cache(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "small").write_bytes(b"x" * 1000)
    (tmp_path / "below" / "large").write_bytes(b"y" * 3_000_000)
    assert raw_jobs.page_cache(str(tmp_path))["mb"] == pytest.approx(3.001)
    assert raw_jobs.page_cache(str(tmp_path), 2000)["mb"] == pytest.approx(0.002)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell")
def test_memory_of_all_processes_is_counted() -> None:
    child = "import sys; held = bytearray(b'x') * 80_000_000; print('there', flush=True); sys.stdin.read()"
    alone = memory_of_all_mb()
    process = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdin is not None
    with process.stdout, process.stdin:
        process.stdout.readline()
        assert Path("/proc") / str(process.pid) in descendants()
        assert memory_of_all_mb() > alone + 60
    process.wait()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_measured_job_tells_what_it_held(processes: int) -> None:
    """In a process of its own: one that has freed memory before may take it again without growing."""
    code = f"""
import json
import numpy as np
from scripts.benchmarks.peak import measured
took, result = measured(lambda: np.ones(20_000_000, np.uint8).sum(), {processes})
print(json.dumps([took, int(result)]))
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    took, result = json.loads(said)
    assert result == 20_000_000
    assert took["seconds"] > 0 and took["peak_mb"] > took["peak_above_imports_mb"] > 15


def test_mapped_files_count_as_touched(tmp_path: Path) -> None:
    np.ones(2_000_000, np.uint8).tofile(tmp_path / "array.bin")
    mapped = np.memmap(tmp_path / "array.bin", np.uint8, "r")
    before = raw_jobs._mapped_mb(str(tmp_path))
    assert mapped.sum() == 2_000_000
    assert before < 1 and raw_jobs._mapped_mb(str(tmp_path)) >= 1.9
    assert raw_jobs._mapped_mb(str(tmp_path / "elsewhere")) == 0


def test_goals() -> None:
    least, most = Goal("a", "b", "1 s", "4 s", 4.0, least=3.0), Goal("c", "d", "2 MB", "1 MB", 2.0, most=1.5)
    part, unknown = Goal("e", "f", "1", "2", 0.75, least=0.7, unit="%"), Goal("g", "h", "1", "–", None, least=2.0)
    assert [goal.is_met for goal in (least, most, part, unknown)] == [True, False, True, None]
    judged = goal_table([least, most, part, unknown], judged=True)
    assert judged.splitlines()[2:] == [
        "| a | b | 1 s | 4 s | 4.00× | ≥ 3.00× | yes |",
        "| c | d | 2 MB | 1 MB | 2.00× | ≤ 1.50× | **no** |",
        "| e | f | 1 | 2 | 75% | ≥ 70% | yes |",
        "| g | h | 1 | – | – | ≥ 2.00× | – |",
    ]
    assert goal_table([most], judged=False).splitlines()[2] == "| c | d | 2 MB | 1 MB | 2.00× |"
    assert most.as_json()["met"] is False
    assert (over(1.0, 2.0), over(None, 2.0), over(1.0, None)) == (0.5, None, None)
