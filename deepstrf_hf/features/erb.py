"""Power in Gaussian bands whose centres are evenly spaced on the scale of equivalent rectangular bandwidths.

ERB-rate scale and bandwidths: Glasberg & Moore 1990, Hear Res 47:103, doi 10.1016/0378-5955(90)90170-T.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

RATE_FACTOR = 21.4
"""ERBs per decade of 1 + 0.00437 f (Glasberg & Moore 1990, eq. 4)."""
SLOPE_PER_HZ = 0.00437
NARROWEST_HZ = 24.7
"""Bandwidth at 0 Hz (Glasberg & Moore 1990, eq. 3)."""
FRAMES_AT_ONCE = 1024


def erb_rate(frequency_hz: float) -> float:
    """Return the number of ERBs below a frequency: 21.4 log10(0.00437 f + 1)."""
    return RATE_FACTOR * math.log10(SLOPE_PER_HZ * frequency_hz + 1)


def erb_band_centres(f_min_hz: float, f_max_hz: float, n_bands: int) -> NDArray[np.float64]:
    """Return centres that are evenly spaced in `erb_rate`, both ends included.

    Parameters
    ----------
    f_min_hz, f_max_hz : float
        Lowest and highest centre, Hz.
    n_bands : int
        Number of bands; with one, it is at the lowest.

    Returns
    -------
    ndarray of float64, shape (n_bands,)
        Hz, lowest first.

    Raises
    ------
    ParameterError
        No bands, or frequencies out of order.
    """
    if n_bands < 1 or not 0 <= f_min_hz < f_max_hz < math.inf:
        raise ParameterError(
            "Bands need a range of frequencies",
            field="n_bands, f_min, f_max",
            found=f"{n_bands} bands from {f_min_hz:g} to {f_max_hz:g} Hz",
            expected="one band at least, 0 <= f_min < f_max",
        )
    rates = np.linspace(erb_rate(f_min_hz), erb_rate(f_max_hz), n_bands)
    centres: NDArray[np.float64] = (10 ** (rates / RATE_FACTOR) - 1) / SLOPE_PER_HZ
    return centres


def erb_band_weights(centres_hz: NDArray[np.float64], sample_rate_hz: float, n_fft: int) -> NDArray[np.float64]:
    """Return the weights of Gaussian bands on Fourier bins, exp(-((f - c) / w)^2), w = 24.7 (0.00437 c + 1) Hz.

    They are not normalised. Fourier bins are taken to lie evenly from 0 to half the rate, which is so for even lengths.

    Parameters
    ----------
    centres_hz : ndarray of float64, shape (bands,)
        Centre c of each band, Hz.
    sample_rate_hz : float
        Rate of the sound, Hz.
    n_fft : int
        Length of the Fourier transform.

    Returns
    -------
    ndarray of float64, shape (bands, n_fft // 2 + 1)
        Weights, 1 at the centre.
    """
    frequencies = np.linspace(0, sample_rate_hz / 2, n_fft // 2 + 1)
    widths = NARROWEST_HZ * (SLOPE_PER_HZ * centres_hz + 1)
    weights: NDArray[np.float64] = np.exp(-(((frequencies[None, :] - centres_hz[:, None]) / widths[:, None]) ** 2))
    return weights


def erb_band_power(
    waveform: NDArray[np.floating],
    sample_rate_hz: float,
    *,
    centres_hz: NDArray[np.float64],
    n_fft: int,
    starts: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the power of a sound in Gaussian bands, frame by frame.

    Frame t is the sound from ``starts[t] - n_fft // 2``, under a periodic Hann window of n_fft samples, so that it is
    centred on sample ``starts[t]``. Before its first and after its last sample the sound is mirrored, edges not
    repeated. The power spectrum (squared magnitude of the Fourier transform, no scaling) is weighted by
    `erb_band_weights` and summed, in float64.

    Parameters
    ----------
    waveform : ndarray of float, shape (samples,)
        Sound.
    sample_rate_hz : float
        Rate, Hz.
    centres_hz : ndarray of float64, shape (bands,)
        Centre of each band, Hz; see `erb_band_centres`.
    n_fft : int
        Length of a frame, samples.
    starts : ndarray of int64, shape (frames,)
        Sample that each frame is centred on.

    Returns
    -------
    ndarray of float32, shape (bands, frames)
        Linear power, bands in the order given.

    Raises
    ------
    ParameterError
        The sound is not one channel of finite samples, is too short to be mirrored, or a frame lies beyond it.
    """
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise ParameterError(
            "A spectrogram needs one channel of finite samples", field="waveform", found=f"shape {waveform.shape}"
        )
    half = n_fft // 2
    if n_fft < 2 or len(waveform) <= half:
        raise ParameterError(
            "A sound is too short for the window of its spectrogram",
            field="window_ms",
            found=f"{len(waveform)} samples, window of {n_fft}",
            expected=f"more than {half} samples",
        )
    padded = np.pad(np.asarray(waveform, np.float64), half, mode="reflect")
    if len(starts) and (starts.min() < 0 or starts.max() + n_fft > len(padded)):
        raise ParameterError(
            "A frame of the spectrogram lies beyond its sound",
            field="starts",
            found=f"from {starts.min()} to {starts.max()}",
            expected=f"from 0 to {len(padded) - n_fft}",
        )
    window = scipy.signal.get_window("hann", n_fft)
    weights = erb_band_weights(centres_hz, sample_rate_hz, n_fft).T
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)
    power = np.empty((len(centres_hz), len(starts)), np.float32)
    for first in range(0, len(starts), FRAMES_AT_ONCE):
        spectrum = np.fft.rfft(frames[starts[first : first + FRAMES_AT_ONCE]] * window, axis=1)
        power[:, first : first + FRAMES_AT_ONCE] = ((spectrum.real**2 + spectrum.imag**2) @ weights).T
    return power
