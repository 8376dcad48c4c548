"""Resampling with a short windowed sinc, for numbers that must equal those of pipelines built on torchaudio."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

ZERO_CROSSINGS = 6
ROLL_OFF = 0.99
BLOCK_GROUPS = 256


def resample_windowed_sinc(waveform: NDArray[np.float32], rate_hz: int, new_rate_hz: int) -> NDArray[np.float32]:
    """Resample with a sinc of six zero crossings under a squared cosine: the published defaults of torchaudio.

    With o and n the old and new rate without their common factor, b = 0.99 min(o, n) and w = ceil(6 o / b)::

        u[j, i] = clip(b (i / o - j / n), -6, 6),    0 <= j < n,    -w <= i < w + o
        k[j, i] = sin(pi u) / (pi u) * cos(pi u / 12)**2 * b / o
        y[m n + j] = sum over i of k[j, i] x[m o + i]

    with zeros outside of the waveform. The kernel is made in single precision, as torchaudio makes it for waveforms in
    single precision. It is short: it dampens the highest twentieth of the band and lets images of it pass. Where
    numbers need not be those, soxr is better.

    Parameters
    ----------
    waveform : ndarray of float32, shape (samples,)
        Samples.
    rate_hz, new_rate_hz : int
        Their rate, and the one wanted, Hz.

    Returns
    -------
    ndarray of float32, shape (ceil(samples * new_rate_hz / rate_hz),)
        Resampled.

    Raises
    ------
    ParameterError
        A rate that is not a positive whole number.
    """
    for field, rate in (("rate_hz", rate_hz), ("new_rate_hz", new_rate_hz)):
        if rate != int(rate) or rate <= 0:
            raise ParameterError("A rate must be a whole number", field=field, found=rate, expected="1 Hz or more")
    common = math.gcd(int(rate_hz), int(new_rate_hz))
    old, new = int(rate_hz) // common, int(new_rate_hz) // common
    waveform = np.asarray(waveform, np.float32)
    if old == new:
        return waveform
    kernel, width = _kernel(old, new)
    length = math.ceil(new * len(waveform) / old)
    groups = math.ceil(length / new)
    padded = np.zeros(groups * old + 2 * width + old, np.float32)
    padded[width : width + len(waveform)] = waveform
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[1])[::old][:groups]
    resampled = np.empty((groups, new), np.float32)
    for begin in range(0, groups, BLOCK_GROUPS):
        resampled[begin : begin + BLOCK_GROUPS] = windows[begin : begin + BLOCK_GROUPS] @ kernel.T
    return resampled.reshape(-1)[:length]


@functools.lru_cache(maxsize=2)
def _kernel(old: int, new: int) -> tuple[NDArray[np.float32], int]:
    """Return the kernel, shape (new, 2 width + old), and its width to either side."""
    base = ROLL_OFF * min(old, new)
    width = math.ceil(ZERO_CROSSINGS * old / base)
    single = np.float32
    tap = np.arange(-width, width + old, dtype=single) / single(old)
    phase = np.arange(0, -new, -1, dtype=single) / single(new)
    position = np.clip((phase[:, None] + tap) * single(base), -ZERO_CROSSINGS, ZERO_CROSSINGS).astype(single)
    window = np.cos(position * single(np.pi) / single(ZERO_CROSSINGS) / single(2)) ** 2
    angle = position * single(np.pi)
    at_zero = angle == 0
    sinc = np.where(at_zero, single(1), np.sin(angle) / np.where(at_zero, single(1), angle))
    return (sinc * window * single(base / old)).astype(single), width
