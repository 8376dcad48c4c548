"""Log spectrogram at log-spaced frequencies, straight on the bins of the responses.

The Fourier transform of each windowed frame is evaluated at the frequencies wanted only. The algorithm of Goertzel 1958
(Am Math Mon 65:34, doi 10.2307/2310304) does so frequency by frequency; here all are one matrix product.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

FLOOR_DB = -240.0
"""Level of silence, dB: 20 log10 of the constant that is added to each magnitude."""
SMALLEST_MAGNITUDE = 1e-12
SHORTEST_WINDOW = 4
"""Samples."""
BLOCK_BYTES = 2**24
"""Frames are copied out of the sound in blocks of this size, so that memory does not grow with the sound."""


def log_spaced_bands(low_hz: float, high_hz: float, bands_per_octave: float) -> NDArray[np.float64]:
    """Return the frequencies f_k = low 2^(k / bands per octave) up to `high_hz`, Hz.

    Returns
    -------
    ndarray of float64, shape (floor(log2(high / low) * bands_per_octave) + 1,)
        Lowest first.

    Raises
    ------
    ParameterError
        Frequencies out of order, or no bands.
    """
    if not (0 < low_hz <= high_hz < math.inf and 0 < bands_per_octave < math.inf):
        raise ParameterError(
            "The bands of a spectrogram must rise from a positive frequency",
            field="fmin, fmax, bins_per_octave",
            found=f"{low_hz:g} to {high_hz:g} Hz, {bands_per_octave:g} per octave",
            expected="0 < fmin <= fmax and at least one band",
        )
    # An exact number of octaves must not lose its last band to rounding.
    n_bands = math.floor(math.log2(high_hz / low_hz) * bands_per_octave + 1e-9) + 1
    return low_hz * 2 ** (np.arange(n_bands) / bands_per_octave)


def frame_centres(n_samples: int, sample_rate_hz: float, dt_ms: float, frames: str) -> NDArray[np.int64]:
    """Return the sample that each frame of a sound is centred on.

    Parameters
    ----------
    n_samples : int
        Length of the sound.
    sample_rate_hz : float
        Its rate, Hz.
    dt_ms : float
        Width of a bin, ms.
    frames : str
        ``"fixed_hop"``: frame i at i hops, the hop being dt rounded to samples (half to even), so that frames slip
        against bins; it is centred on the beginning of its bin. ``"exact"``: frame i at the centre of bin i, to the
        nearest sample.

    Returns
    -------
    ndarray of int64, shape (frames,)
        As many frames as the sound fills, wholly or in part.

    Raises
    ------
    ParameterError
        Another value of `frames`.
    """
    samples_per_bin = dt_ms * sample_rate_hz / 1000
    if frames == "fixed_hop":
        hop = max(round(samples_per_bin), 1)
        return np.arange(-(-n_samples // hop), dtype=np.int64) * hop
    if frames == "exact":
        n_frames = math.ceil(n_samples / samples_per_bin - 1e-9)
        return np.round((np.arange(n_frames) + 0.5) * samples_per_bin).astype(np.int64)
    raise ParameterError("Unknown framing", field="frames", found=repr(frames), expected="'fixed_hop' or 'exact'")


def goertzel_log_spectrogram(
    waveform: NDArray[np.floating],
    sample_rate_hz: float,
    bands_hz: NDArray[np.float64],
    *,
    dt_ms: float = 5.0,
    window_ms: float | None = None,
    frames: str = "fixed_hop",
) -> NDArray[np.float32]:
    """Compute the log spectrogram of a sound.

    With W = max(round(window_ms rate / 1000), 4) samples, the Hamming window w[n] = 0.54 - 0.46 cos(2 pi n / (W - 1))
    and y the samples of a frame, zero beyond the sound:
    X_k = sum_n y[n] w[n] exp(-2 pi j f_k n / rate), level = 20 log10(abs(X_k) + 1e-12).

    Parameters
    ----------
    waveform : ndarray of float, shape (samples,)
        The sound.
    sample_rate_hz : float
        Its rate, Hz.
    bands_hz : ndarray of float64, shape (bands,)
        Frequencies f_k, Hz, lowest first. Above half the rate they hold images of audible bands under
        ``frames="fixed_hop"``, as published, and the level of silence under ``"exact"``.
    dt_ms : float
        Width of a bin, ms.
    window_ms : float, optional
        Length of the window, ms; two bins by default.
    frames : str
        Where frames lie, as in `frame_centres`.

    Returns
    -------
    ndarray of float32, shape (bands, frames)
        dB; -240 in silence. Levels below about -150 dB are rounding noise.
    """
    length = max(round((2 * dt_ms if window_ms is None else window_ms) * sample_rate_hz / 1000), SHORTEST_WINDOW)
    centres = frame_centres(len(waveform), sample_rate_hz, dt_ms, frames)
    valid = len(bands_hz) if frames == "fixed_hop" else n_bands_below_nyquist(bands_hz, sample_rate_hz)
    kernel = _kernel(tuple(bands_hz[:valid].tolist()), length, sample_rate_hz)
    padded = np.zeros(max(len(waveform), int(centres.max(initial=0))) + 2 * length, np.float64)
    padded[length : length + len(waveform)] = waveform
    # Window i covers W samples from W // 2 before its centre on.
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)[length - length // 2 :]
    level = np.full((len(bands_hz), len(centres)), FLOOR_DB, np.float32)
    block = max(1, BLOCK_BYTES // (8 * length))
    for first in range(0, len(centres), block):
        parts = windows[centres[first : first + block]] @ kernel
        magnitude = np.hypot(parts[:, :valid], parts[:, valid:])
        level[:valid, first : first + block] = 20 * np.log10(magnitude + SMALLEST_MAGNITUDE).T
    return level


def n_bands_below_nyquist(bands_hz: NDArray[np.float64], sample_rate_hz: float) -> int:
    """Return how many bands lie below half the sampling rate: the others cannot be told from their images."""
    return int(np.searchsorted(bands_hz, sample_rate_hz / 2, side="left"))


@functools.lru_cache(maxsize=4)
def _kernel(bands_hz: tuple[float, ...], length: int, sample_rate_hz: float) -> NDArray[np.float64]:
    """Return the window times cosines and sines, shape (length, 2 bands)."""
    samples = np.arange(length)
    phase = 2 * np.pi / sample_rate_hz * np.outer(samples, bands_hz)
    kernel: NDArray[np.float64] = np.hamming(length)[:, None] * np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    return kernel
