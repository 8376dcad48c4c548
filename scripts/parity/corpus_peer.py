"""Construct deepSTRF's data sets of raw trees and write snapshots of them; run in deepSTRF's environment.

    python -m scripts.parity.corpus_peer JOBS.json

The file holds a list of jobs. One line of JSON is printed per job: how many warnings the constructor gave, or the error
that it raised, which is a result.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from scripts.parity.corpus_snapshot import AmbiguousNameError, save, snapshot_of


def main(arguments: list[str]) -> None:
    """Run all jobs of a file."""
    (jobs,) = arguments
    classes = importlib.import_module("deepSTRF.datasets.audio")
    for job in json.loads(Path(jobs).read_text(encoding="utf-8")):
        print(json.dumps(done(job, getattr(classes, job["class"]))), flush=True)


def done(job: dict[str, Any], peer_class: Any) -> dict[str, Any]:
    """Run one job and say how it went."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            dataset = peer_class(path=job["raw"], **job["options"])
        except Exception as error:  # noqa: BLE001 (whatever deepSTRF raises on a raw tree is the result)
            return {"error": f"{type(error).__name__}: {error}".replace(job["raw"], "<raw>")}
    if job.get("out"):
        try:
            save(snapshot_of(dataset, job["neuron_name"], job["stimulus_name"]), Path(job["out"]))
        except AmbiguousNameError as error:
            return {"error": str(error)}
    return {"warnings": len(caught)}


if __name__ == "__main__":
    main(sys.argv[1:])
