import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.errors import ParameterError
from deepstrf_hf.responses.binning import EDGE_TOLERANCE_MS, bin_spikes, bin_spikes_one_per_ms

SPIKE_TIMES = numpy_strategies.arrays(
    np.float64, st.integers(0, 60), elements=st.floats(-5, 120, allow_nan=False, width=32)
)


def test_a_spike_falls_into_the_bin_that_holds_it_and_every_spike_counts():
    times = np.array([0.0, 4.999, 5.0, 5.1, 5.1, 14.9])
    binned = bin_spikes(times, np.zeros(6, int), 1, 3, 5.0)
    assert binned.counts.tolist() == [[2, 3, 1]]
    assert (binned.before, binned.after) == (0, 0)


def test_spikes_outside_are_counted_not_binned():
    binned = bin_spikes(np.array([-0.3, -5.0, 14.99, 15.0, 99.0]), np.zeros(5, int), 1, 3, 5.0)
    assert binned.counts.tolist() == [[0, 0, 1]]
    assert (binned.before, binned.after) == (2, 2)


def test_a_trial_without_spikes_is_a_trial():
    binned = bin_spikes(np.array([1.0]), np.array([2]), 4, 2, 5.0)
    assert binned.counts.shape == (4, 2)
    assert binned.counts.sum(axis=1).tolist() == [0, 0, 1, 0]


def test_no_spikes_at_all():
    assert bin_spikes(np.empty(0), np.empty(0, int), 3, 4, 5.0).counts.tolist() == [[0] * 4] * 3


@pytest.mark.parametrize("dt_ms", [0, -1, float("nan")])
def test_a_bin_width_must_be_positive(dt_ms):
    with pytest.raises(ParameterError, match="dt_ms"):
        bin_spikes(np.array([1.0]), np.array([0]), 1, 1, dt_ms)


@settings(deadline=None, derandomize=True)
@given(SPIKE_TIMES, st.sampled_from([0.5, 1.0, 2.5, 5.0, 7.0]), st.integers(1, 30))
def test_no_spike_is_lost_and_order_does_not_matter(times, dt_ms, n_bins):
    trials = np.arange(len(times)) % 3
    binned = bin_spikes(times, trials, 3, n_bins, dt_ms)
    assert binned.counts.sum() + binned.before + binned.after == len(times)
    shuffled = bin_spikes(times[::-1], trials[::-1], 3, n_bins, dt_ms)
    np.testing.assert_array_equal(binned.counts, shuffled.counts)
    expected = np.zeros((3, n_bins), int)
    for time, trial in zip(times, trials, strict=True):
        for position in range(n_bins):
            start, end = position * dt_ms - EDGE_TOLERANCE_MS, (position + 1) * dt_ms - EDGE_TOLERANCE_MS
            expected[trial, position] += start < time <= end
    np.testing.assert_array_equal(binned.counts, expected)


def test_one_per_millisecond_rounds_half_to_even_and_merges():
    # 0.49 -> 0, 0.51 -> 1, 1.5 -> 2, 2.5 -> 2 (merged), 3.5 -> 4, 4.6 -> 5 (next bin), 14.6 -> 15 (outside)
    times = np.array([0.49, 0.51, 1.5, 2.5, 3.5, 4.6, 14.6, -0.3, -0.6])
    binned = bin_spikes_one_per_ms(times, np.zeros(9, int), 1, 3, 5.0)
    # -0.3 rounds to -0.0, the millisecond of 0.49; -0.6 lies before
    assert binned.counts.tolist() == [[4, 1, 0]]
    assert (binned.before, binned.after) == (1, 1)


def test_one_per_millisecond_keeps_trials_apart():
    binned = bin_spikes_one_per_ms(np.array([3.0, 3.0, 3.2]), np.array([0, 1, 1]), 2, 1, 5.0)
    assert binned.counts.tolist() == [[1], [1]]


def test_one_per_millisecond_needs_whole_milliseconds():
    with pytest.raises(ParameterError, match="whole milliseconds"):
        bin_spikes_one_per_ms(np.array([1.0]), np.array([0]), 1, 1, 2.5)


@given(st.integers(0, 5000), st.sampled_from([0.1, 0.2, 0.3, 0.7, 1.0, 1 / 3, 5.0]))
def test_a_time_on_an_edge_falls_into_the_bin_that_begins_there(number, dt_ms):
    times = np.array([number * dt_ms, (number * dt_ms) * 1000 / 1000, sum([dt_ms / 4] * 4) * number])
    assert bin_spikes(times, np.zeros(3, int), 1, number + 1, dt_ms).counts[0].tolist() == [0] * number + [3]


def test_a_time_a_microsecond_before_an_edge_falls_into_the_bin_before():
    assert bin_spikes(np.array([4.999, 5.001]), np.zeros(2, int), 1, 2, 5.0).counts.tolist() == [[1, 1]]
