"""Time and memory of both libraries on larger raw trees: every measurement in a process of its own."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.parity.corpus_declaration import CorpusParity
from scripts.parity.environment import REPOSITORY, ParityError, run_in_peer

RUNS = 3
"""Of each measurement; the median is told."""
SEED = 0
OPEN_FIRST, OPEN_AGAIN = "open, first", "open, again"
"""With an empty cache and with a filled one."""


@dataclass(frozen=True)
class Measure:
    """Medians of one thing that was measured."""

    what: str
    seconds: float
    peak_mb: float


def measure_all(corpora: Sequence[CorpusParity], python: str, scratch: Path) -> tuple[str, dict[str, Any]]:
    """Measure some corpora.

    Parameters
    ----------
    corpora : sequence of CorpusParity
        Which.
    python : str
        Python of deepSTRF's environment.
    scratch : Path
        For raw trees and builds.

    Returns
    -------
    str, dict
        A Markdown table; the same as plain data.
    """
    figures: dict[str, Any] = {}
    for corpus in corpora:
        directory = scratch / f"bench-{corpus.name.replace('/', '-')}"
        directory.mkdir(parents=True)
        corpus.write(directory / "raw", SEED, corpus.bench_options)
        print(f"{corpus.name}: measuring", file=sys.stderr, flush=True)
        figures[corpus.name] = measure(corpus, python, directory)
        shutil.rmtree(directory)
        print(markdown({corpus.name: figures[corpus.name]}), file=sys.stderr, flush=True)
    return markdown(figures), figures


def measure(corpus: CorpusParity, python: str, directory: Path) -> dict[str, Any]:
    """Measure one corpus on the raw tree ``directory / "raw"``."""
    raw, out = directory / "raw", directory / "built"
    measures = [_median("deepSTRF's constructor", [_peer(corpus, python, directory) for _ in range(RUNS)])]
    job = {"corpus": corpus.corpus, "cohort": corpus.cohort, "raw": str(raw), "out": str(out)}
    for number in (1, 2):
        task = {**job, "task": "build", "num_proc": number}
        name = "build" if number == 1 else "build, two processes"
        measures.append(_median(name, [_ours(task, directory) for _ in range(RUNS)]))
    for name, caches in ((OPEN_FIRST, range(RUNS)), (OPEN_AGAIN, [0] * RUNS)):
        loads = [
            _ours({**job, "task": "load", "cache": str(directory / f"cache{number}")}, directory) for number in caches
        ]
        measures.append(_median(name, loads))
    return {
        "raw_mb": _size_mb(raw),
        "tables_mb": _size_mb(out),
        "measures": {one.what: {"seconds": one.seconds, "peak_mb": one.peak_mb} for one in measures},
    }


def markdown(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return figures as a table; ratios are deepSTRF's figure over ours."""
    lines = ["| corpus | | seconds | times faster | peak MB | times less |", "| --- | --- | --- | --- | --- | --- |"]
    for name, of_corpus in figures.items():
        measures = of_corpus["measures"]
        theirs = measures["deepSTRF's constructor"]
        for what, one in measures.items():
            faster, less = (f"{theirs[key] / one[key]:.1f}" for key in ("seconds", "peak_mb"))
            ratios = ("", "") if one is theirs else (faster, less)
            lines.append(
                f"| {name} | {what} | {one['seconds']:.2f} | {ratios[0]} | {one['peak_mb']:.0f} | {ratios[1]} |"
            )
        lines.append(
            f"| {name} | raw files {of_corpus['raw_mb']:.0f} MB, tables {of_corpus['tables_mb']:.1f} MB | | | | |"
        )
    return "\n".join(lines)


def _median(what: str, measured: Sequence[Mapping[str, float]]) -> Measure:
    seconds, peak = (statistics.median(one[key] for one in measured) for key in ("seconds", "peak_mb"))
    return Measure(what, seconds, peak)


def _peer(corpus: CorpusParity, python: str, directory: Path) -> dict[str, float]:
    job = {"class": corpus.peer_class, "raw": str(directory / "raw"), "options": dict(corpus.runs[0].peer_options)}
    file = directory / "job.json"
    file.write_text(json.dumps([job]), encoding="utf-8")
    return _answer(run_in_peer(python, ["-m", "scripts.parity.corpus_peer", str(file)], directory))


def _ours(job: Mapping[str, Any], directory: Path) -> dict[str, float]:
    file = directory / "job.json"
    file.write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable, "-m", "scripts.parity.corpus_bench_job", str(file)]
    return _answer(subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False))


def _answer(done: subprocess.CompletedProcess[str]) -> dict[str, float]:
    """Read what a process measured.

    Raises
    ------
    ParityError
        It failed.
    """
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
    if done.returncode or len(answers) != 1 or "error" in answers[0]:
        raise ParityError(f"a measurement failed:\n{done.stdout}{done.stderr}")
    answer: dict[str, float] = answers[0]
    return answer


def _size_mb(directory: Path) -> float:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / 2**20
