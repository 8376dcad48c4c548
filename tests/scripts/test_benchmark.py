"""The benchmark from its command line to its report: tables, figures, curves, verdicts and faults."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import benchmark
from scripts.benchmarks import batch, grid, hub, opening, section, streaming
from scripts.benchmarks import build as building
from scripts.benchmarks.goals import Goal
from scripts.benchmarks.grid_answers import GridAnswers
from scripts.benchmarks.grid_report import LABELS, report_grids
from scripts.benchmarks.growth import exponent
from scripts.benchmarks.job import JobFailedError
from scripts.benchmarks.plots import draw_curves
from scripts.benchmarks.section import FRACTIONS, Curve, Environment, Report, Request, environment_of
from scripts.benchmarks.tables import ABSENT, megabytes, met, number, seconds, table, times

JOBS = {name: (*grid.JOBS[name], *batch.JOBS[name]) for name in grid.JOBS}
VERSIONS = {
    "machine": "a machine",
    "load": None,
    "ours": {"torch": "9.9"},
    "peer": {"deepSTRF": "0.1.0", "pyarrow": None},
}


def request_of(size: str = "full", peer: str | None = "peer-python", parts: tuple[str, ...] = grid.PARTS) -> Request:
    return Request(size, parts, Environment("our-python", peer, VERSIONS), Path("nowhere"))


def answer(job: str, fraction: float, took: float, peak: float) -> dict[str, Any]:
    """Return what a job would answer that took some seconds for each of its figures and held some MB."""
    figures = {
        "items": ["item", "item_read"],
        "selected_items": ["select_and_first_item", "selected_item", "selected_item_read"],
    }.get(job, [job])
    timing: dict[str, float] = dict.fromkeys(("seconds", "fastest", "slowest"), took) | {"processor": 1.0, "runs": 3}
    if job.endswith("epoch"):
        timing |= {"batches": 166, "batches_timed": 3 if job == "dense_epoch" else 166}
    memory = {"peak_mb": peak + 300, "peak_above_inputs_mb": peak, "peak_is_of_the_job": True}
    amounts = {"neurons": 849, "stimuli": 595, "pairs": 505155, "filled": 1.0, "values": 1}
    return {
        "figures": {figure: dict(timing) for figure in figures},
        "memory": memory,
        "amounts": amounts | {"counts_mb": 100 * fraction, "spectrograms_mb": 20 * fraction},
        "result": {"shape": [32, 849, 1, 150]} if job.endswith("batch") else [1, 2],
    }


def row_of(markdown: str, start: str) -> list[str]:
    """Return the cells of the first row that begins with some text."""
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def run_tiny(
    section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[dict[str, Any], set[str], str]:
    """Run a section; return its figures, the names of its plots, and what it printed."""
    figures, plots = tmp_path / "new" / "figures.json", tmp_path / "plots"
    benchmark.main([section, "--size", "tiny", "--json", str(figures), "--plots", str(plots), *more])
    printed = capsys.readouterr().out
    found = json.loads(figures.read_text())
    assert found["size"] == "tiny" and found["faults"] == [] and set(found["sections"]) == {section}
    assert "figures mean nothing" in printed
    pictures = {path.stem: path.read_bytes() for path in plots.iterdir()}
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())
    return found, set(pictures), printed


@pytest.mark.parametrize(("name", "jobs_of"), [("grid", grid.JOBS), ("batch", batch.JOBS)])
def test_a_tiny_run_of_grids(name: str, jobs_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, pictures, printed = run_tiny(name, tmp_path, capsys, "--parts", "nat4", "wingert")
    of_section = found["sections"][name]
    assert of_section["bandwidth"]["one_thread_gb_per_s"] > 0
    limits = {"construct_copied"} if name == "grid" else {"est_batch", "val_batch"}
    expected = set()
    for one, jobs in jobs_of.items():
        assert set(of_section["grids"][one]) == {str(fraction) for fraction in FRACTIONS}
        for of_size in of_section["grids"][one].values():
            assert set(of_size) == {"ours"} and set(of_size["ours"]) == set(jobs)
            expected |= {f"{one}-{figure}" for job in of_size["ours"].values() for figure in job["figures"]}
        assert set(of_section["limits"][one]) == limits
        expected |= {f"{one}-memory"} if name == "grid" else set()
    assert pictures == expected
    assert "deepSTRF's columns are absent" in printed and "| deepSTRF |" not in printed
    assert len(row_of(printed, LABELS["masks" if name == "grid" else "est_batch"])) == 4  # with what memory allows


def test_a_tiny_run_of_streaming(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, pictures, printed = run_tiny("stream", tmp_path, capsys)
    assert set(found["sections"]["stream"]["corpora"]) == set(streaming.PARTS)
    assert pictures == {"nat4-stream-memory", "wingert-stream-memory"}
    assert "like wingert, 0.5 of the size: stream, shuffled" in printed
    assert [goal["least"] for goal in found["goals"]] == [0.7] * 4 and "goal" not in row_of(printed, "job")


def test_what_was_measured_is_told_though_a_later_section_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: Request) -> Report:
        raise JobFailedError("a job failed")

    for module in (building, opening, grid, batch, hub):
        monkeypatch.setattr(module, "run", lambda request: Report("## Measured", {"one": 1}))
    monkeypatch.setattr(streaming, "run", fail)
    figures = tmp_path / "figures.json"
    with pytest.raises(SystemExit, match="a job failed"):
        benchmark.main(["all", "--size", "tiny", "--json", str(figures)])
    assert capsys.readouterr().out.count("## Measured") == 4
    assert json.loads(figures.read_text())["sections"] == dict.fromkeys(("build", "open", "grid", "batch"), {"one": 1})


def test_ratios_and_verdicts() -> None:
    answers = GridAnswers()
    for fraction in FRACTIONS:
        for job in JOBS["wingert"]:
            answers.add("wingert", fraction, "ours", job, answer(job, fraction, 0.002 * fraction, 10.0))
            if job != "site_epoch":
                took = 0.08 if job in ("masks", "construct") else 0.12
                answers.add("wingert", fraction, "peer", job, answer(job, fraction, took * fraction**2, 41.0))
    answers.limits = {"wingert": {"est_batch": {"seconds": 0.001}}}
    report = report_grids(answers, request_of(), "Grids")
    assert report.faults == []
    head = row_of(report.markdown, "figure")
    assert head[1:7] == ["deepSTRF", "deepstrf-hf", "ratio", "ratio of processor time", "goal", "met"]
    assert row_of(report.markdown, LABELS["construct"])[1:7] == ["80.0 ms", "2.00 ms", "40.0×", "1.00×", "20×", "yes"]
    assert row_of(report.markdown, LABELS["masks"])[3:7] == ["40.0×", "1.00×", "50×", "**no**"]
    assert row_of(report.markdown, LABELS["item"])[3:7] == ["60.0×", "1.00×", "50×", "yes"]
    batch = row_of(report.markdown, LABELS["est_batch"])
    assert batch[0].endswith("(32, 849, 1, 150)") and batch[7:] == ["1.00 ms", "2.00×"]
    dense, by_site = (row_of(report.markdown, LABELS[name]) for name in ("dense_epoch", "site_epoch"))
    assert "deepSTRF: 3 of 166 batches timed; deepstrf-hf: 3 of 166" in dense[0]
    # deepSTRF has no batches by site: ours stand beside its batches of all neurons.
    assert by_site[1:4] == ["120 ms", "2.00 ms", "60.0×"] and "deepstrf-hf:" not in by_site[0]
    assert row_of(report.markdown, "site epoch")[1:6] == ["41.0 MB", "10.0 MB", "4.10×", "4×", "yes"]
    assert row_of(report.markdown, "site epoch")[6:] == ["341 MB", "310 MB", "1.10×"]
    growth = row_of(report.markdown, f"{LABELS['masks']}: deepSTRF")
    assert growth[-2:] == ["2.00", "**yes**"]
    assert row_of(report.markdown, f"{LABELS['masks']}: deepstrf-hf")[-1] == "no"
    assert report.figures["growth"]["wingert-masks"]["deepSTRF"] == pytest.approx(2)
    assert report.figures["growth"]["wingert-masks"]["deepstrf-hf"] == pytest.approx(1)
    curve = next(curve for curve in report.curves if curve.name == "wingert-memory")
    assert curve.data == [100 * fraction for fraction in FRACTIONS] and curve.figures["deepSTRF"] == [41.0] * 3


def test_what_was_not_measured_leaves_gaps_and_no_verdicts() -> None:
    answers = GridAnswers()
    answers.add("nat4", 1.0, "ours", "masks", answer("masks", 1.0, 0.5, 1.0))
    answers.add("nat4", 1.0, "ours", "est_batch", answer("est_batch", 1.0, 0.5, 1.0))
    answers.add("nat4", 1.0, "peer", "masks", answer("masks", 1.0, 1.0, 1.0))
    whole = report_grids(answers, request_of(), "Grids")
    assert row_of(whole.markdown, LABELS["est_batch"])[1:7] == [ABSENT, "500 ms", ABSENT, ABSENT, "20×", ABSENT]
    assert whole.curves == [] and LABELS["construct"] not in whole.markdown
    tiny = report_grids(answers, request_of("tiny"), "Grids")
    assert row_of(tiny.markdown, "figure")[:4] == ["figure", "deepSTRF", "deepstrf-hf", "ratio"]
    assert "goal" not in tiny.markdown
    alone = report_grids(answers, request_of(peer=None), "Grids")
    assert row_of(alone.markdown, "figure")[:3] == ["figure", "deepstrf-hf", "memory allows"]


def test_results_that_differ_are_faults() -> None:
    answers = GridAnswers()
    first, second = answer("masks", 1.0, 1.0, 1.0), answer("masks", 1.0, 1.0, 1.0)
    answers.add("nat4", 1.0, "ours", "masks", first)
    answers.add("nat4", 0.5, "peer", "masks", second | {"result": [7]})  # another size is another result
    assert answers.faults == []
    answers.add("nat4", 1.0, "peer", "masks", second | {"result": [1, 3]})
    (fault,) = answers.faults
    assert "masks" in fault and "ours found [1, 2]" in fault and "peer found [1, 3]" in fault
    assert report_grids(answers, request_of(), "Grids").faults == [fault]


@pytest.mark.parametrize("size", ["tiny", "full"])
def test_jobs_and_processes(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    processes: list[tuple[str, list[tuple[str, float]]]] = []

    def pretend(python: str, jobs: Any) -> list[Any]:
        if "limits" in jobs[0][0]:
            assert python == "our-python"
            ours_alone = {"one_thread_gb_per_s": 1.0, "torch_threads_gb_per_s": 2.0, "torch_threads": 2}
            return [ours_alone if name.endswith("bandwidth") else {"seconds": 1.0} for name, _ in jobs]
        ran = [(f"{arguments['grid']} {name.split(':')[1]}", arguments["fraction"]) for name, arguments in jobs]
        assert {arguments["library"] for _, arguments in jobs} == {"ours" if python == "our-python" else "peer"}
        processes.append((python, ran))
        if ran[0] == ("nat4 masks", 1.0):
            raise JobFailedError("no memory left")
        return [answer(name.split(" ")[1], fraction, 1.0, 1.0) for name, fraction in ran]

    monkeypatch.setattr(grid, "run_jobs", pretend)
    report = grid.measure(request_of(size), JOBS, "Grids")
    ran = [(python, *job) for python, jobs in processes for job in jobs]
    assert len(ran) == len(set(ran))
    expected = {
        (python, f"{name} {job}", fraction)
        for name, jobs in JOBS.items()
        for job in jobs
        for fraction in FRACTIONS
        for python in ("our-python", "peer-python")
        if (python, job) != ("peer-python", "site_epoch")
    }
    assert set(ran) == expected
    if size == "full":  # a process for each job, and one that fails leaves a fault and the others
        assert all(len(jobs) == 1 for _, jobs in processes)
        assert report.faults == ["no memory left", "no memory left"]
        assert row_of(report.markdown, LABELS["construct"])[1:4] == ["1.00 s", "1.00 s", "1.00×"]
    else:
        assert len(processes) == 4 and report.faults == []
    assert (
        set(report.figures["limits"]) == {"nat4", "wingert"} and "Copying within memory: 1.00 GB/s" in report.markdown
    )


def test_streaming_is_judged_by_a_plain_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def pretend(python: str, jobs: Any) -> list[Any]:
        if jobs[0][0].endswith("built_corpus"):
            return [f"{arguments['grid']}/{arguments['fraction']}" for _, arguments in jobs]
        answers = []
        for name, arguments in jobs:
            fraction = float(arguments["directory"].split("/")[1])
            took = {"plain_read": 1.0, "stream_in_order": 1.25, "stream_shuffled": 2.0}[name.split(":")[1]]
            grows = 40 * fraction if "shuffled" in name else 40
            answers.append(
                {
                    "pass": {"seconds": took * fraction},
                    "memory": {"peak_above_mb": grows},
                    "opening": {"seconds": 0.01},
                    "items": int(400 * fraction),
                    "mb": 100 * fraction,
                }
            )
        return answers

    monkeypatch.setattr(streaming, "run_jobs", pretend)
    report = streaming.run(request_of())
    in_order = row_of(report.markdown, "like nat4, 0.5 of the size: stream ")
    assert in_order[2:] == ["200", "50.0 MB", "10.0 ms", "320", "80.0", "80%", "yes", "40 MB"]
    assert row_of(report.markdown, "like nat4, 0.5 of the size: stream, shuffled")[7:9] == ["50%", "**no**"]
    assert row_of(report.markdown, "like wingert, 1 of the size: plain")[4:9] == [ABSENT, "400", "100", ABSENT, ABSENT]
    assert "stream, shuffled exponent 1.00" in report.markdown
    assert report.markdown.count("**grows**") == 2 and report.faults == []
    assert [(goal.ratio, goal.is_met) for goal in report.goals] == [(0.8, True), (0.5, False)] * 2

    def fail(python: str, jobs: Any) -> list[Any]:
        raise JobFailedError("no space left")

    monkeypatch.setattr(streaming, "run_jobs", fail)
    assert streaming.run(request_of()).faults == ["no space left"]


def test_faults_end_the_command_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(grid, "run", lambda request: Report("a table", {"some": "figure"}, [], ["it broke"]))
    with pytest.raises(SystemExit, match="1 faults"):
        benchmark.main(["grid", "--json", str(tmp_path / "figures.json")])
    printed = capsys.readouterr().out
    assert "a table" in printed and "- it broke" in printed
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["faults"] == ["it broke"] and found["sections"] == {"grid": {"some": "figure"}}
    with pytest.raises(SystemExit, match="no interpreter no-such-python"):
        benchmark.main(["grid", "--peer-python", "no-such-python"])


def test_all_sections_share_what_they_know_and_their_goals_come_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[Request] = []

    def pretend(request: Request) -> Report:
        asked.append(request)
        goal = Goal(f"job {len(asked)}", "that", "2 s", "4 s", 2.0, least=3.0)
        return Report(f"# Section {len(asked)}", {"number": len(asked)}, goals=[goal])

    modules = [building, opening, grid, batch, streaming, hub]
    for module in modules:
        monkeypatch.setattr(module, "run", pretend)
    benchmark.main(["all", "--scratch", str(tmp_path / "scratch"), "--json", str(tmp_path / "all.json")])
    assert [request.parts for request in asked] == [module.PARTS for module in modules]
    assert len({id(request.known) for request in asked}) == 1
    assert {request.scratch for request in asked} == {(tmp_path / "scratch").resolve()}
    printed = capsys.readouterr().out
    order = [printed.index(text) for text in ("# Goals", "| job 1 |", "| job 6 |", "# Section 1", "# Section 6")]
    assert order == sorted(order) and "mean nothing" not in printed
    found = json.loads((tmp_path / "all.json").read_text())
    assert found["sections"] == {name: {"number": number} for number, name in enumerate(benchmark.SECTIONS, start=1)}
    assert [goal["met"] for goal in found["goals"]] == [False] * 6


def test_peer_without_deepstrf_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "run_job", lambda python, job, **_: {"deepSTRF": None, "torch": "1"})
    with pytest.raises(JobFailedError, match="no deepSTRF"):
        environment_of(sys.executable)
    monkeypatch.setattr(section, "run_job", lambda python, job, **_: {"deepSTRF": "0.1.0"})
    environment = environment_of(sys.executable)
    assert environment.peer_python == environment.python == sys.executable
    assert environment.versions["peer"] == {"deepSTRF": "0.1.0"}
    assert environment_of(None).peer_python is None


@given(slope=st.floats(-2, 3), factor=st.floats(1e-6, 1e3), data=st.lists(st.floats(0.1, 1e4), min_size=2, max_size=6))
def test_exponent_is_that_of_a_power_law(slope: float, factor: float, data: list[float]) -> None:
    if max(data) / min(data) < 1.5:
        data = [data[0], 2 * data[0]]
    found = exponent(data, [factor * amount**slope for amount in data])
    assert found is not None and math.isclose(found, slope, abs_tol=1e-6)


def test_exponent_needs_two_sizes() -> None:
    assert exponent([1.0, 1.0], [1.0, 2.0]) is None and exponent([1.0, 2.0], [0.0, 1.0]) is None


def test_numbers_are_written_for_people() -> None:
    assert [seconds(value) for value in (2.0, 0.0123, 4.56e-5, 7.8e-8, None)] == [
        "2.00 s",
        "12.3 ms",
        "45.6 µs",
        "78.0 ns",
        ABSENT,
    ]
    assert [number(value) for value in (12345.6, 99.94, 1.234, 7, None)] == ["12,346", "99.9", "1.23", "7", ABSENT]
    assert (megabytes(0.5), times(20), megabytes(None), times(None)) == ("0.50 MB", "20×", ABSENT, ABSENT)
    assert [met(value, 2.0) for value in (2.0, 1.9, None)] == ["yes", "**no**", ABSENT]
    assert table([{"a": "x", "b": "1", "c": "2"}], ["b"]) == "| a | c |\n| --- | ---: |\n| x | 2 |"
    assert table([]) == "Nothing was measured."


def test_curves_are_drawn_with_growth_in_proportion(tmp_path: Path) -> None:
    curve = Curve(
        "some-figure", "Some figure", "MB", "s", [1.0, 2.0, 4.0], {"one": [1.0, 2.0, 4.0], "other": [5, 5, 5]}
    )
    (path,) = draw_curves([curve], tmp_path / "plots")
    assert path == tmp_path / "plots" / "some-figure.png" and path.read_bytes().startswith(b"\x89PNG")
