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
from rich.table import Table

import deepstrf_hf
from deepstrf_hf.report_table import print_report
from deepstrf_hf.strf.figure import draw_strf_figure
from deepstrf_hf.strf.ridge import RidgeStrf, fit_ridge, predict
from deepstrf_hf.strf.scores import RidgeScores, evaluate
from deepstrf_hf.terminal import terminal
from tests.raw_writers.ns1 import write_ns1

N_LAGS = 30
"""Lags of a receptive field, bins: 150 ms."""
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


def fit(grid: deepstrf_hf.NeuralDataset) -> tuple[RidgeStrf, RidgeScores, list[int], list[np.ndarray]]:
    """Fit all units on the training clips and score them on the published test clips."""
    train = grid.select_stims_by_attr("subset", "train")
    stimuli = [grid.stims[index][0].numpy().astype(float) for index in range(grid.get_S())]
    trials = [np.stack([response.numpy() for response in grid.responses[index]]) for index in range(grid.get_S())]
    test = grid.select_stims_by_attr("subset", "test")
    grid.reset_stim_selection()
    model = fit_ridge([stimuli[i] for i in train], [trials[i].mean(axis=1) for i in train], n_lags=N_LAGS)
    return model, evaluate(model, [stimuli[i] for i in test], [trials[i] for i in test]), test, trials


def print_scores(grid: deepstrf_hf.NeuralDataset, scores: RidgeScores, kind: str) -> dict[str, float]:
    """Print and return mean and median test correlations, over all units and over the papers' selection."""
    chosen = np.array([entry["single_unit_at_known_depth"] for entry in grid.nrn_meta])
    table = Table("units", "number", "cc raw mean", "cc raw median", "cc norm mean", "cc norm median", "no signal")
    summary: dict[str, float] = {}
    for name, which in (("all", np.ones(len(chosen), bool)), ("single units at known depth", chosen)):
        raw, norm = scores.cc_raw[which], scores.cc_norm[which]
        finite = norm[np.isfinite(norm)]
        if not len(finite):
            continue
        values = (raw.mean(), np.median(raw), finite.mean(), np.median(finite))
        table.add_row(name, str(which.sum()), *(f"{value:.3f}" for value in values), str(len(norm) - len(finite)))
        for label, value in zip(
            ("cc_raw_mean", "cc_raw_median", "cc_norm_mean", "cc_norm_median"), values, strict=True
        ):
            summary[f"{kind}, {name}, {label}"] = round(float(value), 4)
    console.print(f"  Test correlations, {kind}:")
    console.print(table)
    return summary


def draw(grid: deepstrf_hf.NeuralDataset, fitted: tuple, path: Path, title: str) -> Path:
    """Draw the six best units."""
    model, scores, test, trials = fitted
    order = np.argsort(-np.nan_to_num(scores.cc_raw))[:6]
    best, clip = int(order[0]), test[0]
    spectrogram = grid.stims[clip][0].numpy()
    return draw_strf_figure(
        path,
        spectrogram=spectrogram,
        frequencies_hz=grid.band_frequencies_hz,
        dt_ms=grid.dt,
        trials=trials[clip][best],
        prediction=predict(model, spectrogram)[best],
        strfs=[(grid.nrn_meta[unit]["neuron_id"], model.weights[unit], scores.cc_raw[unit]) for unit in order],
        cc_raw=scores.cc_raw,
        cc_norm=scores.cc_norm,
        title=title,
        unit_name=grid.nrn_meta[best]["neuron_id"],
    )


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
    with step(f"Fitting a ridge STRF of {N_LAGS} lags to every unit"):
        fitted = fit(grid)
        summary = print_scores(grid, fitted[1], "spike counts")
        smoothed = fit(deepstrf_hf.load(built, "a1", cache=out / "cache" / "grids"))
        summary |= print_scores(grid, smoothed[1], "published 21 ms smoothing")
    title = "NS1: receptive fields by ridge regression" if chosen.data else "Synthetic NS1: receptive fields by ridge"
    figure = draw(grid, fitted, out / "strf.png", title)
    inspection = deepstrf_hf.inspect(built, "a1", output=out / "best_unit.png")
    (out / "scores.json").write_text(json.dumps(summary, indent=1) + "\n")
    console.print(f"Figures: {figure}, {inspection.picture}. Scores: {out / 'scores.json'}. Tables: {built}.")


if __name__ == "__main__":
    main()
