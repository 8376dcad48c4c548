"""Waveforms on the bins of the responses: resampled, placed, cut or padded."""

from __future__ import annotations

import math

import numpy as np
import soxr
from numpy.typing import NDArray

from deepstrf_hf.audio import decode_audio
from deepstrf_hf.errors import TableFormatError


def waveform_on_bins(
    encoded: bytes, stim_id: str, sample_rate_hz: float, audio_fs: int, n_samples: int, onset_ms: float | None
) -> NDArray[np.float32]:
    """Decode a stimulus so that sample j belongs to response bin j // hop.

    Parameters
    ----------
    encoded : bytes
        Encoded audio, as in the stimuli table.
    stim_id : str
        Whose it is, for messages.
    sample_rate_hz : float
        True rate of the samples, Hz.
    audio_fs : int
        Rate wanted, Hz; other rates are resampled with soxr's high quality.
    n_samples : int
        Length wanted: bins times hop.
    onset_ms : float, optional
        When the waveform begins after the first bin does, ms; silence comes before, or, where it is negative, the
        beginning is cut. None is 0.

    Returns
    -------
    ndarray of float32, shape (n_samples,)
        Silence where the waveform does not reach.

    Raises
    ------
    TableFormatError
        The bytes are not a sound file, or the onset is no time.
    """
    if not math.isfinite(onset_ms or 0.0):
        raise TableFormatError(
            "The onset of a waveform is no time", field=stim_id, found=onset_ms, mend="build or download it again"
        )
    samples = decode_audio(encoded, stim_id)
    if sample_rate_hz != audio_fs:
        samples = soxr.resample(samples, sample_rate_hz, audio_fs)
    onset = round((onset_ms or 0.0) * audio_fs / 1000)
    heard = samples[max(0, -onset) :]
    begin = min(max(0, onset), n_samples)
    placed = np.zeros(n_samples, np.float32)
    placed[begin : begin + len(heard)] = heard[: n_samples - begin]
    return placed
