import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
import scipy.io
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from deepstrf_hf.responses.detrend import gaussian_smooth, medgauss_detrend, running_median
from deepstrf_hf.responses.gates import RepeatGates

TRACES = numpy_strategies.arrays(np.float64, st.integers(1, 80), elements=st.floats(-90, 90, width=32))


def mirrored(values, at):
    """Return a sample of the signal continued as d c b a | a b c d | d c b a."""
    period = at % (2 * len(values))
    return values[period] if period < len(values) else values[2 * len(values) - 1 - period]


def brute_median(values, size):
    return np.array(
        [
            sorted(mirrored(values, i + offset) for offset in range(-(size // 2), size - size // 2))[size // 2]
            for i in range(len(values))
        ]
    )


def brute_gauss(values, sigma):
    reach = int(4 * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    return np.array(
        [sum(w * mirrored(values, i + o) for w, o in zip(weights, offsets, strict=True)) for i in range(len(values))]
    )


@settings(max_examples=60)
@given(TRACES, st.integers(1, 30))
def test_the_median_is_the_upper_of_the_middle_ones_in_a_mirrored_signal(trace, size):
    np.testing.assert_array_equal(running_median(trace, size, 1000.0), brute_median(trace, size))


@settings(max_examples=40)
@given(TRACES, st.floats(0.2, 6))
def test_the_gaussian_is_cut_off_at_four_deviations_and_mirrored(trace, sigma):
    np.testing.assert_allclose(gaussian_smooth(trace, sigma), brute_gauss(trace, sigma), atol=1e-9)


@pytest.mark.parametrize("length", [1, 30, 400, 6000])
def test_the_gaussian_is_scipys(length):
    trace = np.random.default_rng(length).standard_normal(length)
    expected = scipy.ndimage.gaussian_filter1d(trace, 40.0, mode="reflect")
    np.testing.assert_allclose(gaussian_smooth(trace, 40.0), expected, atol=1e-13)


@settings(max_examples=30)
@given(TRACES)
def test_what_is_subtracted_is_the_smoothed_median(trace):
    expected = trace - brute_gauss(brute_median(trace, 10), 2.0)
    found = medgauss_detrend(trace, 1000.0, median_ms=10.0, gauss_ms=2.0)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(TRACES, st.floats(-100, 100))
def test_the_resting_potential_does_not_matter(trace, rest):
    one, other = (medgauss_detrend(values, 1000.0, median_ms=9.0, gauss_ms=1.0) for values in (trace, trace + rest))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_published_windows_in_samples():
    trace = np.random.default_rng(0).standard_normal(3000).cumsum()
    baseline = scipy.ndimage.median_filter(trace, size=400, mode="reflect")
    baseline = scipy.ndimage.gaussian_filter1d(baseline, 40.0, mode="reflect")
    np.testing.assert_allclose(medgauss_detrend(trace, 4000.0), trace - baseline, atol=1e-11)


def test_an_empty_trace_stays_empty_and_no_smoothing_is_possible():
    assert medgauss_detrend(np.empty(0), 4000.0).shape == (0,)
    trace = np.random.default_rng(0).standard_normal(50)
    unsmoothed = medgauss_detrend(trace, 1000.0, median_ms=5.0, gauss_ms=0.0)
    np.testing.assert_array_equal(unsmoothed, trace - brute_median(trace, 5))


@pytest.mark.real
def test_real_potentials_are_detrended_and_pass_the_gates(real_data):
    """20 repeats of one stimulus, 14.5 s at 4 kHz, against running medians and Gaussians written out here."""
    table = scipy.io.loadmat(real_data / "crcns_ac1_derived" / "dat_Application_Data.mat")["data_out"]
    rate = round(1 / float(np.diff(table[:2, 0])[0]))
    assert rate == 4000
    traces = [table[:, column] for column in range(2, table.shape[1])]
    assert len(traces) == 20
    detrended = [medgauss_detrend(trace, rate) for trace in traces]
    trace = traces[0][:4000]
    padded = np.concatenate([trace[:200][::-1], trace, trace[::-1][:199]])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 400)
    baseline = np.sort(windows, axis=1)[:, 200]
    kernel = np.exp(-0.5 * (np.arange(-160, 161) / 40) ** 2)
    smooth = np.convolve(np.pad(baseline, 160, mode="symmetric"), kernel / kernel.sum(), mode="valid")
    # The last 0.1 s of this second would see what follows it.
    np.testing.assert_allclose(detrended[0][:3600], (trace - smooth)[:3600], atol=1e-9)

    verdicts = RepeatGates().judge(detrended, rate)
    stack = np.stack(detrended)
    for number, verdict in enumerate(verdicts):
        others = np.median(np.delete(stack, number, axis=0), axis=0)
        assert verdict.rejected_by is None
        assert verdict.correlation == pytest.approx(np.corrcoef(stack[number], others)[0, 1], abs=1e-9)
        assert verdict.peak_mv == np.abs(stack[number]).max()
        assert verdict.step_fraction <= 0.005
    assert 0.67 <= min(verdict.correlation for verdict in verdicts) <= max(v.correlation for v in verdicts) <= 0.875
    assert 21.5 <= min(verdict.peak_mv for verdict in verdicts) <= max(v.peak_mv for v in verdicts) <= 59.5
