import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.responses.spikes import detect_spikes, smoothed_samples_above_threshold

RATE = 10_000.0
SHAPE = np.concatenate([np.hanning(11)[1:-1] * 4, -1.6 * np.hanning(13)[1:-1]])


def attached(times_ms, length=20_000, noise=0.15, amplitude=1.0, seed=0):
    trace = noise * np.random.default_rng(seed).standard_normal(length)
    for time in times_ms:
        at = round(time * RATE / 1000)
        trace[at : at + len(SHAPE)] += amplitude * SHAPE
    return trace


def brute_median(values, size):
    padded = np.pad(values, size, mode="symmetric")
    return np.array([np.sort(padded[i + size - size // 2 :][:size])[size // 2] for i in range(len(values))])


def by_the_definition(trace, threshold_sd):
    fast = trace - brute_median(trace, 100)
    above = fast > threshold_sd * np.sqrt(np.mean((fast - fast.mean()) ** 2))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(210) / 209)
    signal = np.zeros(len(trace))
    for at in np.flatnonzero(above):  # full[j] = window[j - at], output i = full[i + 104]
        for i in range(len(trace)):
            if 0 <= i + 104 - at < 210:
                signal[i] += window[i + 104 - at]
    return signal


@pytest.mark.parametrize("length", [1, 50, 150, 700])
def test_the_published_signal_is_that_of_the_definition(length):
    trace = np.random.default_rng(length).standard_normal(length) ** 3
    found = smoothed_samples_above_threshold(trace, RATE, 1.5)
    np.testing.assert_allclose(found, by_the_definition(trace, 1.5), atol=1e-10)


def test_the_published_signal_of_a_spike_is_a_bump_of_its_samples():
    trace = attached([1000.0], noise=0.0)
    signal = smoothed_samples_above_threshold(trace, RATE)
    fast = trace  # the median over 10 ms of a trace of zeros is 0
    above = int((fast > 2.5 * fast.std()).sum())
    assert 5 <= above <= 10
    assert signal.sum() == pytest.approx(104.5 * above)
    assert 0.9 * above < signal.max() <= above
    assert set(np.flatnonzero(signal)) <= set(range(9880, 10_130))
    assert signal[:9800].max() == 0, "exactly nothing where nothing was above"


def test_noise_alone_gives_the_published_signal_a_rate():
    signal = smoothed_samples_above_threshold(np.random.default_rng(1).standard_normal(50_000), RATE)
    assert signal.mean() == pytest.approx(0.67, abs=0.07)
    assert len(detect_spikes(np.random.default_rng(1).standard_normal(50_000), RATE)) == 0


def test_an_empty_trace():
    assert smoothed_samples_above_threshold(np.empty(0), RATE).shape == (0,)
    assert detect_spikes(np.empty(0), RATE).shape == (0,)


def test_events_are_found_where_they_were_put():
    times = np.cumsum(np.random.default_rng(2).uniform(4, 40, 60))
    found = detect_spikes(attached(times), RATE)
    assert len(found) == len(times)
    assert np.abs(found - times - 0.4).max() <= 0.2, "the peak lies 0.4 ms after the beginning of the spike"


def test_many_spikes_do_not_raise_the_threshold():
    times = np.arange(5.0, 1980, 4.0)
    trace = attached(times, amplitude=0.5)
    assert 5 * trace.std() > 4 * 0.5, "an ordinary standard deviation would lose them"
    assert len(detect_spikes(trace, RATE)) == len(times)


@pytest.mark.parametrize(("refractory_ms", "number"), [(0.5, 2), (2.5, 1)])
def test_the_refractory_time(refractory_ms, number):
    trace = attached([100.0, 102.2], noise=0.01)
    trace += attached([102.2], noise=0.0, amplitude=0.5)
    found = detect_spikes(trace, RATE, refractory_ms=refractory_ms)
    assert len(found) == number
    assert found[-1] == pytest.approx(102.6, abs=0.2), "the higher of two that are too close"


@settings(max_examples=30)
@given(
    numpy_strategies.arrays(np.float64, st.integers(0, 400), elements=st.floats(-5, 5, width=32)),
    st.floats(0.1, 10),
    st.floats(0.2, 5),
)
def test_events_are_apart_and_do_not_depend_on_the_unit(trace, gain, refractory_ms):
    found = detect_spikes(trace, RATE, threshold_sd=2.0, refractory_ms=refractory_ms)
    assert np.all(np.diff(found) >= refractory_ms - 0.1 / 2)
    # Powers of two change no rounding.
    scaled = detect_spikes(trace * 2.0 ** round(gain), RATE, threshold_sd=2.0, refractory_ms=refractory_ms)
    np.testing.assert_array_equal(found, scaled)
    fast = trace - brute_median(trace, 100) if len(trace) else trace
    for time in found:
        at = round(time * RATE / 1000)
        assert fast[at] > 2.0 * np.median(np.abs(fast)) / 0.6745
        assert fast[at] >= max(fast[at - 1], fast[at + 1])
