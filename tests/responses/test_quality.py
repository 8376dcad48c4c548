import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.responses.quality import ResponseQuality, qualities_of_counts


def powers_by_definition(response):
    """Sahani & Linden 2003, eq. 1, written out."""
    trials = len(response)
    power = lambda row: np.mean((row - row.mean()) ** 2) * len(row) / (len(row) - 1)  # noqa: E731
    single = np.mean([power(row) for row in response])
    mean = power(response.mean(axis=0))
    signal = (trials * mean - single) / (trials - 1)
    return signal, single - signal, mean


def quality_of(*responses):
    quality = ResponseQuality()
    for response in responses:
        quality.add(response)
    return quality.columns()


def test_powers_of_one_stimulus_equal_their_definition(rng=np.random.default_rng(0)):  # noqa: B008
    response = rng.poisson(2, (5, 40)).astype(np.uint8)
    signal, noise, mean = powers_by_definition(response.astype(float))
    columns = quality_of(response)
    assert columns["signal_power"] == pytest.approx(signal)
    assert columns["noise_power"] == pytest.approx(noise)
    assert columns["snr"] == pytest.approx(signal / noise)
    if signal > 0:
        assert columns["ccmax"] == pytest.approx(np.sqrt(signal / mean))


def test_stimuli_are_weighted_by_their_bins():
    rng = np.random.default_rng(1)
    short, long = rng.normal(size=(4, 10)), rng.normal(size=(3, 30)) + np.sin(np.arange(30))
    signals = [powers_by_definition(response)[0] for response in (short, long)]
    assert quality_of(short, long)["signal_power"] == pytest.approx((10 * signals[0] + 30 * signals[1]) / 40)


def test_identical_trials_have_no_noise():
    response = np.tile(np.arange(10, dtype=np.uint8), (3, 1))
    columns = quality_of(response)
    assert columns["noise_power"] == pytest.approx(0)
    assert columns["ccmax"] == pytest.approx(1)


def test_a_single_trial_has_coverage_but_no_powers():
    columns = quality_of(np.array([[0, 2, 1]], np.uint8))
    assert columns["n_stimuli"] == 1
    assert columns["n_trials"] == 1
    assert columns["mean_response"] == 1
    assert [columns[name] for name in ("signal_power", "noise_power", "snr", "ccmax")] == [None] * 4


def test_a_silent_neuron_has_powers_but_no_ratios():
    columns = quality_of(np.zeros((4, 20), np.uint8))
    assert columns["signal_power"] == 0
    assert columns["snr"] is None
    assert columns["ccmax"] is None


def test_missing_samples_are_left_out():
    rng = np.random.default_rng(2)
    response = rng.normal(size=(3, 20)).astype(np.float32)
    with_gap = response.copy()
    with_gap[1, 15:] = np.nan
    columns = quality_of(with_gap)
    signal, _, _ = powers_by_definition(response[:, :15].astype(float))
    assert columns["signal_power"] == pytest.approx(signal, rel=1e-5)
    assert columns["mean_response"] == pytest.approx(np.nanmean(with_gap), rel=1e-5)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 12)), min_size=1, max_size=6), st.integers(0, 5))
def test_parts_add_up_to_the_whole(shapes, cut):
    rng = np.random.default_rng(len(shapes))
    responses = [rng.poisson(1.5, shape).astype(np.uint8) for shape in shapes]
    whole, first, second = ResponseQuality(), ResponseQuality(), ResponseQuality()
    for index, response in enumerate(responses):
        whole.add(response)
        (first if index < cut else second).add(response)
    first.merge(second)
    for name, value in whole.columns().items():
        assert first.columns()[name] == pytest.approx(value)


@pytest.mark.parametrize(("trials", "bins"), [(1, 9), (4, 9), (4, 1), (1, 1)])
def test_many_responses_at_once(trials, bins):
    counts = np.random.default_rng(2).poisson(3, (7, trials, bins)).astype(np.uint8)
    for response, found in zip(counts, qualities_of_counts(counts), strict=True):
        alone = ResponseQuality()
        alone.add(response)
        assert vars(found) == pytest.approx(vars(alone), rel=1e-12)
        assert {type(value) for value in vars(found).values()} <= {int, float}
