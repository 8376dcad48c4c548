"""Receptive fields of a whole cohort: simulated neurons are predicted, area by area, whoever heard what."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import deepstrf_hf
from deepstrf_hf import NeuralDataset
from scripts import strf_by_area

pytest.importorskip("matplotlib")
N_BANDS, N_BINS, N_LAGS, N_STIMULI = 3, 200, 4, 10


def simulated() -> NeuralDataset:
    """Return neurons 0 and 1 (linear, heard all), 2 (linear, heard the first eight), 3 (noise), 4 (heard nothing)."""
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(3, N_BANDS, N_LAGS))
    stimuli, responses = [], []
    for number in range(N_STIMULI):
        sound = rng.normal(size=(N_BANDS, N_BINS)).astype(np.float32)
        drive = [sum(np.convolve(sound[band], field[band])[:N_BINS] for band in range(N_BANDS)) for field in (*fields,)]
        row: list[np.ndarray | None] = [
            one + 0.3 * rng.normal(size=(4 + neuron, N_BINS)) for neuron, one in enumerate(drive)
        ]
        if number >= 8:
            row[2] = None
        stimuli.append(sound)
        responses.append([*row, rng.normal(size=(4, N_BINS)), None])
    return NeuralDataset.from_arrays(
        stimuli,
        responses,
        [{"stim_id": f"s{number}", "type": "ab"[number % 2]} for number in range(N_STIMULI)],
        [{"neuron_id": f"n{number}", "area": area} for number, area in enumerate(["A1", "A1", "MGB", "MGB", "MGB"])],
        dt_ms=5,
    )


def test_neurons_that_heard_the_same_are_fitted_together() -> None:
    groups = [neurons.tolist() for neurons in strf_by_area.groups_of(simulated())]
    assert sorted(groups) == [[0, 1, 3], [2]]


def test_trials_that_a_neuron_lacks_are_nan() -> None:
    grid = simulated()
    trials = strf_by_area.trials_of(grid, 0, [0, 2])
    assert trials.shape == (2, 6, N_BINS) and np.isnan(trials[0, 4:]).all() and np.isfinite(trials[0, :4]).all()
    np.testing.assert_array_equal(trials[1], grid.responses[0][2].numpy())


def test_linear_neurons_are_predicted_and_noise_is_not() -> None:
    grid = simulated()
    scores, strfs = strf_by_area.fit_division(
        grid, grid.stratified_splits(strf_by_area.FRACTIONS, by="type", seed=1), N_LAGS
    )
    assert (scores[:, :3] > 0.95).all() and abs(scores[0, 3]) < 0.3 and np.isnan(scores[:, 4]).all()
    assert np.isfinite(strfs[:4]).all() and np.isnan(strfs[4]).all()


def test_summary_figure_and_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deepstrf_hf, "load", lambda built, config: simulated())
    strf_by_area.main(["somewhere", "--lags", str(N_LAGS), "--seeds", "2", "--out", str(tmp_path / "out")])
    written = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert set(written["summary"]) == {"A1", "MGB"} and written["summary"]["A1"]["cc_raw_mean"] > 0.95
    assert written["neurons"]["n4"] == {"cc_raw": None, "cc_norm": None}
    assert (tmp_path / "out" / "strf_by_area.png").stat().st_size > 10_000
