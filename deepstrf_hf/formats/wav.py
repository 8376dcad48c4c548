"""Strict reading of WAV files: a file cut short is an error, not a shorter sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from deepstrf_hf.errors import MissingRawFileError, RawFormatError

REPAIR = "the file is damaged or not the published one: fetch it again"


class Sound(NamedTuple):
    """A waveform.

    Parameters
    ----------
    samples : ndarray, shape (samples,) or (samples, channels)
        int16 where the file holds 16-bit samples, else float32.
    sample_rate_hz : int
        As its header states it.
    """

    samples: NDArray[Any]
    sample_rate_hz: int

    def one_channel(self) -> NDArray[np.float32]:
        """Return samples as float32 in ±1, shape (samples,): 16-bit values over 32768, the mean over channels."""
        scaled = self.samples.astype(np.float32) / np.float32(32768 if self.samples.dtype == np.int16 else 1)
        return scaled if scaled.ndim == 1 else scaled.mean(axis=1, dtype=np.float32)


def read_sound(path: Path) -> Sound:
    """Read a sound file of any rate and number of channels.

    Raises
    ------
    MissingRawFileError
        It is not there.
    RawFormatError
        Not a sound file, or cut short.
    """
    if not path.is_file():
        raise MissingRawFileError("A sound file is missing", path=path, expected="a WAV file", mend="fetch it again")
    try:
        header = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise RawFormatError(
            "A sound file cannot be read", path=path, found=error, expected="WAV", mend=REPAIR
        ) from error
    dtype = "int16" if header.subtype == "PCM_16" else "float32"
    samples = read_wav(path, sample_rate_hz=header.samplerate, channels=header.channels, dtype=dtype)
    return Sound(samples, header.samplerate)


def read_wav(path: Path, *, sample_rate_hz: int, channels: int = 1, dtype: str = "float32") -> NDArray[Any]:
    """Read a sound file of known rate.

    Parameters
    ----------
    path : Path
        The file; its format is told by its content, so it needs no extension.
    sample_rate_hz : int
        Rate its header must state, Hz.
    channels : int
        Channels it must have.
    dtype : str
        ``"float32"`` or ``"int16"``.

    Returns
    -------
    ndarray, shape (samples,) or (samples, channels)
        Values as stored.

    Raises
    ------
    RawFormatError
        Not a sound file, cut short, or of another rate or number of channels.
    """
    declared = _declared_bytes(path)
    try:
        with soundfile.SoundFile(path) as file:
            if file.samplerate != sample_rate_hz:
                raise RawFormatError(
                    "A sound has another sampling rate than its corpus",
                    path=path,
                    field="sampling rate",
                    found=f"{file.samplerate} Hz",
                    expected=f"{sample_rate_hz} Hz",
                    mend=REPAIR,
                )
            if file.channels != channels:
                raise RawFormatError(
                    "A sound has another number of channels than its corpus",
                    path=path,
                    field="channels",
                    found=file.channels,
                    expected=channels,
                    mend=REPAIR,
                )
            samples: NDArray[Any] = file.read(dtype=dtype)
    except soundfile.LibsndfileError as error:
        raise RawFormatError(
            "A sound file cannot be read", path=path, found=error, expected="WAV", mend=REPAIR
        ) from error
    if declared > path.stat().st_size or not len(samples):
        raise RawFormatError(
            "A sound file is cut short",
            path=path,
            found=f"{path.stat().st_size} bytes",
            expected=f"{declared} bytes",
            mend=REPAIR,
        )
    return samples


def _declared_bytes(path: Path) -> int:
    """Return the length the RIFF header states; libsndfile reads a truncated file without complaint."""
    with path.open("rb") as file:
        header = file.read(12)
    if header[:4] != b"RIFF" or header[8:12] != b"WAVE":
        raise RawFormatError(
            "A sound file cannot be read",
            path=path,
            found=f"first bytes {header[:12]!r}",
            expected="RIFF WAVE",
            mend=REPAIR,
        )
    return 8 + int.from_bytes(header[4:8], "little")
