"""Parameters of Alice EEG."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.errors import ParameterError

SAMPLE_RATE_HZ = 44_100
"""Of the twelve sounds."""
WINDOW_SAMPLES = 1024
"""Window of the Gaussian bands, unless `window_ms` is given."""
HEERIS_WINDOW_MS = 25.0
"""Window of the gammatone filter bank, unless `window_ms` is given."""


@dataclass(frozen=True)
class SpectrogramSettings:
    """What the spectrogram of a sound depends on besides the sound (see `AliceEegConfig`)."""

    dt_ms: float
    n_bands: int
    f_min_hz: float
    f_max_hz: float
    window_ms: float | None
    backend: str

    @property
    def window_samples(self) -> int:
        """Length of a frame of Gaussian bands; no shorter than a bin where `window_ms` is given (deepSTRF 0.1.0)."""
        if self.window_ms is None:
            return WINDOW_SAMPLES
        return max(round(self.window_ms * SAMPLE_RATE_HZ / 1000), round(self.dt_ms * SAMPLE_RATE_HZ / 1000))


@dataclass
class AliceEegConfig(CorpusConfig):
    """Parameters of Alice EEG."""

    dt_ms: float = parameter(10.0, "bin width of responses and spectrogram", unit="ms")
    n_bands: int = parameter(8, "frequency bands of the spectrogram")
    f_min: float = parameter(80.0, "centre of the lowest band", unit="Hz")
    f_max: float | None = parameter(
        None, "upper end of the bands, which heeris does not reach; none is half the sampling rate", unit="Hz"
    )
    window_ms: float | None = parameter(
        None, "window of the spectrogram; none is 1024 samples (gaussian) or 25 ms (heeris)", unit="ms"
    )
    spectrogram_backend: str = parameter(
        "gaussian",
        "power in Gaussian bands of a Fourier transform, or RMS amplitude behind gammatone filters; heeris gives 2 to "
        "3 bins less, of the responses too",
        choices=("gaussian", "heeris"),
    )
    high_pass_hz: float | None = parameter(1.0, "corner of the high-pass filter of the EEG; none: no filter", unit="Hz")
    low_pass_hz: float | None = parameter(None, "corner of the low-pass filter of the EEG; none: no filter", unit="Hz")

    @property
    def settings(self) -> SpectrogramSettings:
        """What spectrograms depend on."""
        f_max = SAMPLE_RATE_HZ / 2 if self.f_max is None else self.f_max
        return SpectrogramSettings(
            self.dt_ms, self.n_bands, self.f_min, f_max, self.window_ms, self.spectrogram_backend
        )

    @property
    def rate_hz(self) -> float:
        """Bins per second."""
        return 1000 / self.dt_ms

    def check(self) -> None:
        """Check all values (errors as in the base)."""
        super().check()
        highest = SAMPLE_RATE_HZ / 2
        _require(self.n_bands >= 1, "n_bands", self.n_bands, "one at least")
        _require(0 < self.f_min < self.settings.f_max_hz <= highest, "f_min, f_max", f"{self.f_min}, {self.f_max}",
                 f"0 < f_min < f_max <= {highest:g} Hz")  # fmt: skip
        _require(self.window_ms is None or 0 < self.window_ms < math.inf, "window_ms", self.window_ms, "> 0 ms")
        _require(self.dt_ms * SAMPLE_RATE_HZ / 1000 >= 1, "dt_ms", self.dt_ms, "one sample of the sound at least")
        corners = [corner for corner in (self.high_pass_hz, self.low_pass_hz) if corner is not None]
        _require(all(0 < corner < math.inf for corner in corners) and corners == sorted(set(corners)),
                 "high_pass_hz, low_pass_hz", f"{self.high_pass_hz}, {self.low_pass_hz}",
                 "0 < high pass < low pass")  # fmt: skip


def _require(holds: bool, field: str, found: object, expected: str) -> None:
    if not holds:
        raise ParameterError("A parameter has a value that cannot be used", field=field, found=found, expected=expected)
