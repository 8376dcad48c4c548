"""Strict reading of WAV files: a file cut short is an error, not a shorter sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import soundfile
from numpy.typing import NDArray

from deepstrf_hf.errors import RawFormatError


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
    mend = "the file is damaged or not the published one: fetch it again"
    declared = _declared_bytes(path, mend)
    try:
        with soundfile.SoundFile(path) as file:
            if file.samplerate != sample_rate_hz:
                raise RawFormatError(
                    "A sound has another sampling rate than its corpus",
                    path=path,
                    field="sampling rate",
                    found=f"{file.samplerate} Hz",
                    expected=f"{sample_rate_hz} Hz",
                    mend=mend,
                )
            if file.channels != channels:
                raise RawFormatError(
                    "A sound has another number of channels than its corpus",
                    path=path,
                    field="channels",
                    found=file.channels,
                    expected=channels,
                    mend=mend,
                )
            samples: NDArray[Any] = file.read(dtype=dtype)
    except soundfile.LibsndfileError as error:
        raise RawFormatError(
            "A sound file cannot be read", path=path, found=error, expected="WAV", mend=mend
        ) from error
    if declared > path.stat().st_size or not len(samples):
        raise RawFormatError(
            "A sound file is cut short",
            path=path,
            found=f"{path.stat().st_size} bytes",
            expected=f"{declared} bytes",
            mend=mend,
        )
    return samples


def _declared_bytes(path: Path, mend: str) -> int:
    """Return the length the RIFF header states; libsndfile reads a truncated file without complaint."""
    with path.open("rb") as file:
        header = file.read(12)
    if header[:4] != b"RIFF" or header[8:12] != b"WAVE":
        raise RawFormatError(
            "A sound file cannot be read",
            path=path,
            found=f"first bytes {header[:12]!r}",
            expected="RIFF WAVE",
            mend=mend,
        )
    return 8 + int.from_bytes(header[4:8], "little")
