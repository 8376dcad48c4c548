"""Gammatone spectrogram: root mean square amplitude in the bands of a cochlea-like filter bank.

Filters: Slaney 1993, An efficient implementation of the Patterson-Holdsworth auditory filter bank, Apple Computer
Technical Report 35; four sections of second order per band. Bandwidths: Glasberg & Moore 1990, Hear Res 47:103,
doi 10.1016/0378-5955(90)90170-T. The windowed amplitude is the "gammatonegram" of D. P. W. Ellis (2009), as the
toolkit of J. Heeris computes it.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

EAR_Q = 9.26449
"""Centre frequency over bandwidth at high frequencies (Glasberg & Moore 1990)."""
NARROWEST_HZ = 24.7
"""Bandwidth at the low end, Hz (Glasberg & Moore 1990)."""
BANDWIDTH_FACTOR = 1.019
"""Bandwidth parameter of a fourth-order gammatone filter over its equivalent rectangular bandwidth (Slaney 1993)."""
ZEROS = np.array([1.0, -1.0, 1.0, -1.0]) * np.sqrt(3 + np.array([1.0, 1.0, -1.0, -1.0]) * 2**1.5)
"""Where each of the four sections has its zero (Slaney 1993, p. 15)."""
SAMPLES_AT_ONCE = 2**20
"""Bound on the samples of windows that are held at a time."""


def erb_centre_frequencies(f_min_hz: float, f_max_hz: float, n_bands: int) -> NDArray[np.float64]:
    """Return centre frequencies that are evenly spaced on the scale of equivalent rectangular bandwidths.

    With k = 1 … n and c = 9.26449 * 24.7 Hz: f_k = (f_max + c) * exp(k / n * ln((f_min + c) / (f_max + c))) - c, here
    in ascending order (Slaney 1993, p. 33).

    Parameters
    ----------
    f_min_hz : float
        Lowest centre, Hz.
    f_max_hz : float
        Upper end of the scale, Hz; the highest centre lies one step below it.
    n_bands : int
        Number of bands.

    Returns
    -------
    ndarray of float64, shape (n_bands,)
        Hz, lowest first.

    Raises
    ------
    ParameterError
        No bands, or frequencies out of order.
    """
    if n_bands < 1 or not 0 < f_min_hz < f_max_hz < math.inf:
        raise ParameterError(
            "Gammatone bands need a range of frequencies",
            field="n_bands, f_min_hz, f_max_hz",
            found=f"{n_bands} bands from {f_min_hz:g} to {f_max_hz:g} Hz",
            expected="one band at least, 0 < f_min < f_max",
        )
    shift = EAR_Q * NARROWEST_HZ
    steps = np.arange(n_bands, 0, -1) / n_bands
    frequencies: NDArray[np.float64] = -shift + (f_max_hz + shift) * np.exp(
        steps * math.log((f_min_hz + shift) / (f_max_hz + shift))
    )
    return frequencies


def window_samples(window_ms: float, sample_rate_hz: float) -> int:
    """Return the length of a window in whole samples, halves rounded up; 1 at least."""
    return max(1, math.floor(window_ms * sample_rate_hz / 1000 + 0.5))


def frame_starts(
    n_samples: int, sample_rate_hz: float, *, dt_ms: float, window: int, placement: str = "exact"
) -> NDArray[np.int64]:
    """Return the first sample of every window that lies within a sound.

    Parameters
    ----------
    n_samples : int
        Length of the sound.
    sample_rate_hz : float
        Rate, Hz.
    dt_ms : float
        Time from window to window, ms.
    window : int
        Length of a window, samples.
    placement : str
        ``"exact"``: window t begins at sample round(t * dt * rate), so that it never slips by more than half a sample
        against bins of dt. ``"whole_hop"``: at t * round(dt * rate), as the common toolkits do; it slips where that
        is not a whole number (at 44.1 kHz and 5 ms by 2.3 ms per second). Halves are rounded up in both.

    Returns
    -------
    ndarray of int64, shape (frames,)
        Ascending; none where the sound is shorter than a window.

    Raises
    ------
    ParameterError
        Another placement, or windows less than one sample apart.
    """
    step = dt_ms * sample_rate_hz / 1000
    if placement not in ("exact", "whole_hop") or not step >= 1:
        raise ParameterError(
            "Windows cannot be placed like this",
            field="placement, dt_ms",
            found=f"{placement!r}, {step:g} samples apart",
            expected="'exact' or 'whole_hop', one sample apart at least",
        )
    if placement == "whole_hop":
        return np.arange(0, n_samples - window + 1, math.floor(step + 0.5), dtype=np.int64)
    candidates = np.arange(math.floor(n_samples / step) + 2, dtype=np.int64)
    # The tiny term keeps a half that a product of floats just misses from being rounded down.
    starts = np.floor(candidates * step + 0.5 + 1e-7).astype(np.int64)
    return starts[starts + window <= n_samples]


def gammatone_sections(centre_hz: float, sample_rate_hz: float) -> NDArray[np.float64]:
    """Return the filter of one band as second-order sections, each of unit gain at the centre frequency.

    With T = 1 / rate, p = 2 pi f T, B = 2 pi * 1.019 * (f / Q + 24.7 Hz), e = exp(-B T): section i is
    (1 - e (cos p + r_i sin p) / z) / (1 - 2 e cos p / z + e^2 / z^2), r = ±sqrt(3 ± 2^1.5) (Slaney 1993).

    Parameters
    ----------
    centre_hz : float
        Centre frequency, Hz.
    sample_rate_hz : float
        Rate, Hz.

    Returns
    -------
    ndarray of float64, shape (4, 6)
        As `scipy.signal.sosfilt` takes them.

    Raises
    ------
    ParameterError
        The centre does not lie below half the sampling rate.
    """
    if not 0 < centre_hz < sample_rate_hz / 2:
        raise ParameterError(
            "A gammatone band lies beyond half the sampling rate of a sound",
            field="f_max",
            found=f"a band at {centre_hz:g} Hz",
            expected=f"below {sample_rate_hz / 2:g} Hz",
            mend="ask for lower bands",
        )
    phase = 2 * math.pi * centre_hz / sample_rate_hz
    bandwidth = 2 * math.pi * BANDWIDTH_FACTOR * (centre_hz / EAR_Q + NARROWEST_HZ)
    decay = math.exp(-bandwidth / sample_rate_hz)
    sections = np.zeros((4, 6))
    sections[:, 0] = 1
    sections[:, 1] = -decay * (math.cos(phase) + ZEROS * math.sin(phase))
    sections[:, 3:] = 1, -2 * decay * math.cos(phase), decay**2
    delays = np.exp(-1j * phase * np.arange(3))
    sections[:, :3] /= np.abs((sections[:, :3] @ delays) / (sections[:, 3:] @ delays))[:, None]
    return sections


def gammatone_rms(
    waveform: NDArray[np.floating],
    sample_rate_hz: float,
    *,
    centre_frequencies_hz: NDArray[np.float64],
    window: int,
    starts: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the root mean square amplitude of each band in each window.

    A[b, t] = sqrt(mean(y_b[starts[t] : starts[t] + window] ** 2)), y_b the sound after the filter of band b. Bands are
    filtered one after the other in float64: no more is held than one filtered sound.

    Parameters
    ----------
    waveform : ndarray of float, shape (samples,)
        Sound.
    sample_rate_hz : float
        Rate, Hz.
    centre_frequencies_hz : ndarray of float64, shape (bands,)
        Centre of each band, Hz; see `erb_centre_frequencies`.
    window : int
        Length of a window, samples; see `window_samples`.
    starts : ndarray of int64, shape (frames,)
        First sample of each window; see `frame_starts`.

    Returns
    -------
    ndarray of float32, shape (bands, frames)
        Linear amplitude in the unit of the sound, bands in the order given.

    Raises
    ------
    ParameterError
        The sound is not one channel of finite samples, a window lies outside of it, or a band beyond half its rate.
    """
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise ParameterError(
            "A gammatone spectrogram needs one channel of finite samples",
            field="waveform",
            found=f"shape {waveform.shape}" + ("" if waveform.ndim != 1 else " with samples that are not finite"),
        )
    if window < 1 or (len(starts) and (starts.min() < 0 or starts.max() + window > len(waveform))):
        raise ParameterError(
            "A window of the gammatone spectrogram lies outside of the sound",
            field="window, starts",
            found=f"windows of {window} samples" + (f" from {starts.min()} to {starts.max()}" if len(starts) else ""),
            expected=f"within {len(waveform)} samples",
        )
    amplitudes = np.empty((len(centre_frequencies_hz), len(starts)), dtype=np.float32)
    if not len(starts):
        return amplitudes
    samples = np.ascontiguousarray(waveform, dtype=np.float64)
    at_once = max(1, SAMPLES_AT_ONCE // window)
    for band, centre in enumerate(centre_frequencies_hz):
        filtered = scipy.signal.sosfilt(gammatone_sections(float(centre), sample_rate_hz), samples)
        windows = np.lib.stride_tricks.sliding_window_view(filtered, window)
        for first in range(0, len(starts), at_once):
            held = windows[starts[first : first + at_once]]
            # Summed window by window: a running sum would leave the rounding noise of loud sound in what is silent.
            power = np.einsum("ts,ts->t", held, held) / window
            amplitudes[band, first : first + at_once] = np.sqrt(power)
    return amplitudes
