"""Removal of slow drift from membrane potentials: a median baseline, smoothed, is subtracted.

Published for CRCNS AC1 (doi 10.6080/K0KW5CXR) with deepSTRF 0.1.0: a median filter of 100 ms, then a Gaussian of 10 ms.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import scipy.signal
from numpy.typing import NDArray

GAUSSIAN_EXTENT = 4.0
"""Standard deviations at which the Gaussian is cut off."""


def running_median(values: NDArray[np.float64], window_ms: float, sample_rate_hz: float) -> NDArray[np.float64]:
    """Filter with a running median; at the ends the signal is mirrored, its last sample repeated.

    Parameters
    ----------
    values : ndarray of float64, shape (samples,)
        Signal.
    window_ms : float
        Length of the window, ms, rounded to k >= 1 samples. An even window reaches from k/2 samples before to k/2 - 1
        after, and its value is the upper of the two middle ones.
    sample_rate_hz : float
        Rate, Hz.

    Returns
    -------
    ndarray of float64, shape (samples,)
        The medians.
    """
    size = max(1, round(window_ms * sample_rate_hz / 1000))
    if not values.size or size == 1:
        return values.copy()
    median: NDArray[np.float64] = scipy.ndimage.median_filter(values, size=size, mode="reflect")
    return median


def gaussian_smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Convolve with a Gaussian cut off at four standard deviations; the ends as in `running_median`.

    Parameters
    ----------
    values : ndarray of float64, shape (samples,)
        Signal.
    sigma : float
        Standard deviation in samples; 0 leaves the signal as it is.

    Returns
    -------
    ndarray of float64, shape (samples,)
        Smoothed signal, equal to ``scipy.ndimage.gaussian_filter1d(values, sigma)`` but for rounding and ten times
        as fast for the hundreds of taps that are usual here.
    """
    reach = int(GAUSSIAN_EXTENT * sigma + 0.5)
    if not values.size or reach == 0:
        return values.copy()
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    mirrored = np.pad(values, reach, mode="symmetric")
    smoothed: NDArray[np.float64] = scipy.signal.oaconvolve(mirrored, kernel / kernel.sum(), mode="valid")
    return smoothed


def medgauss_detrend(
    trace: NDArray[np.float64], sample_rate_hz: float, *, median_ms: float = 100.0, gauss_ms: float = 10.0
) -> NDArray[np.float64]:
    """Subtract the slow baseline of a trace: its running median, smoothed with a Gaussian ("MedGauss").

    Parameters
    ----------
    trace : ndarray of float64, shape (samples,)
        Membrane potential; may be empty.
    sample_rate_hz : float
        Rate, Hz.
    median_ms : float
        Window of the median, ms.
    gauss_ms : float
        Standard deviation of the Gaussian, ms.

    Returns
    -------
    ndarray of float64, shape (samples,)
        Trace minus baseline, in the unit of the trace.
    """
    baseline = running_median(trace, median_ms, sample_rate_hz)
    return trace - gaussian_smooth(baseline, gauss_ms * sample_rate_hz / 1000)
