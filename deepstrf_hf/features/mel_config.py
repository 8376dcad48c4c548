"""Parameters of corpora whose stimuli are mel spectrograms, and the spectrograms they make of sounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.errors import DeepstrfError, ParameterError, RawFormatError
from deepstrf_hf.features.mel import COMPRESSIONS, FRAMES, empty_bands, mel_spectrogram, shortest_sound


@dataclass
class MelConfig(CorpusConfig):
    """Parameters of mel spectrograms; the defaults are the published ones of CRCNS AA1, AA2 and AA4."""

    SAMPLE_RATE_HZ: ClassVar[int]
    """Rate of the corpus's sounds, Hz."""

    dt_ms: float = parameter(1.0, "bin width of responses and spectrogram", unit="ms")
    n_bands: int = parameter(32, "bands of the mel spectrogram, from 0 to half the sampling rate of the sound")
    compression: str = parameter("cubic", "cube root of the power, ln(1 + power), or none", choices=COMPRESSIONS)
    window_ms: float = parameter(10.0, "length of the spectrogram's Hann window; at least a bin", unit="ms")
    frames: str = parameter(
        "fixed_hop",
        "hop cut to whole samples, so that frames may slip against the bins, and a last frame at or past the end of "
        "the sound, as published; or frames on their bins, as many as the sound has",
        choices=FRAMES,
    )

    def check(self) -> None:
        """Check all values (errors as in the base), and that none would be ignored."""
        super().check()
        if self.n_bands < 1 or not 0 < self.window_ms < float("inf"):
            raise ParameterError(
                "A mel spectrogram needs a band and a window",
                field="n_bands, window_ms",
                found=f"{self.n_bands} bands, {self.window_ms:g} ms",
                expected="1 or more, > 0 ms",
            )
        shortest_ms = 1000 / self.SAMPLE_RATE_HZ
        if not shortest_ms * (1 - 1e-9) <= self.dt_ms < float("inf"):
            raise ParameterError(
                "A bin is narrower than a sample of the sounds, or without end",
                field="dt_ms",
                found=self.dt_ms,
                expected=f"at least {shortest_ms:.6g} ms",
            )
        if "window_ms" in self.changed_parameters() and self.window_ms < self.dt_ms:
            raise ParameterError(
                "A parameter would have no effect: the window is at least as long as a bin",
                field="window_ms",
                found=f"{self.window_ms:g} ms, with bins of {self.dt_ms:g} ms",
                expected=f"at least {self.dt_ms:g} ms",
                mend="leave it out, or choose a narrower dt_ms",
            )

    def spectrogram(self, waveform: NDArray[np.floating], sample_rate_hz: int, path: Path) -> NDArray[np.float32]:
        """Make the spectrogram of a sound.

        Parameters
        ----------
        waveform : ndarray of float, shape (samples,)
            Sound pressure, ±1 at full scale.
        sample_rate_hz : int
            Its rate, Hz.
        path : Path
            Its file, for messages.

        Returns
        -------
        ndarray of float32, shape (n_bands, bins)
            As `mel_spectrogram`.

        Raises
        ------
        RawFormatError
            Samples that are not finite, or too few of them for the published window.
        ParameterError
            Too few samples for the window that was chosen.
        """
        if not np.isfinite(waveform).all():
            raise RawFormatError("A sound holds samples that are not finite numbers", path=path, field="samples")
        shortest = self._shortest_sound(sample_rate_hz)
        if len(waveform) < shortest:
            published = len(waveform) < type(self)()._shortest_sound(sample_rate_hz)
            error: type[DeepstrfError] = RawFormatError if published else ParameterError
            raise error(
                "A sound is too short for the window of its spectrogram, whose ends are filled by reflection",
                path=path,
                field="samples" if published else "window_ms, dt_ms",
                found=f"{len(waveform)} samples",
                expected=f"at least {shortest} samples, for a window of {max(self.window_ms, self.dt_ms):g} ms",
                mend="leave the sound out with on_error='skip'" if published else "choose a shorter window_ms or dt_ms",
            )
        return mel_spectrogram(
            waveform,
            sample_rate_hz,
            dt_ms=self.dt_ms,
            window_ms=self.window_ms,
            n_bands=self.n_bands,
            compression=self.compression,
            frames=self.frames,
        )

    def empty_bands_note(self, sample_rate_hz: int) -> str | None:
        """Say which bands are zero in every sound of a rate; None where all hold something."""
        empty = empty_bands(
            sample_rate_hz, dt_ms=self.dt_ms, window_ms=self.window_ms, n_bands=self.n_bands, frames=self.frames
        )
        if not empty:
            return None
        return (
            f"Bands {', '.join(map(str, empty))} (from 0) are narrower than the resolution of the window and zero in "
            f"every sound of {sample_rate_hz:,} Hz; a longer window_ms or fewer n_bands fills them."
        )

    def _shortest_sound(self, sample_rate_hz: int) -> int:
        return shortest_sound(sample_rate_hz, dt_ms=self.dt_ms, window_ms=self.window_ms, frames=self.frames)
