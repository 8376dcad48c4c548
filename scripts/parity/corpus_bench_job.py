"""One measurement of ours in a process of its own: build a corpus, or load what was built.

    python -m scripts.parity.corpus_bench_job JOB.json

Prints one line of JSON: seconds, and peak memory of the process and those that it started.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from scripts.parity.corpus_peer import peak_mb

SAMPLES_PER_S = 20


class PeakOfAll:
    """Peak memory of this process and its descendants together, sampled; pages that several share count once."""

    def __init__(self) -> None:
        self.mb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakOfAll:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(1 / SAMPLES_PER_S):
            self.mb = max(self.mb, sum(map(_resident_mb, descendants())))


def descendants() -> list[Path]:
    """Return this process and those below it, as directories of ``/proc``."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        except OSError:  # ended meanwhile
            continue
        parents[int(stat.parent.name)] = int(after_name.split()[1])
    found = [int(Path("/proc/self").resolve().name)]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return [Path("/proc") / str(process) for process in found]


def _resident_mb(process: Path) -> float:
    """Return the proportional share of memory of a process, MB; 0 once it has ended."""
    try:
        rollup = (process / "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def run(job: dict[str, Any]) -> None:
    """Do what the job says."""
    import deepstrf_hf

    if job["task"] == "build":
        deepstrf_hf.build(
            job["corpus"],
            [job["cohort"]],
            data_dir=job["raw"],
            out=job["out"],
            on_error="skip",
            num_proc=job["num_proc"],
        )
    else:
        deepstrf_hf.load(job["out"], job["cohort"], preprocessing="deepstrf", cache=job["cache"])


def main(arguments: list[str]) -> None:
    """Run one job and say what it took."""
    (file,) = arguments
    job = json.loads(Path(file).read_text(encoding="utf-8"))
    import deepstrf_hf

    if job["task"] == "load":
        import torch  # noqa: F401 (deepSTRF's constructor is measured after its imports too)
    _ = deepstrf_hf.build if job["task"] == "build" else deepstrf_hf.load
    with PeakOfAll() as peak:
        start = time.perf_counter()
        run(job)
        seconds = time.perf_counter() - start
    alone = peak_mb()
    print(json.dumps({"seconds": seconds, "peak_mb": max(alone, peak.mb)}))


if __name__ == "__main__":
    main(sys.argv[1:])
