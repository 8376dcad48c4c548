import numpy as np
import pytest

from deepstrf_hf.responses.quality import ResponseQuality, powers, trial_covariance


def responses(pairs=6, trials=4, bins=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(pairs, trials, bins)) + rng.normal(size=(pairs, 1, bins)) - 60


def test_covariance_of_complete_trials():
    values = responses()
    covariance, bins = trial_covariance(values)
    np.testing.assert_allclose(covariance, [np.cov(pair) for pair in values], rtol=1e-10)
    assert bins.tolist() == [30] * 6


def test_counts_are_not_changed_in_place():
    counts = np.random.default_rng(0).poisson(2, (2, 3, 10)).astype(np.uint8)
    before = counts.copy()
    covariance, _ = trial_covariance(counts)
    np.testing.assert_array_equal(counts, before)
    np.testing.assert_allclose(covariance, [np.cov(pair) for pair in counts], rtol=1e-10)


def test_bins_where_a_trial_lacks_a_sample_are_left_out():
    values = responses()
    values[1, 2, 5:9] = np.nan
    values[1, 0, 8:11] = np.nan
    values[4, :, 0] = np.nan
    values[5, 0, 1:] = np.nan
    covariance, bins = trial_covariance(values)
    assert bins.tolist() == [30, 24, 30, 30, 29, 1]
    for pair, found in zip(values[:5], covariance[:5], strict=True):
        np.testing.assert_allclose(found, np.cov(pair[:, np.isfinite(pair).all(axis=0)]), rtol=1e-9)
    assert np.isnan(covariance[5]).all()


def test_constant_trials_have_no_variance_but_for_nothing():
    values = responses(pairs=2)
    values[0, 1] = 0.1  # not a float64: the mean of thirty of them differs from it
    values[1] = np.float32(-65.3)
    covariance, _ = trial_covariance(values)
    assert (covariance[0, 1] == 0).all()
    assert (covariance[0, :, 1] == 0).all()
    assert (np.diag(covariance[0])[[0, 2, 3]] > 0.1).all()
    assert (covariance[1] == 0).all()


def test_one_bit_of_variance_on_a_large_mean_is_seen():
    values = np.full((1, 2, 50), 70_000, np.float32)
    values[0, :, 7] = np.nextafter(np.float32(70_000), np.float32(np.inf))
    covariance, _ = trial_covariance(values)
    step = float(values[0, 0, 7]) - 70_000
    np.testing.assert_allclose(covariance[0], step**2 * (1 / 50 - 1 / 2500) * 50 / 49, rtol=1e-5)


@pytest.mark.parametrize("trials", [2, 3, 9])
def test_powers_equal_those_that_builds_report(trials):
    values = responses(trials=trials)
    values[2, 1, 20:] = np.nan
    covariance, bins = trial_covariance(values)
    found = powers(covariance)
    for index, pair in enumerate(values):
        quality = ResponseQuality()
        quality.add(pair)
        columns = quality.columns()
        assert found.signal[index] == pytest.approx(columns["signal_power"])
        assert found.noise[index] == pytest.approx(columns["noise_power"])
        assert found.of_mean[index] == pytest.approx(quality.mean_power_sum / bins[index])
