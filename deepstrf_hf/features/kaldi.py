"""Mel filter bank of Kaldi: energies of short windows, as ``fbank`` computes them before its logarithm.

Povey et al. 2011, The Kaldi speech recognition toolkit, ASRU. All sums are in double precision: in single precision
(Kaldi, torchaudio, kaldi-native-fbank) bands far below the loudest of their frame are off by up to a hundredth of their
logarithm.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError

FULL_SCALE = 32768.0
"""What samples of ±1 are multiplied by: Kaldi computes with 16-bit values."""
PRE_EMPHASIS = 0.97
SMALLEST_ENERGY = 1.1920929e-07
"""Kaldi's floor under the logarithm: the spacing of single-precision numbers at 1."""
WIDEST_SHIFT_MS = 10.0
"""Bins beyond this hold several frames, this far apart."""
BLOCK_FRAMES = 1024
WHOLE = 1e-6


@dataclass(frozen=True)
class KaldiFilterBank:
    """A mel filter bank on the bins of responses.

    Parameters
    ----------
    sample_rate_hz : int
        Rate of the sounds, Hz.
    dt_ms : float
        Bin width, ms: up to 10 ms one frame per bin, beyond a multiple of 10 ms with a frame every 10 ms.
    window_ms : float
        Length of the analysis window (symmetric Hann), ms; it begins with the bin.
    n_bands : int
        Triangular bands, equally wide in mel.
    low_hz, high_hz : float
        Lower end of the lowest band and upper end of the highest, Hz.

    Raises
    ------
    ParameterError
        Bins that are no whole number of samples, or no multiple of 10 ms beyond 10 ms; no bands; a range that does not
        lie between 0 and half the rate; a window of less than two samples.
    """

    sample_rate_hz: int = 16_000
    dt_ms: float = 5.0
    window_ms: float = 25.0
    n_bands: int = 80
    low_hz: float = 0.0
    high_hz: float = 8000.0

    def __post_init__(self) -> None:
        _refuse_unless(self.sample_rate_hz > 0, "sample_rate_hz", self.sample_rate_hz, "> 0 Hz")
        frames = self.dt_ms / WIDEST_SHIFT_MS
        _refuse_unless(
            0 < frames < math.inf and (frames <= 1 or abs(frames - round(frames)) < WHOLE),
            "dt_ms",
            f"{self.dt_ms:g} ms",
            f"up to {WIDEST_SHIFT_MS:g} ms, or a multiple of it",
        )
        samples = self.sample_rate_hz * self.dt_ms / self.frames_per_bin / 1000
        _refuse_unless(
            samples > 1 - WHOLE and abs(samples - round(samples)) < WHOLE,
            "dt_ms",
            f"{self.dt_ms:g} ms, {samples:g} samples from frame to frame",
            f"a whole number of samples at {self.sample_rate_hz} Hz, or frames would slip against bins",
        )
        _refuse_unless(self.n_bands >= 1, "n_bands", self.n_bands, "1 or more")
        _refuse_unless(
            0 <= self.low_hz < self.high_hz <= self.sample_rate_hz / 2,
            "low_hz, high_hz",
            f"{self.low_hz:g} to {self.high_hz:g} Hz",
            f"a range within 0 to {self.sample_rate_hz / 2:g} Hz",
        )
        _refuse_unless(
            0 < self.window_ms < math.inf and self.window_samples >= 2,
            "window_ms",
            f"{self.window_ms:g} ms",
            f"two samples or more at {self.sample_rate_hz} Hz",
        )

    @property
    def frames_per_bin(self) -> int:
        """Frames whose energies make one bin."""
        return max(1, round(self.dt_ms / WIDEST_SHIFT_MS))

    @property
    def shift_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.sample_rate_hz * self.dt_ms / self.frames_per_bin / 1000)

    @property
    def window_samples(self) -> int:
        """Samples of a frame."""
        return int(self.sample_rate_hz * self.window_ms / 1000 + WHOLE)

    @property
    def transform_samples(self) -> int:
        """Length of the Fourier transform: the next power of two."""
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def centres_hz(self) -> list[float]:
        """Frequency of the peak of each band, Hz, lowest first."""
        return [float(700 * math.expm1(mel / 1127)) for mel in self._edges_mel()[1:-1]]

    @property
    def empty_bands(self) -> list[int]:
        """Bands, from 0, that lie between two bins of the transform and so hold nothing in any sound."""
        return np.flatnonzero(~_weights(self).any(axis=1)).tolist()

    def frame_energies(self, waveform: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the energy of each band in each whole frame.

        A frame x loses its mean; becomes ``y[i] = x[i] - 0.97 x[i-1]`` with ``x[-1] = x[0]``; is multiplied by the Hann
        window ``0.5 - 0.5 cos(2 pi i / (N - 1))``, filled with zeros to a power of two and transformed. A band is the
        weighted sum of squared magnitudes, with weights that rise and fall linearly in mel(f) = 1127 ln(1 + f / 700),
        and without the bin at half the rate.

        Parameters
        ----------
        waveform : ndarray of float, shape (samples,)
            Sound pressure, ±1 at full scale.

        Returns
        -------
        ndarray of float64, shape (bands, frames)
            ``frames = 1 + (samples - N) // shift``, or none of a sound shorter than a frame.
        """
        if len(waveform) < self.window_samples:
            return np.zeros((self.n_bands, 0))
        position = np.arange(self.window_samples)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * position / (self.window_samples - 1))
        frames = np.lib.stride_tricks.sliding_window_view(waveform, self.window_samples)[:: self.shift_samples]
        energies = np.empty((self.n_bands, len(frames)))
        for begin in range(0, len(frames), BLOCK_FRAMES):
            block = frames[begin : begin + BLOCK_FRAMES].astype(np.float64) * FULL_SCALE
            block -= block.mean(axis=1, keepdims=True)
            emphasised = block.copy()
            emphasised[:, 1:] -= PRE_EMPHASIS * block[:, :-1]
            emphasised[:, 0] -= PRE_EMPHASIS * block[:, 0]
            spectrum = np.fft.rfft(emphasised * window, self.transform_samples)[:, :-1]
            power = np.square(spectrum.real) + np.square(spectrum.imag)
            energies[:, begin : begin + BLOCK_FRAMES] = _weights(self) @ power.T
        return energies

    def spectrogram(self, waveform: NDArray[np.floating], n_bins: int) -> tuple[NDArray[np.float32], int]:
        """Return energies on the bins of responses, linear, and how many bins hold them.

        Where a bin holds several frames it is their geometric mean, floored at `SMALLEST_ENERGY`: its logarithm is the
        mean of theirs. Bins after the last whole frame, or group of frames, are 0; frames after the last bin are cut.

        Parameters
        ----------
        waveform : ndarray of float, shape (samples,)
            Sound pressure, ±1 at full scale.
        n_bins : int
            Bins of the responses.

        Returns
        -------
        ndarray of float32, shape (bands, n_bins)
            Energies, lowest band first.
        int
            Bins that hold a frame.
        """
        energies = self.frame_energies(waveform)
        if self.frames_per_bin > 1:
            whole = energies.shape[1] // self.frames_per_bin
            groups = energies[:, : whole * self.frames_per_bin].reshape(self.n_bands, whole, self.frames_per_bin)
            energies = np.exp(np.log(np.maximum(groups, SMALLEST_ENERGY)).mean(axis=2))
        n_frames = min(n_bins, energies.shape[1])
        placed = np.zeros((self.n_bands, n_bins), np.float32)
        placed[:, :n_frames] = energies[:, :n_frames]
        return placed, n_frames

    def _edges_mel(self) -> NDArray[np.float64]:
        low, high = (1127 * math.log1p(hertz / 700) for hertz in (self.low_hz, self.high_hz))
        return np.asarray(low + np.arange(self.n_bands + 2) * ((high - low) / (self.n_bands + 1)), np.float64)


@functools.lru_cache(maxsize=4)
def _weights(bank: KaldiFilterBank) -> NDArray[np.float64]:
    """Return the weights of the transform's bins in each band, shape (bands, bins without that at half the rate)."""
    frequency = np.arange(bank.transform_samples // 2) * (bank.sample_rate_hz / bank.transform_samples)
    mel = 1127 * np.log1p(frequency / 700)
    edges = bank._edges_mel()
    width = edges[1] - edges[0]
    rising = (mel - edges[:-2, None]) / width
    falling = (edges[2:, None] - mel) / width
    return np.maximum(0.0, np.minimum(rising, falling))


def _refuse_unless(holds: bool, field: str, found: object, expected: str) -> None:
    if not holds:
        raise ParameterError(
            "A filter bank cannot be made with this value", field=field, found=found, expected=expected
        )
