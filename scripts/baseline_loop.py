"""The linear reference of a cohort, neuron by neuron in plain NumPy, beside `deepstrf_hf.baseline`.

    python -m scripts.baseline_loop BUILT [CONFIG] [--window-ms MS] [--seeds N] [--neurons N]

The same model: one equation solved per neuron, fold and penalty; scores by their formulas. Only what costs most is not
done again for each neuron: regressors, and their products, are kept for the next one that heard the same stimuli.
Prints both times and the largest difference between scores. For cohorts without missing samples.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import deepstrf_hf
from deepstrf_hf.baselines.divisions import divisions_of
from deepstrf_hf.baselines.run import declared_baseline
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.repository import Repository
from deepstrf_hf.terminal import terminal

Float = NDArray[np.float64]
SCORES = ("cc_raw", "cc_norm")


def binned(values: Float, per_bin: int) -> Float:
    """Average runs of bins along the last axis."""
    n_bins = values.shape[-1] // per_bin
    return values[..., : n_bins * per_bin].reshape(*values.shape[:-1], n_bins, per_bin).mean(axis=-1)


def lagged(spectrogram: Float, n_lags: int) -> Float:
    """Lay out a spectrogram (bands, bins) and its past, (bins, bands * lags)."""
    n_bands, n_bins = spectrogram.shape
    design = np.zeros((n_bins, n_bands, n_lags))
    for lag in range(min(n_lags, n_bins)):
        design[lag:, :, lag] = spectrogram[:, : n_bins - lag].T
    return design.reshape(n_bins, n_bands * n_lags)


class Products:
    """Regressors of the training clips, and their products over each fold's rest and over all bins."""

    def __init__(self, designs: Sequence[Float], n_folds: int) -> None:
        fold = np.concatenate([np.full(len(d), i % n_folds) for i, d in enumerate(designs)])
        self.all = np.concatenate(designs)
        self.left_out = [fold == number for number in range(n_folds)]
        self.regressors_left_out = [self.all[out] for out in self.left_out]
        self.parts = [*(~out for out in self.left_out), np.ones(len(fold), bool)]
        self.means = [self.all[part].mean(axis=0) for part in self.parts]
        self.covariances = []
        for part, mean in zip(self.parts, self.means, strict=True):
            centred = self.all[part] - mean
            self.covariances.append(centred.T @ centred)

    def solved(self, which: int, response: Float, penalty: float) -> tuple[Float, float]:
        """Return weights and intercept of a fit to a part of the bins."""
        part, mean, covariance = self.parts[which], self.means[which], self.covariances[which]
        level = response[part].mean()
        ridge = penalty * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        weights = np.linalg.solve(covariance + ridge, self.all.T @ np.where(part, response - level, 0))
        return weights, float(level - mean @ weights)


def fit(products: Products, response: Float, penalties: Sequence[float]) -> tuple[Float, float]:
    """Choose the penalty of one neuron by cross-validation, and fit all training bins with it."""
    errors = []
    for penalty in penalties:
        error = 0.0
        for fold, (out, regressors) in enumerate(zip(products.left_out, products.regressors_left_out, strict=True)):
            weights, intercept = products.solved(fold, response, penalty)
            error += float(np.square(response[out] - regressors @ weights - intercept).sum())
        errors.append(error)
    return products.solved(len(products.left_out), response, penalties[int(np.argmin(errors))])


def scores_of(prediction: Float, clips: Sequence[Float]) -> tuple[float, float]:
    """Return cc_raw and cc_norm of one neuron: prediction (bins,), trials (trials, bins) of each clip."""
    psth = np.concatenate([trials.mean(axis=0) for trials in clips])
    if psth.std() == 0 or prediction.std() == 0:
        return np.nan, np.nan
    raw = float(np.corrcoef(prediction, psth)[0, 1])
    edges = np.cumsum([0, *(trials.shape[1] for trials in clips)])
    again = [i for i, trials in enumerate(clips) if len(trials) > 1]
    if not again:
        return raw, np.nan
    n_trials = min(len(clips[i]) for i in again)
    joined = np.concatenate([clips[i][:n_trials] for i in again], axis=1)
    covariance = np.cov(joined)
    signal = (covariance.sum() - np.trace(covariance)) / (n_trials * (n_trials - 1))
    if signal <= 0:
        return raw, np.nan
    predicted = np.concatenate([prediction[edges[i] : edges[i + 1]] for i in again])
    return raw, float(np.cov(predicted, joined.mean(axis=0))[0, 1] / np.sqrt(predicted.var(ddof=1) * signal))


def loop(
    grid: deepstrf_hf.NeuralDataset, declared: LinearBaseline, result: deepstrf_hf.Baseline, seeds: int, n_neurons: int
) -> Float:
    """Fit and score the first neurons one by one; return (scores, neurons), averaged over divisions."""
    settings = result.settings
    divisions, _ = divisions_of(grid, declared, seeds)
    found = np.full((len(divisions), len(SCORES), n_neurons), np.nan)
    heard = grid.nrn_masks.numpy()
    order = sorted(range(grid.get_S()), key=lambda stimulus: grid.stim_meta[stimulus]["stim_id"])
    spectrograms = [
        binned(grid.stims[s][0].numpy().astype(float), settings.stored_per_bin) for s in range(grid.get_S())
    ]
    for number, division in enumerate(divisions):
        chosen = {name: set(division[name]) for name in ("train", "test")}
        clips = {name: [s for s in order if grid.stim_meta[s]["stim_id"] in ids] for name, ids in chosen.items()}
        bins = np.concatenate([spectrograms[s] for s in clips["train"]], axis=1)
        mean, deviation = bins.mean(axis=1)[:, None], bins.std(axis=1)[:, None]
        deviation = np.where(deviation > 1e-12 * (np.abs(mean) + 1), deviation, 1.0)
        designs = [lagged((spectrogram - mean) / deviation, settings.n_lags) for spectrogram in spectrograms]
        by_stimuli = sorted(range(n_neurons), key=lambda neuron: heard[:, neuron].tobytes())
        for _, neurons in itertools.groupby(by_stimuli, key=lambda neuron: heard[:, neuron].tobytes()):
            members = list(neurons)
            train, test = ([s for s in clips[name] if heard[s, members[0]]] for name in ("train", "test"))
            if len(train) < 2 or not test:
                continue
            n_folds = min(settings.n_folds, len(train))
            products = Products([designs[s] for s in train], n_folds)
            tested = np.concatenate([designs[s] for s in test])
            for neuron in members:
                trials = {
                    s: binned(grid.responses[s][neuron].numpy().astype(float), settings.stored_per_bin)
                    for s in (*train, *test)
                }
                response = np.concatenate([trials[s].mean(axis=0) for s in train])
                weights, intercept = fit(products, response, settings.penalties)
                found[number, :, neuron] = scores_of(tested @ weights + intercept, [trials[s] for s in test])
    there = np.isfinite(found)
    return np.where(there, found, 0).sum(axis=0) / np.where(there.any(axis=0), there.sum(axis=0), np.nan)


def main(arguments: Sequence[str] | None = None) -> float:
    """Do both, and return the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("built", help="directory that `deepstrf-hf build` wrote, or repository")
    parser.add_argument("config", nargs="?", help="configuration; the default one if not given")
    parser.add_argument("--window-ms", type=float, help="length of the receptive fields; as declared if not given")
    parser.add_argument("--seeds", type=int, default=5, help="divisions where none is published")
    parser.add_argument("--neurons", type=int, help="neurons of the loop, from the first; all if not given")
    chosen = parser.parse_args(arguments)
    console = terminal()
    before = time.process_time()
    result = deepstrf_hf.baseline(chosen.built, chosen.config, seeds=chosen.seeds, window_ms=chosen.window_ms)
    ours_processor = time.process_time() - before
    grid = result.grid
    repository = Repository.open(chosen.built)
    declared = declared_baseline(repository.provenance(repository.files(result.identity["config"])[:1]))
    n_neurons = min(chosen.neurons or grid.N_neurons, grid.N_neurons)
    start, processor = time.perf_counter(), time.process_time()
    found = loop(grid, declared, result, chosen.seeds, n_neurons)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    ours = np.stack([result.scores[name][:n_neurons] for name in SCORES])
    if (np.isfinite(ours) != np.isfinite(found)).any():
        raise SystemExit("One of the two scores neurons that the other does not.")
    largest = float(np.nanmax(np.abs(ours - found)))
    ours_seconds = sum(result.seconds.values())
    console.print(
        f"deepstrf_hf.baseline: {ours_seconds:.1f} s for {grid.N_neurons} neurons, loading included "
        f"({ours_processor:.1f} s of processor time)"
    )
    console.print(f"loop: {seconds:.1f} s for {n_neurons} neurons ({processor:.1f} s of processor time)")
    console.print(f"largest difference of {' and '.join(SCORES)}: {largest:.2e}")
    return largest


if __name__ == "__main__":
    main()
