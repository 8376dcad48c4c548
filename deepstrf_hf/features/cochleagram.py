"""Log cochleagram: short-time Fourier magnitudes summed by triangular filters on a logarithmic frequency axis.

Rahman, Willmore, King & Harper 2019, PLoS Comput Biol 15(5):e1006618, doi 10.1371/journal.pcbi.1006618 (34 bands,
1/6 octave apart, 500 Hz to 22,627 Hz); 2020, PNAS 117:28442, doi 10.1073/pnas.1922033117.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

FLOOR_DB = -70.0
"""Level below which a cochleagram is flat, dB."""
BIN_WIDTH_HZ = 25.02
"""Widest spacing of Fourier bins, Hz; with it 5 ms frames of 48,828 Hz sound get the published 1952-point transform."""


def log_frequency_filters(
    sample_rate_hz: float, n_fft: int, n_bands: int, low_hz: float, high_hz: float
) -> NDArray[np.float64]:
    """Make triangular filters whose centres are evenly spaced in log frequency, each summing to 1.

    Parameters
    ----------
    sample_rate_hz : float
        Rate of the sound, Hz.
    n_fft : int
        Length of the Fourier transform.
    n_bands : int
        Number of filters.
    low_hz, high_hz : float
        Centre frequency of the lowest and of the highest filter, Hz. A filter rises from the centre of the one below
        to its own and falls to the centre of the one above.

    Returns
    -------
    ndarray of float64, shape (n_bands, n_fft // 2 + 1)
        Weights.

    Raises
    ------
    ParameterError
        Frequencies out of order or beyond half the sampling rate, or so close that a filter holds no Fourier bin.
    """
    if not 0 < low_hz < high_hz <= sample_rate_hz / 2 or n_bands < 2:
        raise ParameterError(
            "The bands of a cochleagram must lie between 0 and half the sampling rate",
            field="low_hz, high_hz, n_bands",
            found=f"{n_bands} bands from {low_hz:g} to {high_hz:g} Hz",
            expected=f"two bands at least, 0 < low < high <= {sample_rate_hz / 2:g} Hz",
        )
    spacing = np.log2(high_hz / low_hz) / (n_bands - 1)
    centres = np.log2(low_hz) + spacing * np.arange(n_bands)
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    with np.errstate(divide="ignore"):
        octaves = np.log2(bins)
    weights = np.clip(1 - np.abs(octaves[None, :] - centres[:, None]) / spacing, 0, None)
    sums = weights.sum(axis=1, keepdims=True)
    if (sums == 0).any():
        raise ParameterError(
            "A band of the cochleagram is narrower than the spacing of the Fourier bins",
            field="n_bands, dt_ms",
            found=f"{int((sums == 0).sum())} of {n_bands} bands are empty",
            mend="ask for fewer bands or wider bins",
        )
    filters: NDArray[np.float64] = weights / sums
    return filters


def band_frequencies(n_bands: int, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Return the centre frequencies of the bands, Hz, lowest first."""
    return np.geomspace(low_hz, high_hz, n_bands)


def log_cochleagram(
    waveform: NDArray[np.float32],
    sample_rate_hz: float,
    *,
    n_bins: int,
    dt_ms: float = 5.0,
    n_bands: int = 34,
    low_hz: float = 500.0,
    high_hz: float = 500.0 * 2 ** (33 / 6),
    frames: str = "fixed_hop",
) -> NDArray[np.float32]:
    """Compute the log cochleagram of a sound.

    Hamming window of two hops, Fourier magnitude, `log_frequency_filters`, 20 log10, floor at -70 dB.

    Parameters
    ----------
    waveform : ndarray of float32, shape (samples,)
        Sound pressure; silence follows it.
    sample_rate_hz : float
        True rate, Hz.
    n_bins : int
        Frames wanted.
    dt_ms : float
        Width of a bin, ms.
    n_bands : int
        Frequency bands.
    low_hz, high_hz : float
        Centre frequency of the lowest and highest band, Hz.
    frames : str
        ``"fixed_hop"``, as published: the hop is dt rounded to samples, and frame i begins at i hops, so that frames
        slip against the bins (by 0.6 ms per second at 48,828.125 Hz and 5 ms). ``"exact"``: frame i is centred on
        bin i, to the nearest sample.

    Returns
    -------
    ndarray of float32, shape (n_bands, n_bins)
        dB, re the unit of the waveform, lowest band first.

    Raises
    ------
    ParameterError
        A value that cannot be used.
    """
    samples_per_bin = dt_ms * sample_rate_hz / 1000
    hop = round(samples_per_bin)
    if hop < 8:
        raise ParameterError(
            "Bins are too narrow for a spectrogram", field="dt_ms", found=f"{dt_ms} ms", expected="more"
        )
    window = np.hamming(2 * hop)
    n_fft = 8 * hop
    while sample_rate_hz / n_fft > BIN_WIDTH_HZ:
        n_fft *= 2
    filters = log_frequency_filters(sample_rate_hz, n_fft, n_bands, low_hz, high_hz)
    if frames == "fixed_hop":
        starts = hop * np.arange(n_bins)
    elif frames == "exact":
        starts = np.round((np.arange(n_bins) + 0.5) * samples_per_bin).astype(int) - hop
    else:
        raise ParameterError("Unknown framing", field="frames", found=repr(frames), expected="'fixed_hop' or 'exact'")
    padded = np.zeros(max(len(waveform), starts[-1] + 2 * hop) + hop, np.float64)
    padded[hop : hop + len(waveform)] = waveform
    framed = padded[(starts + hop)[:, None] + np.arange(2 * hop)[None, :]]
    magnitude = np.abs(np.fft.rfft(framed * window, n_fft, axis=1))
    with np.errstate(divide="ignore"):
        level = 20 * np.log10(filters @ magnitude.T)
    return np.maximum(level, FLOOR_DB).astype(np.float32)


def frame_slip_ms(sample_rate_hz: float, dt_ms: float, n_bins: int) -> float:
    """Return how far the last frame of a fixed hop has slipped against its bin, ms; negative is early."""
    hop = round(dt_ms * sample_rate_hz / 1000)
    return (n_bins - 1) * (hop * 1000 / sample_rate_hz - dt_ms)
