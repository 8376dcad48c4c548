"""Ridge STRFs of all neurons of a built cohort, and how well they predict held-out sounds, area by area.

    python -m scripts.strf_by_area BUILT [CONFIG] [--area COLUMN] [--stratify COLUMN] [--lags N] [--seeds N] [--out DIR]

A sanity check of a corpus: sounds are divided at random, class by class; a receptive field is fitted to four fifths of
them, its prediction scored on the rest, for several divisions. Neurons that heard the same sounds are fitted together.
Prints mean and median correlations per area and writes a figure and the scores of every neuron.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

import deepstrf_hf
from deepstrf_hf.strf.ridge import fit_ridge
from deepstrf_hf.strf.scores import RidgeScores, evaluate
from deepstrf_hf.terminal import terminal

FRACTIONS = {"train": 0.8, "test": 0.2}
SHOWN = 3
"""Receptive fields drawn per area."""
Float = NDArray[np.float64]
console = terminal()


def groups_of(grid: deepstrf_hf.NeuralDataset) -> list[NDArray[np.int64]]:
    """Return the neurons that heard the same stimuli, group by group."""
    heard = grid.nrn_masks.numpy()
    groups: dict[bytes, list[int]] = {}
    for neuron in range(heard.shape[1]):
        groups.setdefault(heard[:, neuron].tobytes(), []).append(neuron)
    return [np.array(neurons) for neurons in groups.values() if heard[:, neurons[0]].any()]


def trials_of(grid: deepstrf_hf.NeuralDataset, stimulus: int, neurons: Sequence[int]) -> Float:
    """Return responses (neurons, trials, bins); a trial that a neuron lacks is NaN."""
    responses = [grid.responses[stimulus][neuron].numpy() for neuron in neurons]
    stacked = np.full((len(neurons), max(map(len, responses)), responses[0].shape[1]), np.nan)
    for row, response in zip(stacked, responses, strict=True):
        row[: len(response)] = response
    return stacked


def fit_division(grid: deepstrf_hf.NeuralDataset, splits: deepstrf_hf.Splits, n_lags: int) -> tuple[Float, Float]:
    """Fit on one division.

    Returns
    -------
    scores : ndarray of float64, shape (2, neurons)
        Correlation with the trial mean, and the same corrected for noise; NaN where undefined.
    strfs : ndarray of float64, shape (neurons, bands, lags)
    """
    place = {meta["stim_id"]: number for number, meta in enumerate(grid.stim_meta)}
    scores = np.full((2, grid.N_neurons), np.nan)
    strfs = np.full((grid.N_neurons, grid.F, n_lags), np.nan)
    heard = grid.nrn_masks.numpy()
    for neurons in groups_of(grid):
        chosen = {
            name: [place[stim_id] for stim_id in splits[name] if heard[place[stim_id], neurons[0]]]
            for name in FRACTIONS
        }
        if not all(chosen.values()):
            continue
        sounds = {name: [grid.stims[s][0].numpy() for s in chosen[name]] for name in chosen}
        trials = {name: [trials_of(grid, s, neurons.tolist()) for s in chosen[name]] for name in chosen}
        model = fit_ridge(sounds["train"], [np.nanmean(clip, axis=1) for clip in trials["train"]], n_lags=n_lags)
        found: RidgeScores = evaluate(model, sounds["test"], trials["test"])
        scores[0, neurons], scores[1, neurons] = found.cc_raw, found.cc_norm
        strfs[neurons] = model.weights
    return scores, strfs


def summarize(areas: NDArray[np.str_], scores: Float) -> dict[str, dict[str, float]]:
    """Print and return mean and median correlations per area."""
    table = Table("area", "neurons", "cc raw mean", "median", "cc norm mean", "median", "without ceiling")
    summary = {}
    for area in sorted(set(areas.tolist())):
        raw, norm = scores[:, areas == area]
        finite = norm[np.isfinite(norm)]
        values = [np.nanmean(raw), np.nanmedian(raw), finite.mean(), np.median(finite)]
        table.add_row(area, str(len(raw)), *(f"{value:.3f}" for value in values), str(len(norm) - len(finite)))
        names = ("cc_raw_mean", "cc_raw_median", "cc_norm_mean", "cc_norm_median")
        summary[area] = {name: round(float(value), 4) for name, value in zip(names, values, strict=True)}
    console.print(table)
    return summary


def draw(grid: deepstrf_hf.NeuralDataset, areas: NDArray[np.str_], scores: Float, strfs: Float, path: Path) -> None:
    """Draw the distribution of noise-corrected correlations, and the best receptive fields of each area."""
    names = sorted(set(areas.tolist()))
    figure, axes = plt.subplots(len(names), SHOWN + 1, figsize=(3 * (SHOWN + 1), 2.6 * len(names)), squeeze=False)
    frequencies = grid.band_frequencies_hz
    for row, area in zip(axes, names, strict=True):
        members = np.flatnonzero((areas == area) & np.isfinite(scores[0]))
        norm = scores[1, members]
        row[0].hist(np.clip(norm[np.isfinite(norm)], -0.2, 1.2), bins=np.arange(-0.2, 1.25, 0.1), color="0.4")
        row[0].axvline(np.nanmean(norm), color="tab:red", label=f"mean {np.nanmean(norm):.2f}")
        row[0].set(title=f"{area}, {len(members)} neurons", xlabel="noise-corrected correlation", ylabel="neurons")
        row[0].legend(fontsize=8, frameon=False)
        best = members[np.argsort(-scores[0, members])[:SHOWN]]
        for axis, neuron in zip(row[1:], best, strict=False):
            strf, span = strfs[neuron], np.nanmax(np.abs(strfs[neuron]))
            axis.imshow(
                strf, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-span, vmax=span,
                extent=(0, strf.shape[1] * grid.dt, 0, len(strf)),
            )  # fmt: skip
            axis.set(title=f"{grid.nrn_meta[neuron]['neuron_id']}, r = {scores[0, neuron]:.2f}", xlabel="lag (ms)")
            axis.title.set_fontsize(8)
            if frequencies is not None:
                ticks = np.linspace(0, len(strf) - 1, 4).round().astype(int)
                axis.set_yticks(ticks + 0.5, [f"{frequencies[tick] / 1000:.1f}" for tick in ticks])
                axis.set_ylabel("kHz")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("built", help="directory that `deepstrf-hf build` wrote, or repository")
    parser.add_argument("config", nargs="?", help="configuration; the default one if not given")
    parser.add_argument("--area", default="area", help="neuron column to report by")
    parser.add_argument("--stratify", default="type", help="stimulus column whose values are divided each by itself")
    parser.add_argument("--lags", type=int, default=20, help="lags of a receptive field, bins")
    parser.add_argument("--seeds", type=int, default=5, help="random divisions")
    parser.add_argument("--out", type=Path, default=Path("strf_by_area"), help="directory to write to")
    chosen = parser.parse_args(arguments)
    grid = deepstrf_hf.load(chosen.built, chosen.config)
    console.print(f"{grid}")
    fitted = [
        fit_division(grid, grid.stratified_splits(FRACTIONS, by=chosen.stratify, seed=seed), chosen.lags)
        for seed in range(chosen.seeds)
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)  # neurons that cannot be scored
        scores = np.nanmean([scores for scores, _ in fitted], axis=0)
    areas = np.array([str(entry[chosen.area]) for entry in grid.nrn_meta])
    summary = summarize(areas, scores)
    chosen.out.mkdir(parents=True, exist_ok=True)
    draw(grid, areas, scores, fitted[0][1], chosen.out / "strf_by_area.png")
    neurons = {
        entry["neuron_id"]: {"cc_raw": _or_none(raw), "cc_norm": _or_none(norm)}
        for entry, raw, norm in zip(grid.nrn_meta, *scores, strict=True)
    }
    report = {"summary": summary, "neurons": neurons, "lags": chosen.lags, "dt_ms": grid.dt, "seeds": chosen.seeds}
    (chosen.out / "scores.json").write_text(json.dumps(report, indent=1) + "\n")
    console.print(f"Figure and scores: {chosen.out}")


if __name__ == "__main__":
    main()
