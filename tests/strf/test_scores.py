"""Scores of test clips that units heard once, twice or with gaps, and the ceiling from half-splits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from deepstrf_hf.strf.scores import RidgeScores, mean_and_median, normalised_correlation, score

RNG_BINS = 300


def trials_and_rates(n_repeats: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Trials (3, R, T) of rates (3, T)."""
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.standard_normal((3, RNG_BINS))) * 0.4
    return rng.poisson(rates[:, None], (3, n_repeats, RNG_BINS)).astype(float), rates


def test_ceiling_from_all_half_splits() -> None:
    trials, rates = trials_and_rates(6)
    scores = score([rates], [trials], np.ones(3))
    for unit, repeats in enumerate(trials):
        correlations = []
        for half in itertools.combinations(range(6), 3):
            other = [trial for trial in range(6) if trial not in half]
            correlations.append(np.corrcoef(repeats[list(half)].mean(axis=0), repeats[other].mean(axis=0))[0, 1])
        half_correlation = np.mean(correlations)
        # Hsu, Borst & Theunissen 2004: correlation of the mean of all trials with the mean of infinitely many
        ceiling = np.sqrt(2 / (1 + 1 / half_correlation))
        assert scores.cc_norm_hsu[unit] == pytest.approx(scores.cc_raw[unit] / ceiling, rel=1e-10)
        assert scores.cc_norm_hsu[unit] == pytest.approx(scores.cc_norm[unit], abs=0.03)


def test_clips_heard_once_count_for_the_plain_correlation_alone() -> None:
    trials, rates = trials_and_rates(5)
    once, rates_once = trials_and_rates(1, seed=1)
    scores = score([rates, rates_once], [trials, once], np.ones(3))
    np.testing.assert_allclose(scores.cc_norm, normalised_correlation(rates, trials), rtol=1e-12)
    whole, means = np.concatenate([rates, rates_once], axis=1), np.concatenate([trials.mean(1), once[:, 0]], axis=1)
    expected = [np.corrcoef(whole[unit], means[unit])[0, 1] for unit in range(3)]
    np.testing.assert_allclose(scores.cc_raw, expected, rtol=1e-12)
    assert np.isnan(score([rates_once], [once], np.ones(3)).cc_norm).all()


def test_units_may_have_been_repeated_in_different_clips() -> None:
    trials, rates = trials_and_rates(5)
    others, other_rates = trials_and_rates(4, seed=1)
    mixed = [trials.copy(), others.copy()]
    mixed[0][1, 1:] = np.nan
    scores = score([rates, other_rates], mixed, np.ones(3))
    assert scores.cc_norm[1] == pytest.approx(normalised_correlation(other_rates, others)[1], rel=1e-12)
    together = score([rates, other_rates], [trials, others], np.ones(3))
    np.testing.assert_array_equal(scores.cc_norm[[0, 2]], together.cc_norm[[0, 2]])


def test_a_repeat_with_a_missing_sample_counts_for_the_mean_alone() -> None:
    trials, rates = trials_and_rates(5)
    gaps = trials.copy()
    gaps[0, 2, 10:20] = np.nan
    scores = score([rates], [gaps], np.ones(3))
    assert scores.cc_norm[0] == pytest.approx(normalised_correlation(rates, np.delete(trials, 2, axis=1))[0])
    assert scores.cc_raw[0] == pytest.approx(np.corrcoef(rates[0], np.nanmean(gaps[0], axis=0))[0, 1])


def test_summary_counts_what_is_defined() -> None:
    one = np.array([0.5, np.nan, 0.7])
    scores = RidgeScores(one, one / 2, one, one, np.array([1.0, np.nan, -1.0]), one, one)
    summary = scores.summary()
    assert summary["n_units"] == 3 and summary["n_without_signal"] == 2
    assert summary["cc_raw_mean"] == pytest.approx(0.6) and summary["cc_norm_median"] == pytest.approx(0.3)
    assert [row["cc_norm_hsu"] for row in scores.rows()][::2] == [0.5, 0.7]
    assert np.isnan(list(mean_and_median("none", np.array([np.nan])).values())).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    trials, rates = trials_and_rates(2)
    for predictions, clips in (([], []), ([rates], [trials, trials]), ([rates], [trials[0]])):
        with pytest.raises(ValueError, match="need"):
            score(predictions, clips, np.ones(3))
    with pytest.raises(ValueError, match=r"\(N, T\)"):
        score([rates[:, 1:]], [trials], np.ones(3))
    with pytest.raises(ValueError, match=r"\(N, R, T\)"):
        normalised_correlation(rates, trials[0])
