"""Spikes in cell-attached traces: the published signal, and events with times."""

from __future__ import annotations

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from deepstrf_hf.responses.detrend import running_median

HIGH_PASS_MS = 10.0
"""Window of the running median whose subtraction leaves the spikes, ms."""
SMOOTHING_MS = 21.0
"""Length of the Hann window of the published signal, ms, after Hsu, Borst & Theunissen 2004, Network 15:91,
doi 10.1088/0954-898X_15_2_002; 210 samples of the trace at 10 kHz."""
NORMAL_MEDIAN = 0.6745
"""Median absolute value of a normal variable of unit standard deviation."""


def high_pass(trace: NDArray[np.float64], sample_rate_hz: float) -> NDArray[np.float64]:
    """Subtract the running median over 10 ms, which spikes of a millisecond hardly move.

    Parameters
    ----------
    trace : ndarray of float64, shape (samples,)
        Detrended trace.
    sample_rate_hz : float
        Rate, Hz.

    Returns
    -------
    ndarray of float64, shape (samples,)
        In the unit of the trace.
    """
    return trace - running_median(trace, HIGH_PASS_MS, sample_rate_hz)


def smoothed_samples_above_threshold(
    trace: NDArray[np.float64], sample_rate_hz: float, threshold_sd: float = 2.5
) -> NDArray[np.float64]:
    """Return the published spike signal of a cell-attached trace: samples above threshold, smoothed.

    With h the trace after `high_pass`, each sample where h > threshold_sd * std(h) counts 1, and the result is
    convolved with a symmetric Hann window of 21 ms that is not normalised. Nothing is detected: every sample above
    threshold counts, so that a spike of 1 ms gives a bump of about 10 at 10 kHz, and large spikes raise their own
    threshold.

    Parameters
    ----------
    trace : ndarray of float64, shape (samples,)
        Detrended trace; may be empty.
    sample_rate_hz : float
        Rate, Hz.
    threshold_sd : float
        Threshold in standard deviations of this trace.

    Returns
    -------
    ndarray of float64, shape (samples,)
        In arbitrary units, which depend on the rate.
    """
    if not trace.size:
        return trace.copy()
    fast = high_pass(trace, sample_rate_hz)
    above = (fast > threshold_sd * fast.std()).astype(np.float64)
    window = scipy.signal.windows.hann(max(3, round(SMOOTHING_MS * sample_rate_hz / 1000)))
    delay = (len(window) - 1) // 2
    # Directly, since a Fourier transform would leave rounding noise where no sample is above.
    return np.convolve(above, window)[delay : delay + len(trace)]


def detect_spikes(
    trace: NDArray[np.float64], sample_rate_hz: float, *, threshold_sd: float = 5.0, refractory_ms: float = 1.5
) -> NDArray[np.float64]:
    """Find spikes: local maxima above a robust threshold, no two of them within the refractory time.

    With h the trace after `high_pass`, the threshold is threshold_sd * median(abs(h)) / 0.6745, which spikes hardly
    raise (Quian Quiroga, Nadasdy & Ben-Shaul 2004, Neural Comput 16:1661, doi 10.1162/089976604774201631). Of
    maxima within the refractory time of each other the highest is the spike.

    Parameters
    ----------
    trace : ndarray of float64, shape (samples,)
        Detrended trace; spikes point upwards; may be empty.
    sample_rate_hz : float
        Rate, Hz.
    threshold_sd : float
        Threshold in robust standard deviations.
    refractory_ms : float
        Shortest time between two spikes, ms.

    Returns
    -------
    ndarray of float64, shape (spikes,)
        Times from the first sample, ms, ascending.
    """
    if trace.size < 3:
        return np.empty(0)
    fast = high_pass(trace, sample_rate_hz)
    threshold = threshold_sd * np.median(np.abs(fast)) / NORMAL_MEDIAN
    distance = max(1, int(np.ceil(refractory_ms * sample_rate_hz / 1000 - 1e-9)))
    # A trace of mostly one value has a threshold of 0; a maximum must still lie above it.
    peaks, _ = scipy.signal.find_peaks(fast, height=np.nextafter(threshold, np.inf), distance=distance)
    times: NDArray[np.float64] = peaks * 1000 / sample_rate_hz
    return times
