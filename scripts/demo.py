"""From raw files to receptive fields: build NS1, load it in three ways, fit a ridge STRF, draw a figure.

    python -m scripts.demo [--data RAW_NS1] [--out DIRECTORY]

Without --data a small synthetic corpus in the true raw layout is written first.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import numpy as np

import deepstrf_hf
from deepstrf_hf.baselines.drawing import draw_baseline
from deepstrf_hf.baselines.table import print_baseline
from deepstrf_hf.report_table import print_report
from deepstrf_hf.terminal import terminal
from tests.raw_writers.ns1 import write_ns1

SYNTHETIC_UNITS = 12
console = terminal()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is done and how long it took."""
    console.print(f"[bold]{what}[/bold]")
    start = time.perf_counter()
    yield
    console.print(f"  {time.perf_counter() - start:.1f} s\n")


def build(raw: Path, out: Path) -> Path:
    """Build the corpus and print its report."""
    built = out / "ns1"
    report = deepstrf_hf.build("ns1", data_dir=raw, out=built)
    print_report(report, console)
    return built


def read_with_datasets(built: Path, cache: Path) -> None:
    """Read the built directory as anybody does who has only `datasets`."""
    rows = datasets.load_dataset(str(built), "a1", cache_dir=str(cache))
    console.print(f"  load_dataset: {', '.join(f'{name} {len(split)} rows' for name, split in rows.items())}")
    first = rows["test"].with_format("numpy")[0]
    streamed = next(iter(datasets.load_dataset(str(built), "a1", split="test", streaming=True).with_format("numpy")))
    same = np.array_equal(first["response"], streamed["response"])
    console.print(
        f"  first test row: stimulus {first['stim_id']}, neuron {first['neuron_id']}, response "
        f"{np.shape(first['response'])} (trials, bins), spectrogram {np.shape(first['spectrogram'])} (bands, bins); "
        f"the same when streamed: {same}"
    )


def fit(built: Path, cache: Path) -> dict[str, deepstrf_hf.Baseline]:
    """Fit the linear reference to spike counts, and to what the papers make of them, and print both."""
    found = {}
    for kind, preprocessing in (("spike counts", None), ("published 21 ms smoothing", "published")):
        found[kind] = deepstrf_hf.baseline(built, "a1", preprocessing=preprocessing, cache=cache)
        print_baseline(found[kind], console)
    return found


def main() -> None:
    """Run the demonstration."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, help="raw NS1 files; synthetic ones are written if not given")
    arguments.add_argument("--out", type=Path, default=Path("demo"), help="directory to write to")
    chosen = arguments.parse_args()
    out: Path = chosen.out
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    raw = chosen.data
    if raw is None:
        raw = out / "raw_ns1"
        with step(f"Writing a synthetic corpus of {SYNTHETIC_UNITS} units in the raw layout of NS1"):
            shutil.rmtree(raw, ignore_errors=True)
            write_ns1(raw, seed=1, n_units=SYNTHETIC_UNITS)
    with step(f"Building the tables from {raw}"):
        built = build(raw, out)
    with step("Reading them with nothing but `datasets`"):
        read_with_datasets(built, out / "cache")
    with step("Opening them as a (stimulus, neuron) grid"):
        grid = deepstrf_hf.load(built, "a1", preprocessing=None, cache=out / "cache" / "grids")
        console.print(f"  {grid}")
        batch = deepstrf_hf.neural_collate([grid[index] for index in range(2)])
        shapes = ", ".join(f"{name} {tuple(batch[name].shape)}" for name in ("stims", "responses", "valid_mask"))
        console.print(f"  a batch of 2: {shapes}")
    with step("Fitting a ridge STRF to every unit"):
        found = fit(built, out / "cache" / "grids")
    title = "NS1: receptive fields by ridge regression" if chosen.data else "Synthetic NS1: receptive fields by ridge"
    figure = draw_baseline(found["spike counts"], out / "strf.png", title)
    inspection = deepstrf_hf.inspect(built, "a1", output=out / "best_unit.png")
    summary = {kind: result.summary for kind, result in found.items()}
    (out / "scores.json").write_text(json.dumps(summary, indent=1) + "\n")
    console.print(f"Figures: {figure}, {inspection.picture}. Scores: {out / 'scores.json'}. Tables: {built}.")


if __name__ == "__main__":
    main()
