"""Mel spectrogram: short-time Fourier power summed by triangular filters that are evenly spaced on the mel scale.

The mel scale is m = 2595 log10(1 + f / 700 Hz) (O'Shaughnessy 1987, Speech Communication: Human and Machine, p. 150),
as the HTK toolkit has it; framing and filters are those of ``torchaudio.transforms.MelSpectrogram`` with its defaults:
centred frames with reflected ends, periodic Hann window, power, filters with a peak of 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

COMPRESSIONS = ("cubic", "log1p", "none")
FRAMES = ("fixed_hop", "exact")
BLOCK_VALUES = 2**20
"""Samples that are windowed at a time, which bounds the memory (some 30 MB) whatever the length of a sound."""


class Framing(NamedTuple):
    """Where the frames of a sound lie.

    Parameters
    ----------
    centres : ndarray of int64, shape (bins,)
        Sample on which each frame is centred.
    n_fft : int
        Length of the window and of the Fourier transform, samples.
    """

    centres: NDArray[np.int64]
    n_fft: int


def hz_to_mel(frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return frequencies on the mel scale."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(frequency_hz, np.float64) / 700.0))


def mel_to_hz(mel: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the frequencies of values on the mel scale, Hz."""
    return np.asarray(700.0 * (10.0 ** (np.asarray(mel, np.float64) / 2595.0) - 1.0))


def mel_band_edges(sample_rate_hz: float, n_bands: int) -> NDArray[np.float64]:
    """Return the corners of the filters: filter i rises from corner i to i + 1 and falls to i + 2.

    Parameters
    ----------
    sample_rate_hz : float
        Rate of the sound, Hz.
    n_bands : int
        Number of filters.

    Returns
    -------
    ndarray of float64, shape (n_bands + 2,)
        Hz, from 0 to half the sampling rate (rounded down to a whole number, as published).

    Raises
    ------
    ParameterError
        Fewer than one band, or a rate below 2 Hz.
    """
    if n_bands < 1 or not sample_rate_hz >= 2:
        raise ParameterError(
            "A mel spectrogram needs bands, and a sound with a sampling rate",
            field="n_bands, sample_rate_hz",
            found=f"{n_bands} bands at {sample_rate_hz} Hz",
            expected="1 band or more",
        )
    return mel_to_hz(np.linspace(0.0, float(hz_to_mel(math.floor(sample_rate_hz / 2))), n_bands + 2))


def mel_band_frequencies(sample_rate_hz: float, n_bands: int = 32) -> NDArray[np.float64]:
    """Return the frequency at the peak of each band, Hz, lowest first (arguments and errors as `mel_band_edges`)."""
    return mel_band_edges(sample_rate_hz, n_bands)[1:-1]


def mel_filters(sample_rate_hz: float, n_fft: int, n_bands: int) -> NDArray[np.float64]:
    """Make the triangular filters.

    Parameters
    ----------
    sample_rate_hz : float
        Rate of the sound, Hz.
    n_fft : int
        Length of the Fourier transform.
    n_bands : int
        Number of filters.

    Returns
    -------
    ndarray of float64, shape (n_bands, n_fft // 2 + 1)
        Weights, at most 1. A filter narrower than the spacing of the Fourier bins may be zero everywhere; see
        `empty_bands`.

    Raises
    ------
    ParameterError
        As `mel_band_edges`.
    """
    edges = mel_band_edges(sample_rate_hz, n_bands)
    bins = np.linspace(0.0, math.floor(sample_rate_hz / 2), n_fft // 2 + 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0.0, None)
    return filters


def empty_bands(
    sample_rate_hz: float, *, dt_ms: float, window_ms: float = 10.0, n_bands: int = 32, frames: str = "fixed_hop"
) -> list[int]:
    """Return the bands, from 0, that hold no Fourier bin and are zero in every sound: a builder reports them.

    Parameters and errors as in `mel_spectrogram`.
    """
    n_fft = _window_samples(sample_rate_hz, dt_ms, window_ms, frames)
    return [int(band) for band in np.flatnonzero(~mel_filters(sample_rate_hz, n_fft, n_bands).any(axis=1))]


def hop_samples(sample_rate_hz: float, dt_ms: float) -> int:
    """Return the hop of ``frames="fixed_hop"``: the bin width in samples, cut to a whole number, at least 1."""
    return max(1, int(sample_rate_hz * dt_ms / 1000))


def frame_slip_ms(sample_rate_hz: float, dt_ms: float, n_bins: int) -> float:
    """Return how far the last frame of a fixed hop has slipped against its bin, ms; negative is early.

    0 at 32,000 Hz and 1 ms; -51 ms after 3 s at 24,414 Hz, where the hop is 24 samples.
    """
    return (n_bins - 1) * (hop_samples(sample_rate_hz, dt_ms) * 1000 / sample_rate_hz - dt_ms)


def shortest_sound(sample_rate_hz: float, *, dt_ms: float, window_ms: float = 10.0, frames: str = "fixed_hop") -> int:
    """Return how many samples a sound needs: more than half a window, since its ends are filled by reflection.

    Parameters and errors as in `mel_spectrogram`.
    """
    return _window_samples(sample_rate_hz, dt_ms, window_ms, frames) // 2 + 1


def frame_positions(
    n_samples: int, sample_rate_hz: float, *, dt_ms: float, window_ms: float = 10.0, frames: str = "fixed_hop"
) -> Framing:
    """Say where the frames of a sound lie.

    Parameters
    ----------
    n_samples : int
        Length of the sound.
    sample_rate_hz : float
        Its rate, Hz.
    dt_ms : float
        Width of a bin, ms.
    window_ms : float
        Length of the window, ms; never less than a hop.
    frames : str
        As in `mel_spectrogram`.

    Returns
    -------
    Framing
        Centres of the frames and length of the window.

    Raises
    ------
    ParameterError
        A width that is not positive, an unknown framing, or a sound not longer than half the window.
    """
    n_fft = _window_samples(sample_rate_hz, dt_ms, window_ms, frames)
    shortest = shortest_sound(sample_rate_hz, dt_ms=dt_ms, window_ms=window_ms, frames=frames)
    if n_samples < shortest:
        raise ParameterError(
            "A sound is too short for the window of its spectrogram, whose ends are filled by reflection",
            field="window_ms",
            found=f"{n_samples} samples, window of {n_fft}",
            expected=f"at least {shortest} samples",
            mend="choose a shorter window_ms or dt_ms",
        )
    if frames == "fixed_hop":
        hop = hop_samples(sample_rate_hz, dt_ms)
        # An odd window is padded by one sample less than its length, so its last frame may not fit.
        return Framing(hop * np.arange(1 + (n_samples - n_fft % 2) // hop, dtype=np.int64), n_fft)
    samples_per_bin = sample_rate_hz * dt_ms / 1000
    n_bins = math.ceil(n_samples / samples_per_bin - 1e-9)
    return Framing(np.round(np.arange(n_bins) * samples_per_bin).astype(np.int64), n_fft)


def mel_spectrogram(
    waveform: NDArray[np.floating],
    sample_rate_hz: float,
    *,
    dt_ms: float,
    window_ms: float = 10.0,
    n_bands: int = 32,
    compression: str = "cubic",
    frames: str = "fixed_hop",
    n_bins: int | None = None,
) -> NDArray[np.float32]:
    """Compute the mel spectrogram of a sound.

    Parameters
    ----------
    waveform : ndarray of float, shape (samples,)
        Sound pressure; integer PCM must be scaled to ±1 first.
    sample_rate_hz : float
        Its rate, Hz.
    dt_ms : float
        Width of a bin, ms.
    window_ms : float
        Length of the Hann window, ms; never less than a hop.
    n_bands : int
        Number of bands, from 0 to half the sampling rate.
    compression : str
        ``"cubic"``: cube root of the power; ``"log1p"``: ln(1 + power); ``"none"``.
    frames : str
        ``"fixed_hop"``, as published: the hop is dt cut to whole samples, frame k is centred on k hops, and there are
        ``1 + samples // hop`` frames, the last of them at or past the end of the sound. Where a hop is not exactly dt,
        frames slip against the bins: see `frame_slip_ms`. ``"exact"``: frame k is centred on k dt, to the nearest
        sample, and there are ``ceil(duration / dt)`` frames.
    n_bins : int, optional
        Bins wanted: later frames are left out, and bins past the last frame are zero, which is silence.

    Returns
    -------
    ndarray of float32, shape (n_bands, bins)
        Compressed power, lowest band first.

    Raises
    ------
    ParameterError
        A value that cannot be used, or a sound that is not a vector of finite floating-point numbers, or not longer
        than half the window.
    """
    if compression not in COMPRESSIONS:
        raise ParameterError("Unknown compression", field="compression", found=repr(compression), expected=COMPRESSIONS)
    if n_bins is not None and n_bins < 1:
        raise ParameterError("A spectrogram needs bins", field="n_bins", found=n_bins, expected="1 or more")
    if waveform.ndim != 1 or waveform.dtype.kind != "f" or not np.isfinite(waveform).all():
        raise ParameterError(
            "A sound must be a vector of finite floating-point numbers",
            field="waveform",
            found=f"{waveform.dtype} of shape {waveform.shape}",
            expected="float32 (samples,)",
            mend="scale integer PCM to ±1, and choose one channel",
        )
    centres, n_fft = frame_positions(len(waveform), sample_rate_hz, dt_ms=dt_ms, window_ms=window_ms, frames=frames)
    filters = mel_filters(sample_rate_hz, n_fft, n_bands).T
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(waveform.astype(np.float64), (n_fft // 2, n_fft - n_fft // 2), mode="reflect")
    framed = np.lib.stride_tricks.sliding_window_view(padded, n_fft)
    spectrogram = np.zeros((n_bands, n_bins or len(centres)), np.float32)
    centres = centres[: spectrogram.shape[1]]
    block = max(1, BLOCK_VALUES // n_fft)
    for first in range(0, len(centres), block):
        of_block = centres[first : first + block]  # a frame centred on sample c begins at sample c of the padded sound
        transform = np.fft.rfft(framed[of_block] * window, axis=1)
        power = (transform.real**2 + transform.imag**2) @ filters
        spectrogram[:, first : first + len(of_block)] = _compressed(power, compression).T
    return spectrogram


def _compressed(power: NDArray[np.float64], compression: str) -> NDArray[np.float64]:
    if compression == "cubic":
        return np.cbrt(power)
    return np.log1p(power) if compression == "log1p" else power


def _window_samples(sample_rate_hz: float, dt_ms: float, window_ms: float, frames: str) -> int:
    """Return the length of the window: as published a multiple of the cut hop, or of the true width of a bin."""
    if not (dt_ms > 0 and window_ms > 0):
        raise ParameterError(
            "Bins and windows must have a width",
            field="dt_ms, window_ms",
            found=f"{dt_ms} ms, {window_ms} ms",
            expected="> 0 ms",
        )
    if frames == "fixed_hop":
        hop: float = hop_samples(sample_rate_hz, dt_ms)
    elif frames == "exact":
        hop = sample_rate_hz * dt_ms / 1000
    else:
        raise ParameterError("Unknown framing", field="frames", found=repr(frames), expected=FRAMES)
    return max(round(window_ms / dt_ms * hop), math.ceil(hop))
