"""How building Wingert 2026 grows with the number of sessions, beside deepSTRF's constructor.

    python -m scripts.parity.wingert2026_scale --peer-python PEER_ENV/bin/python [--sites 5 10 20] [--json FILE]

Writes sessions of the real size, builds them with one and with two processes, opens and streams the tables, and has
deepSTRF load the smallest tree; every measurement in a process of its own. Prints Markdown, and what the growth from
the smallest to the largest tree means for the 68 archives of the release.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.parity.corpus_bench import OPEN_AGAIN, OPEN_FIRST
from scripts.parity.corpus_bench_job import PeakOfAll
from scripts.parity.corpus_peer import peak_mb
from scripts.parity.environment import REPOSITORY, ParityError, run_in_peer

RELEASE_SITES = 68
CORPUS, COHORT, PEER_CLASS, AREA = "wingert2026", "a1", "Wingert2026Dataset", "A1"
PEER = "deepSTRF's constructor"


def streamed(out: str) -> dict[str, float]:
    """Read all rows as `datasets` streams them, in NumPy format, and say what it took."""
    import datasets

    datasets.disable_progress_bars()
    rows, values = 0, 0
    start = time.perf_counter()
    with PeakOfAll() as peak:
        for split in ("train", "test"):
            stream = datasets.load_dataset(out, COHORT, split=split, streaming=True).with_format("numpy")
            for row in stream:
                rows += 1
                values += row["response"].size
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mb": max(peak.mb, peak_mb()), "rows": rows, "values": values}


def size_mb(directory: Path) -> float:
    """Return the size of the files in a directory, MB."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / 2**20


def job(arguments: Sequence[str]) -> dict[str, Any]:
    """Run a module of this repository in a process of its own and return what it prints.

    Raises
    ------
    ParityError
        It failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return _answer(done)


def _answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
    if done.returncode or len(answers) != 1 or "error" in answers[0]:
        raise ParityError(f"a measurement failed:\n{done.stdout}{done.stderr}")
    answer: dict[str, Any] = answers[0]
    return answer


def write_sites(directory: Path, n_sites: int) -> None:
    """Write a raw tree of that many sessions in a process of its own: memory of the writer is nobody's concern."""
    writing = (
        "import sys; from pathlib import Path; from tests.raw_writers.wingert2026 import write_wingert2026; "
        f"write_wingert2026(Path(sys.argv[1]), bench_sites={n_sites})"
    )
    subprocess.run([sys.executable, "-c", writing, str(directory)], cwd=REPOSITORY, check=True)


def measure(raw: Path, scratch: Path, python: str | None, runs: int) -> dict[str, Any]:
    """Measure everything on one raw tree; of several runs, the fastest is told."""
    figures: dict[str, Any] = {"raw_mb": size_mb(raw)}
    out, file = scratch / "built", scratch / "job.json"
    if python is not None:
        peer_job = {"class": PEER_CLASS, "raw": str(raw), "options": {"area": [AREA]}}
        file.write_text(json.dumps([peer_job]), encoding="utf-8")
        command = ["-m", "scripts.parity.corpus_peer", str(file)]
        figures[PEER] = _fastest([_answer(run_in_peer(python, command, scratch)) for _ in range(runs)])
    tasks = {"build": ("build", 1), "build, two processes": ("build", 2), OPEN_FIRST: ("load", 1)}
    tasks[OPEN_AGAIN] = tasks[OPEN_FIRST]
    for name, (task, num_proc) in tasks.items():
        content = {"task": task, "num_proc": num_proc, "corpus": CORPUS, "cohort": COHORT}
        measured = []
        for run in range(runs):
            cache = scratch / f"cache{run if name == OPEN_FIRST else 0}"
            paths = {"raw": str(raw), "out": str(out), "cache": str(cache)}
            file.write_text(json.dumps(content | paths), encoding="utf-8")
            measured.append(job(["scripts.parity.corpus_bench_job", str(file)]))
        figures[name] = _fastest(measured)
    figures["stream"] = job(["scripts.parity.wingert2026_scale", "--streamed", str(out)])
    figures["tables_mb"] = size_mb(out)
    shutil.rmtree(out)
    return figures


def _fastest(measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return min(measured, key=lambda one: one["seconds"])


def markdown(figures: Mapping[int, Mapping[str, Any]]) -> str:
    """Return figures as a table, and what they mean for the release."""
    lines = ["| sessions | | seconds | s per session | peak MB |", "| --- | --- | --- | --- | --- |"]
    for sites, measured in figures.items():
        for name, one in measured.items():
            if isinstance(one, Mapping):
                each = one["seconds"] / sites
                lines.append(f"| {sites} | {name} | {one['seconds']:.2f} | {each:.2f} | {one['peak_mb']:.0f} |")
        rate = measured["stream"]["rows"] / measured["stream"]["seconds"]
        sizes = f"raw files {measured['raw_mb']:.0f} MB, tables {measured['tables_mb']:.0f} MB"
        lines.append(f"| {sites} | {sizes}; streamed at {rate:.0f} rows/s | | | |")
    least, most = min(figures), max(figures)
    if most > least:
        lines += ["", f"At {RELEASE_SITES} sessions, by the growth from {least} to {most}:", ""]
        for name in ("build", "build, two processes", OPEN_FIRST, OPEN_AGAIN):
            seconds, peak = (
                _at_release(least, most, *(figures[sites][name][key] for sites in (least, most)))
                for key in ("seconds", "peak_mb")
            )
            lines.append(f"- {name}: {seconds:.0f} s, {peak:.0f} MB")
        tables = _at_release(least, most, figures[least]["tables_mb"], figures[most]["tables_mb"])
        lines.append(f"- tables: {tables:.0f} MB")
    return "\n".join(lines)


def _at_release(least: int, most: int, at_least: float, at_most: float) -> float:
    """Continue a straight line through two measurements to the size of the release."""
    return at_least + (at_most - at_least) / (most - least) * (RELEASE_SITES - least)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--runs", type=int, default=1, help="of each measurement; the fastest is told")
    parser.add_argument("--peer-python", help="Python of an environment with deepSTRF 0.1.0; without it, ours alone")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--streamed", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.streamed:
        print(json.dumps(streamed(chosen.streamed)))
        return 0
    figures = {}
    with tempfile.TemporaryDirectory() as directory:
        for sites in sorted(chosen.sites):
            scratch = Path(directory) / str(sites)
            scratch.mkdir()
            write_sites(scratch / "raw", sites)
            peer = chosen.peer_python if sites == min(chosen.sites) else None
            figures[sites] = measure(scratch / "raw", scratch, peer, chosen.runs)
            shutil.rmtree(scratch)
            print(f"measured {sites} sessions", file=sys.stderr, flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(markdown(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
