"""Ridge receptive fields: known fields come back, the shared algebra equals a loop, scores equal their formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deepstrf_hf.strf.ridge import RidgeStrf, fit_ridge, lagged_design, predict
from deepstrf_hf.strf.scores import (
    correlation,
    evaluate,
    maximum_correlation,
    normalised_correlation,
    signal_noise_power,
)

Float = NDArray[np.float64]
N_UNITS, N_BANDS, N_LAGS = 4, 6, 5


def simulate(
    seed: int, *, noise: float = 0.0, n_clips: int = 6, n_bins: int = 220
) -> tuple[list[Float], list[Float], Float]:
    """Correlated spectrograms (F, T), linear responses (N, T) to them, and the weights per z-score (N, F, n_lags)."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(N_BANDS) + 0.5 * np.eye(N_BANDS, k=1)
    clips = [mixing @ rng.standard_normal((N_BANDS, n_bins)) * 12 - 40 for _ in range(n_clips)]
    weights = rng.standard_normal((N_UNITS, N_BANDS, N_LAGS))
    bins = np.concatenate(clips, axis=1)
    mean, deviation = bins.mean(axis=1, keepdims=True), bins.std(axis=1, keepdims=True)
    responses = []
    for clip in clips:
        z = (clip - mean) / deviation
        linear = np.zeros((N_UNITS, n_bins))
        for lag in range(N_LAGS):
            linear[:, lag:] += weights[:, :, lag] @ z[:, : n_bins - lag]
        responses.append(linear + 3.0 + noise * rng.standard_normal(linear.shape))
    return clips, responses, weights


def direct_ridge(design: Float, response: Float, penalty: float) -> tuple[Float, float]:
    """Ridge with an unpenalised intercept for one unit, from the normal equations of the design with a column of 1."""
    centred = design - design.mean(axis=0)
    scale = penalty * np.trace(centred.T @ centred) / design.shape[1]
    augmented = np.column_stack([design, np.ones(len(design))])
    normal = augmented.T @ augmented + scale * np.diag([1.0] * design.shape[1] + [0.0])
    solution = np.linalg.solve(normal, augmented.T @ response)
    return solution[:-1], float(solution[-1])


def test_lagged_design_is_causal_and_zero_before_onset() -> None:
    spectrogram = np.arange(1.0, 9.0).reshape(2, 4)
    design = lagged_design(spectrogram, 3)
    assert design.shape == (4, 6) and design.dtype == np.float64
    np.testing.assert_array_equal(design[0], [1, 0, 0, 5, 0, 0])
    np.testing.assert_array_equal(design[3], [4, 3, 2, 8, 7, 6])
    assert lagged_design(spectrogram, 10).shape == (4, 20)
    for bad, n_lags in ((spectrogram[0], 3), (spectrogram, 0)):
        with pytest.raises(ValueError, match="n_lags"):
            lagged_design(bad, n_lags)


def test_recovers_known_receptive_fields() -> None:
    clips, responses, weights = simulate(0, noise=0.5)
    model = fit_ridge(clips, responses, N_LAGS, penalties=(1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0))
    np.testing.assert_allclose(model.weights, weights, atol=0.15)
    np.testing.assert_allclose(model.intercept, 3.0, atol=0.1)
    assert (model.penalty <= 1e-2).all() and model.n_lags == N_LAGS
    without_noise = simulate(0)
    exact = fit_ridge(*without_noise[:2], N_LAGS, penalties=(1e-9,))
    np.testing.assert_allclose(exact.weights, weights, atol=1e-6)
    np.testing.assert_allclose(predict(exact, clips[0]), without_noise[1][0], atol=1e-5)


def test_equals_a_loop_over_units() -> None:
    clips, responses, _ = simulate(1, noise=6.0, n_clips=7, n_bins=60)
    penalties, n_folds = (0.01, 0.1, 1.0, 10.0), 3
    model = fit_ridge(clips, responses, N_LAGS, penalties, n_folds)
    bins = np.concatenate(clips, axis=1)
    mean, deviation = bins.mean(axis=1, keepdims=True), bins.std(axis=1, keepdims=True)
    designs = [lagged_design((clip - mean) / deviation, N_LAGS) for clip in clips]
    for unit in range(N_UNITS):
        error = dict.fromkeys(penalties, 0.0)
        for fold in range(n_folds):
            inside = [i for i in range(len(clips)) if i % n_folds != fold]
            for penalty in penalties:
                weights, intercept = direct_ridge(
                    np.concatenate([designs[i] for i in inside]),
                    np.concatenate([responses[i][unit] for i in inside]),
                    penalty,
                )
                for i in set(range(len(clips))) - set(inside):
                    error[penalty] += float(np.sum((responses[i][unit] - designs[i] @ weights - intercept) ** 2))
        best = min(error, key=lambda penalty: error[penalty])
        weights, intercept = direct_ridge(
            np.concatenate(designs), np.concatenate([response[unit] for response in responses]), best
        )
        assert model.penalty[unit] == best
        np.testing.assert_allclose(model.weights[unit].ravel(), weights, rtol=1e-8, atol=1e-10)
        assert model.intercept[unit] == pytest.approx(intercept, rel=1e-9)
        np.testing.assert_allclose(predict(model, clips[2])[unit], designs[2] @ weights + intercept, rtol=1e-8)


def test_clips_may_differ_in_length_and_units_do_not_touch() -> None:
    clips, responses, _ = simulate(2, noise=1.0)
    clips = [clip[:, : 100 + 20 * i] for i, clip in enumerate(clips)]
    responses = [response[:, : 100 + 20 * i] for i, response in enumerate(responses)]
    together = fit_ridge(clips, responses, N_LAGS)
    alone = fit_ridge(clips, [response[2:3] for response in responses], N_LAGS)
    np.testing.assert_allclose(together.weights[2:3], alone.weights, rtol=1e-7, atol=1e-10)
    assert together.penalty[2] == alone.penalty[0]


def test_silent_units_and_constant_bands() -> None:
    clips, responses, _ = simulate(3, noise=1.0)
    for clip, response in zip(clips, responses, strict=True):
        clip[2] = -70.0
        response[1] = 0.0
    model = fit_ridge(clips[:4], responses[:4], N_LAGS, penalties=(0.1, 1.0))
    assert np.isfinite(model.weights).all()
    assert not model.weights[1].any() and model.penalty[1] == 1.0
    np.testing.assert_allclose(model.weights[:, 2], 0.0, atol=1e-12)
    trials = [np.repeat(response[:, None], 3, axis=1) for response in responses[4:]]
    scores = evaluate(model, clips[4:], trials)
    assert np.isnan([scores.cc_raw[1], scores.cc_norm[1], scores.cc_max[1]]).all()
    assert scores.n_without_signal == 1 and (scores.cc_raw[[0, 2, 3]] > 0.8).all()
    summary = scores.summary()
    assert summary["n_units"] == 4 and summary["cc_raw_mean"] == pytest.approx(np.nanmean(scores.cc_raw))
    assert summary["cc_norm_median"] == pytest.approx(np.nanmedian(scores.cc_norm))
    assert [row["penalty"] for row in scores.rows()] == model.penalty.tolist()


def poisson_trials(seed: int, n_repeats: int = 8) -> tuple[Float, Float]:
    """Trials (5, R, 300) of rates (5, 300)."""
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.standard_normal((5, 300))) * 0.4
    return rng.poisson(rates[:, None], (5, n_repeats, 300)).astype(np.float64), rates


def test_scores_equal_their_formulas() -> None:
    trials, rates = poisson_trials(0)
    signal, noise = signal_noise_power(trials)
    corrected, ceiling = normalised_correlation(rates, trials), maximum_correlation(trials)
    for unit, repeats in enumerate(trials):
        n = len(repeats)
        # Sahani & Linden 2003: power of the mean, mean power
        mean_power = np.mean([r.var(ddof=1) for r in repeats])
        average = sum(repeats) / n
        power_of_mean = average.var(ddof=1)
        assert signal[unit] == pytest.approx((n * power_of_mean - mean_power) / (n - 1), rel=1e-12)
        assert noise[unit] == pytest.approx(mean_power - signal[unit], rel=1e-12)
        # the signal power is the mean covariance of two different repeats
        pairs = [np.cov(repeats[i], repeats[j])[0, 1] for i in range(n) for j in range(n) if i != j]
        assert signal[unit] == pytest.approx(np.mean(pairs), rel=1e-10)
        # Schoppe et al. 2016: CCnorm = CCabs / CCmax
        assert ceiling[unit] == pytest.approx(np.sqrt(np.mean(pairs) / power_of_mean), rel=1e-10)
        absolute = np.corrcoef(rates[unit], average)[0, 1]
        assert correlation(rates, trials.mean(axis=1))[unit] == pytest.approx(absolute, rel=1e-12)
        assert corrected[unit] == pytest.approx(absolute / ceiling[unit], rel=1e-10)


def test_absent_repeats_are_left_out_unit_by_unit() -> None:
    trials, rates = poisson_trials(1)
    ragged = trials.copy()
    ragged[2, 5] = np.nan
    ragged[3, 1:] = np.nan
    signal, noise = signal_noise_power(ragged)
    expected = signal_noise_power(np.delete(trials, 5, axis=1))
    assert (signal[2], noise[2]) == (expected[0][2], pytest.approx(expected[1][2]))
    assert np.isnan([signal[3], noise[3]]).all()
    np.testing.assert_array_equal(signal[:2], signal_noise_power(trials)[0][:2])
    kept = normalised_correlation(rates, np.delete(trials, 5, axis=1))[2]
    assert normalised_correlation(rates, ragged)[2] == pytest.approx(kept, rel=1e-12)


def test_evaluate_joins_clips_with_different_repeats() -> None:
    clips, responses, _ = simulate(4, noise=0.5)
    model = fit_ridge(clips[:4], responses[:4], N_LAGS)
    rng = np.random.default_rng(0)
    trials = [response[:, None] + rng.standard_normal((N_UNITS, r, 220)) for response, r in
              zip(responses[4:], (5, 4), strict=True)]  # fmt: skip
    scores = evaluate(model, clips[4:], trials)
    prediction = np.concatenate([predict(model, clip) for clip in clips[4:]], axis=1)
    common = np.concatenate([trials[0][:, :4], trials[1]], axis=2)
    np.testing.assert_allclose(scores.cc_norm, normalised_correlation(prediction, common), rtol=1e-12)
    np.testing.assert_allclose(scores.signal_power, signal_noise_power(common)[0], rtol=1e-12)
    psth = np.concatenate([t.mean(axis=1) for t in trials], axis=1)
    np.testing.assert_allclose(scores.cc_raw, correlation(prediction, psth), rtol=1e-12)
    trials[0][1, :, 7] = np.nan
    with pytest.raises(ValueError, match="no response"):
        evaluate(model, clips[4:], trials)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    gain=st.floats(1e-3, 1e3),
    shift=st.floats(-1e3, 1e3),
    negative=st.booleans(),
)
def test_correlations_ignore_gain_and_shift(seed: int, gain: float, shift: float, negative: bool) -> None:
    trials, rates = poisson_trials(seed % 50)
    noisy = rates + np.random.default_rng(seed).standard_normal(rates.shape)
    sign = -1 if negative else 1
    psth = trials.mean(axis=1)
    base = correlation(noisy, psth)
    assert (np.abs(base) <= 1 + 1e-12).all()
    np.testing.assert_allclose(correlation(sign * gain * noisy + shift, psth), sign * base, atol=1e-7)
    np.testing.assert_allclose(correlation(psth, sign * gain * noisy + shift), sign * base, atol=1e-7)
    np.testing.assert_allclose(
        normalised_correlation(sign * gain * noisy + shift, trials), sign * normalised_correlation(noisy, trials),
        atol=1e-6,
    )  # fmt: skip
    np.testing.assert_allclose(normalised_correlation(noisy, gain * trials + shift),
                               normalised_correlation(noisy, trials), atol=1e-6)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_true_rate_scores_one_with_many_trials(seed: int) -> None:
    trials, rates = poisson_trials(seed, n_repeats=150)
    np.testing.assert_allclose(normalised_correlation(rates, trials), 1.0, atol=0.05)
    few, rates = poisson_trials(seed, n_repeats=4)
    assert (correlation(rates, few.mean(axis=1)) < 0.99).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), silent=st.sets(st.integers(0, 4)))
def test_silent_units_are_nan_and_leave_the_others_alone(seed: int, silent: set[int]) -> None:
    trials, rates = poisson_trials(seed)
    quiet = trials.copy()
    quiet[list(silent)] = 0.0
    signal, _ = signal_noise_power(quiet)
    for score in (correlation(rates, quiet.mean(axis=1)), normalised_correlation(rates, quiet),
                  maximum_correlation(quiet)):  # fmt: skip
        assert all(np.isnan(score[unit]) for unit in silent)
    assert all(signal[unit] == 0 for unit in silent)
    others = sorted(set(range(5)) - silent)
    np.testing.assert_array_equal(normalised_correlation(rates, quiet)[others],
                                  normalised_correlation(rates, trials)[others])  # fmt: skip
    constant = np.ones_like(rates) * 0.1
    assert np.isnan(correlation(constant, trials.mean(axis=1))).all()
    assert np.isnan(normalised_correlation(constant, trials)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_responses": []}, "as many"),
        ({"penalties": (0.0, 1.0)}, "positive"),
        ({"penalties": ()}, "positive"),
        ({"n_folds": 1}, "n_folds"),
        ({"n_folds": 7}, "n_folds"),
        ({"n_lags": 0}, "n_lags"),
    ],
)
def test_impossible_fits_are_refused(change: dict[str, Any], message: str) -> None:
    clips, responses, _ = simulate(5)
    with pytest.raises(ValueError, match=message):
        fit_ridge(**{"train_spectrograms": clips, "train_responses": responses, "n_lags": N_LAGS, **change})


def test_mismatched_or_missing_data_are_refused() -> None:
    clips, responses, _ = simulate(6)
    broken: list[tuple[int, list[Float], list[Float]]] = [
        (1, clips, [responses[0], responses[1][:, :-1], *responses[2:]]),
        (1, [clips[0], clips[1][:-1], *clips[2:]], responses),
        (0, [np.where(clips[0] > clips[0].max() - 1, np.nan, clips[0]), *clips[1:]], responses),
    ]
    for index, spectrograms, psths in broken:
        with pytest.raises(ValueError, match=f"clip {index}"):
            fit_ridge(spectrograms, psths, N_LAGS)
    model = RidgeStrf(np.zeros((1, 3, 2)), np.zeros(1), np.ones(1), np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="3 bands"):
        predict(model, clips[0])
    with pytest.raises(ValueError, match=r"\(N, T\)"):
        correlation(clips[0], clips[0][:, 1:])


@pytest.mark.parametrize(("n_strfs", "n_repeats"), [(6, 20), (2, 1), (9, 5)])
def test_figure_is_written_at_its_size(tmp_path: Path, n_strfs: int, n_repeats: int) -> None:
    pytest.importorskip("matplotlib")
    from deepstrf_hf.strf.figure import draw_strf_figure

    rng = np.random.default_rng(0)
    options: dict[str, Any] = {
        "spectrogram": rng.standard_normal((8, 100)),
        "frequencies_hz": np.geomspace(500, 20_000, 8),
        "dt_ms": 5.0,
        "trials": rng.poisson(0.2, (n_repeats, 100)),
        "prediction": rng.random(100),
        "strfs": [(f"unit {i}", rng.standard_normal((8, 12)) * (i != 1), 0.5 if i else np.nan) for i in range(n_strfs)],
        "cc_raw": np.array([0.3, -0.8, np.nan]),
        "cc_norm": np.array([0.4, np.nan, np.nan]),
    }
    path = draw_strf_figure(tmp_path / "new" / "figure.png", **options)
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(head[i : i + 4], "big") for i in (16, 20)] == [1400, 900]
    again = draw_strf_figure(tmp_path / "again.png", **options)
    assert again.read_bytes() == path.read_bytes()
    potentials = {"trials": rng.normal(size=(1, 100)) * 1e-5, "response_label": "V", "frequencies_hz": None}
    other = draw_strf_figure(tmp_path / "potentials.png", **{**options, **potentials})
    assert other.read_bytes() != path.read_bytes()
    ticks = draw_strf_figure(tmp_path / "ticks.png", **{**options, **potentials, "spikes": np.ones((1, 100))})
    assert ticks.read_bytes() != other.read_bytes()
    changes: list[dict[str, Any]] = [{"prediction": np.zeros(99)}, {"frequencies_hz": np.linspace(-1, 1, 8)},
                                     {"strfs": []}, {"cc_norm": np.zeros(2)}, {"trials": np.zeros(100)}]  # fmt: skip
    for change in changes:
        with pytest.raises(ValueError, match="trials|frequencies_hz|strfs|cc_norm"):
            draw_strf_figure(tmp_path / "bad.png", **{**options, **change})
