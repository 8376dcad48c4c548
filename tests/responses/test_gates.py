import math

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.responses.gates import RepeatGates, correlations_with_others, step_fraction

RATE = 4000.0


def repeats(number=4, length=2000, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    common = scipy.ndimage.gaussian_filter1d(rng.standard_normal(length), 20) * 40
    return [common + noise * rng.standard_normal(length) for _ in range(number)]


def reasons(traces, **thresholds):
    return [verdict.rejected_by for verdict in RepeatGates(**thresholds).judge(traces, RATE)]


def test_good_repeats_pass():
    assert reasons(repeats()) == [None] * 4


def test_each_gate_rejects_what_it_is_for_and_the_first_is_named():
    traces = repeats(6)
    traces[1][500:508] += 300  # 2 ms of saturation: too short for a step
    traces[2][600:900] += 85
    traces[3] = -traces[3]
    traces[4] = -traces[4]
    traces[4][0] = -151
    assert reasons(traces) == [None, "range", "step", "cross_trial", "range", None]


def test_a_gate_can_be_off():
    traces = repeats(4)
    traces[1][500:508] += 300
    traces[2][600:900] += 85
    traces[3] = -traces[3]
    assert reasons(traces, range_mv=None) == [None, None, "step", "cross_trial"]
    assert reasons(traces, step_mv=None) == [None, "range", None, "cross_trial"]
    assert reasons(traces, cross_trial_r=None) == [None, "range", "step", None]
    nothing = RepeatGates(range_mv=None, step_mv=None, cross_trial_r=None).judge(traces, RATE)
    assert [verdict.rejected_by for verdict in nothing] == [None] * 4
    assert all(math.isnan(verdict.correlation) for verdict in nothing)


def test_exactly_at_the_threshold_passes():
    trace = np.zeros(100)
    trace[3] = -150.0
    assert reasons([trace], step_mv=None) == [None]
    trace[3] = np.nextafter(-150, -200)
    assert reasons([trace], step_mv=None) == ["range"]


def test_an_empty_repeat_is_out_of_range_and_others_are_not_compared():
    traces = [*repeats(2), -repeats(1)[0], np.empty(0)]
    for gates in (RepeatGates(), RepeatGates(range_mv=None)):
        verdicts = gates.judge(traces, RATE)
        assert [verdict.rejected_by for verdict in verdicts] == [None, None, None, "range"]
        assert all(math.isnan(verdict.correlation) for verdict in verdicts)


def test_two_repeats_are_not_compared():
    first = repeats(1)[0]
    assert reasons([first, -first]) == [None, None]
    assert reasons([first, first, first, -first]) == [None, None, None, "cross_trial"]


def test_rejected_repeats_count_among_the_others():
    first = repeats(1)[0]
    spoiled = -first
    spoiled[10] = 400
    # With the spoiled ones the median of the others of the first is the inverse of it.
    assert reasons([first, spoiled, spoiled.copy()]) == ["cross_trial", "range", "range"]


@pytest.mark.parametrize("length", [0, 1, 2])
def test_less_than_three_samples_have_no_steps(length):
    assert math.isnan(step_fraction(np.full(length, 100.0), RATE, 5.0, 30.0))


def test_the_fraction_beyond_a_step():
    trace = np.zeros(1000)
    trace[100:200] = 31
    assert step_fraction(trace, RATE, 5.0, 30.0) == pytest.approx(0.1, abs=0.002)
    assert step_fraction(trace, RATE, 5.0, 31.0) == 0
    short = np.array([0.0, 0, 0, 0, 90])  # shorter than the window: taken as it is
    assert step_fraction(short, RATE, 5.0, 30.0) == 0.2


@settings(max_examples=40)
@given(st.integers(3, 9), st.integers(2, 40), st.integers(0, 10**6), st.booleans())
def test_correlations_are_with_the_median_of_the_others(number, length, seed, ties):
    rng = np.random.default_rng(seed)
    traces = [rng.standard_normal(length + int(rng.integers(0, 5))) for _ in range(number)]
    if ties:
        traces = [np.round(trace) for trace in traces]
    shortest = min(len(trace) for trace in traces)
    stack = np.stack([trace[:shortest] for trace in traces])
    for index, found in enumerate(correlations_with_others(traces)):
        a = stack[index] - stack[index].mean()
        b = np.median(np.delete(stack, index, axis=0), axis=0)
        b = b - b.mean()
        expected = np.sum(a * b) / (np.sqrt(np.sum(a**2) * np.sum(b**2)) + 1e-12)
        assert found == pytest.approx(expected, abs=1e-9)


def test_a_flat_repeat_correlates_with_nothing():
    traces = [*repeats(3), np.zeros(2000)]
    assert correlations_with_others(traces)[3] == 0
    assert reasons(traces)[3] == "cross_trial"


@settings(max_examples=20)
@given(st.permutations(range(5)))
def test_the_order_of_repeats_does_not_matter(order):
    traces = repeats(5)
    traces[2] = -traces[2]
    traces[4][7] = 999
    straight = reasons(traces)
    assert reasons([traces[index] for index in order]) == [straight[index] for index in order]
