"""The calls of the corpus, cut slot by slot from the recording that was played, which is never held as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from builders.downer2025.sounds import Sound
from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.matlab import REPAIR, load_variables

CALL_TIMES = "stimuli/SqMoPhys_MVOCStimcodes.mat"
CALL_RECORDING = "stimuli/MonkVocs_15Blocks.wav"
SILENT_S = 0.1
"""Silence that ends a call, s: 4100 samples (the lab's code)."""
SILENT_BELOW = 30
"""16-bit values of silence are below this: |x| / 30000 < 1e-3 (the lab's code)."""
PULSE_GAP_S = 0.001
"""Zeros between two onset pulses last longer than this, s; within one they do not."""
ONSET_TOLERANCE_S = 0.001

Int16 = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Slots:
    """When each call of the recording begins.

    Parameters
    ----------
    codes : ndarray of int64, shape (slots,)
        Number of the call.
    starts_s : ndarray of float64, shape (slots,)
        Start of the slot, s, ascending.
    """

    codes: NDArray[np.int64]
    starts_s: NDArray[np.float64]


class _Recording:
    """The recording of all calls: sound on its first channel, onset pulses on its second."""

    def __init__(self, path: Path, file: soundfile.SoundFile, slots: Slots) -> None:
        self.path, self._file, self.rate_hz = path, file, int(file.samplerate)
        self.starts_s = slots.starts_s
        self.lengths_s = np.diff(np.append(slots.starts_s, file.frames / file.samplerate))

    def sample(self, seconds: float) -> int:
        """Return the sample at a time."""
        return round(float(seconds) * self.rate_hz)

    def read(self, slot: int, duration_s: float | None = None) -> Int16:
        """Return the beginning of a slot, or all of it: shape (samples, 2)."""
        begin = self.sample(self.starts_s[slot])
        wanted = self.sample(self.lengths_s[slot] if duration_s is None else duration_s)
        self._file.seek(begin)
        samples: Int16 = self._file.read(min(wanted, self._file.frames - begin), dtype="int16")
        return samples


def read_calls(times: Path, recording: Path, channels: str) -> tuple[list[Sound], list[str]]:
    """Cut the calls from the recording, each from its first slot.

    Parameters
    ----------
    times, recording : Path
        Table of the slots, and the recording.
    channels : str
        ``"sound"``: the first channel. ``"mean"``: the mean of both, with half of every onset pulse in it.

    Returns
    -------
    list of Sound
        In ascending order of their numbers.
    list of str
        What a user should know.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A file is missing or not as published.
    """
    slots = _read_slots(times)
    with _opened(recording) as file:
        if slots.starts_s[-1] >= file.frames / file.samplerate:
            raise RawFormatError(
                "A slot begins after the end of the recording of calls",
                path=times,
                field="mVocsStimOnTimes",
                found=f"{slots.starts_s[-1]:g} s",
                expected=f"before {file.frames / file.samplerate:g} s, the end of {recording.name}",
                mend=REPAIR,
            )
        whole = _Recording(recording, file, slots)
        pulses = [_pulses(whole.read(number)[:, 1], whole.rate_hz) for number in range(len(slots.codes))]
        calls = []
        for code in np.unique(slots.codes).tolist():
            calls.append(_call(code, np.flatnonzero(slots.codes == code).tolist(), whole, channels, pulses))
    late = sum(not _at_onset(of_slot, whole.rate_hz) for of_slot in pulses)
    note = f"{late} of {len(pulses)} slots of the calls do not begin with an onset pulse within 1 ms."
    return calls, [note] if late else []


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open the recording.

    Raises
    ------
    MissingRawFileError, RawFormatError
        Not there, cut short, or not as published.
    """
    if not path.is_file():
        raise MissingRawFileError("The recording of calls is missing", path=path, expected="a file", mend=REPAIR)

    def error(found: object, expected: str) -> RawFormatError:
        return RawFormatError(
            "The recording of calls is not as published", path=path, found=found, expected=expected, mend=REPAIR
        )

    with path.open("rb") as header:
        # libsndfile reads a file that was cut short without complaint.
        declared = 8 + int.from_bytes(header.read(8)[4:], "little")
    if declared > path.stat().st_size:
        raise error(f"{path.stat().st_size} bytes", f"{declared} bytes")
    try:
        with soundfile.SoundFile(path) as file:
            if (file.channels, file.subtype) != (2, "PCM_16") or not file.frames:
                raise error(f"{file.channels} channels, {file.subtype}", "two channels of 16 bits: sound, onset pulses")
            yield file
    except soundfile.LibsndfileError as failure:
        raise error(failure, "WAV") from failure


def _read_slots(path: Path) -> Slots:
    variables = load_variables(path, ["mVocsStimCodes", "mVocsStimOnTimes"])
    codes, starts = (variables[name].ravel() for name in ("mVocsStimCodes", "mVocsStimOnTimes"))

    def error(name: str, found: object, expected: str) -> RawFormatError:
        return RawFormatError(
            "The table of slots is not as published", path=path, field=name, found=found, expected=expected, mend=REPAIR
        )

    for name, values in (("mVocsStimCodes", codes), ("mVocsStimOnTimes", starts)):
        if values.dtype.kind not in "iuf" or not values.size or not np.isfinite(values).all():
            raise error(name, f"{values.dtype} of shape {values.shape}", "finite numbers")
    if len(codes) != len(starts):
        raise error("mVocsStimOnTimes", f"{len(starts)} starts", f"{len(codes)}, one per slot")
    wrong = codes[(codes < 1) | (codes != np.floor(codes))]
    if len(wrong):
        raise error("mVocsStimCodes", wrong[0], "whole numbers from 1 on")
    if starts[0] < 0 or (np.diff(starts) <= 0).any():
        raise error("mVocsStimOnTimes", "not ascending", "each slot after the one before, s")
    return Slots(codes.astype(np.int64), starts.astype(np.float64))


def _call(code: int, slots: list[int], whole: _Recording, channels: str, pulses: list[list[int]]) -> Sound:
    first, lengths_s = slots[0], whole.lengths_s[slots]
    duration_s = float(lengths_s.min())
    both = whole.read(first, duration_s)
    longest = whole.read(slots[int(np.argmax(lengths_s))])[:, 0]
    metadata: Mapping[str, object] = {
        "call_duration_s": _end_of_call(longest, whole.rate_hz),
        "n_reps_in_wav": len(slots),
        "slot_onset_s": float(whole.starts_s[first]),
        "pulse_onset_ms": pulses[first][0] * 1000 / whole.rate_hz if pulses[first] else None,
        "n_pulses": len(pulses[first]),
    }
    # A copy, or the other channel would be kept too.
    samples = both[:, 0].copy() if channels == "sound" else both.sum(axis=1, dtype=np.float32) / np.float32(65536)
    return Sound(code, f"mvoc_{code:03d}", samples, whole.rate_hz, duration_s, metadata)


def _end_of_call(samples: Int16, rate_hz: int) -> float | None:
    """Return when the first silence of 100 ms begins, s; None where there is none."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) >= SILENT_BELOW)
    edges = np.concatenate([[-1], loud, [len(samples)]])
    silent = np.flatnonzero(np.diff(edges) - 1 >= SILENT_S * rate_hz)
    return float(edges[silent[0]] + 1) / rate_hz if len(silent) else None


def _pulses(track: Int16, rate_hz: int) -> list[int]:
    """Return the first sample of each onset pulse of a slot."""
    high = np.flatnonzero(track)
    if not len(high):
        return []
    first = np.concatenate([[True], np.diff(high) > PULSE_GAP_S * rate_hz])
    return high[first].tolist()


def _at_onset(pulses: list[int], rate_hz: int) -> bool:
    return bool(pulses) and pulses[0] <= ONSET_TOLERANCE_S * rate_hz
