"""Parameters of Downer 2025."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from deepstrf_hf.config import CorpusConfig, parameter
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.features.kaldi import KaldiFilterBank
from deepstrf_hf.features.resample import resample_windowed_sinc
from deepstrf_hf.responses.tuning import RESAMPLES

CHANNELS = ("sound", "mean")
RESAMPLERS: dict[str, Callable[[NDArray[np.float32], int, int], NDArray[np.float32]]] = {
    "soxr": soxr.resample,
    "windowed_sinc": resample_windowed_sinc,
}


@dataclass
class Downer2025Config(CorpusConfig):
    """Parameters of Downer 2025; the defaults are the published ones, but for the channel of calls."""

    n_bands: int = parameter(80, "mel bands of the spectrogram")
    fmin: float = parameter(0.0, "lower end of the lowest band; Kaldi's own default is 20", unit="Hz")
    fmax: float = parameter(8000.0, "upper end of the highest band", unit="Hz")
    window_ms: float = parameter(25.0, "window of the spectrogram, from the start of each bin on", unit="ms")
    audio_fs: int = parameter(16_000, "rate that sounds are resampled to for the spectrogram", unit="Hz")
    channels: str = parameter(
        "sound",
        "what of the recording of calls is sound: its first channel; or, as in deepSTRF 0.1.0, the mean with the "
        "second, which holds onset pulses",
        choices=CHANNELS,
    )
    resampling: str = parameter(
        "soxr", "resampler of the spectrogram: soxr, or the short kernel of torchaudio", choices=tuple(RESAMPLERS)
    )
    tuning_resamples: int = parameter(
        RESAMPLES, "pairs of trials that the tuning of a neuron is tested with; 0 leaves the columns of tuning null"
    )

    def check(self) -> None:
        """Check all values (errors as in the base), and that none would be ignored."""
        super().check()
        self.filter_bank()
        if self.tuning_resamples != 0 and self.tuning_resamples < 2:
            raise ParameterError(
                "Too few pairs of trials",
                field="tuning_resamples",
                found=self.tuning_resamples,
                expected="0, or 2 or more",
            )
        changed = self.changed_parameters()
        without_effect = []
        if self.cohort == "timit":
            without_effect += ["channels"] if "channels" in changed else []
            without_effect += ["resampling"] if "resampling" in changed and "audio_fs" not in changed else []
        if without_effect:
            raise ParameterError(
                "A parameter would have no effect: sentences have one channel and the rate of the spectrogram",
                field=", ".join(without_effect),
                found=", ".join(repr(changed[name]) for name in without_effect),
                mend="leave it out, or build the cohort mvocs",
            )

    def filter_bank(self) -> KaldiFilterBank:
        """Return what makes spectrograms.

        Raises
        ------
        ParameterError
            It cannot be made with these values.
        """
        return KaldiFilterBank(self.audio_fs, self.dt_ms, self.window_ms, self.n_bands, self.fmin, self.fmax)
