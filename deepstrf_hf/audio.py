"""Waveforms in tables: lossless, playable, and the same bytes every time."""

from __future__ import annotations

import io
import math
from numbers import Real
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from deepstrf_hf.errors import BuilderContractError, TableFormatError
from deepstrf_hf.recording import Stimulus

FLAC_HIGHEST_RATE = 65_535
"""Hz; above it the FLAC format holds only multiples of 10 (RFC 9639, section 9.1.2)."""


def audio_bytes(stimulus: Stimulus) -> dict[str, Any] | None:
    """Encode the waveform of a stimulus for an ``Audio`` column.

    Integer PCM becomes FLAC. Floating point becomes 32-bit float WAV, which keeps values beyond ±1 (sound pressure in
    Pa, for example). libsndfile stamps the time of writing into float WAV files, so SciPy writes those: the same sound
    must give the same bytes.

    Parameters
    ----------
    stimulus : Stimulus
        With or without waveform.

    Returns
    -------
    dict or None
        ``{"bytes": ..., "path": ...}``, None without a waveform. The rate in the file is the true rate rounded to
        whole Hz; the true rate is in the column ``stim_sample_rate_hz``.

    Raises
    ------
    BuilderContractError
        A waveform without sampling rate, or of a type that cannot be stored without loss.
    """
    waveform, rate = stimulus.waveform, stimulus.sample_rate_hz
    if waveform is None:
        return None
    field = f"waveform of {stimulus.stim_id}"
    if rate is None or not rate > 0:
        raise BuilderContractError("A waveform needs its sampling rate", field=field, found=rate, expected="> 0 Hz")
    file_rate = round(rate)
    buffer = io.BytesIO()
    if waveform.dtype == np.int16 and (file_rate <= FLAC_HIGHEST_RATE or file_rate % 10 == 0):
        soundfile.write(buffer, waveform, file_rate, format="FLAC", subtype="PCM_16")
        return {"bytes": buffer.getvalue(), "path": f"{stimulus.stim_id}.flac"}
    if waveform.dtype not in (np.int16, np.int32, np.float32):
        raise BuilderContractError(
            "This type of waveform cannot be stored without loss",
            field=field,
            found=waveform.dtype,
            expected="int16, int32 or float32",
        )
    import scipy.io.wavfile  # a tenth of a second, and most corpora have integer PCM

    scipy.io.wavfile.write(buffer, file_rate, waveform)
    return {"bytes": buffer.getvalue(), "path": f"{stimulus.stim_id}.wav"}


def audio_onset_ms(stimulus: Stimulus) -> float | None:
    """Return when the waveform of a stimulus begins after the first bin does, ms; None without a waveform.

    Raises
    ------
    BuilderContractError
        Not a finite number.
    """
    onset = stimulus.audio_onset_ms
    if stimulus.waveform is None:
        return None
    if not (isinstance(onset, Real) and math.isfinite(onset)):
        raise BuilderContractError(
            "A waveform must begin at some time",
            field=f"audio_onset_ms of {stimulus.stim_id}",
            found=repr(onset),
            expected="a finite number of ms; 0 where it begins with the first bin",
        )
    return float(onset)


def decode_audio(encoded: bytes, name: str) -> NDArray[np.float32]:
    """Decode the bytes of an ``Audio`` column.

    Parameters
    ----------
    encoded : bytes
        A sound file.
    name : str
        Stimulus, for the error message.

    Returns
    -------
    ndarray of float32, shape (samples,)
        Mean over channels. Integer PCM comes scaled to ±1, floating point as it was stored.

    Raises
    ------
    TableFormatError
        The bytes are not a sound file.
    """
    try:
        samples, _ = soundfile.read(io.BytesIO(encoded), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise TableFormatError("The audio of a stimulus cannot be decoded", field=name, found=error) from error
    return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
