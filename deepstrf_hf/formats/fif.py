"""Strict reading of continuous EEG recordings in FIF files, through MNE-Python.

MNE reads a file that was cut short without complaint until it comes to the missing samples; so the chain of its tags is
followed first.
"""

from __future__ import annotations

import importlib
import math
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import (
    BuilderContractError,
    MissingDependencyError,
    MissingRawFileError,
    ParameterError,
    RawFormatError,
)

REPAIR = "the file is damaged or not the published one: fetch it again"
TAG = struct.Struct(">iiii")
"""Kind, type, bytes of data, and where the next tag is: 0 right after the data, -1 nowhere."""
FILE_ID, LAST = 100, -1
CHANNELS_AT_ONCE = 16
"""Channels that are held while they are filtered, which bounds memory; each is filtered by itself."""
UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What MNE raises over the content of a file."""


class Channel(NamedTuple):
    """An EEG channel.

    Parameters
    ----------
    name : str
        As the file has it.
    bad : bool
        Whether the file lists it as bad.
    position_m : tuple of float or None
        Of the electrode in the head's frame (x to the right ear, y to the nose, z up), m; None where the file has none.
    """

    name: str
    bad: bool
    position_m: tuple[float, float, float] | None


class Annotation(NamedTuple):
    """A remark on a stretch of the recording.

    Parameters
    ----------
    onset_s, duration_s : float
        Onset from the first sample that the file holds, and duration, s.
    text : str
        The remark.
    """

    onset_s: float
    duration_s: float
    text: str


@dataclass(frozen=True, eq=False)
class FifRecording:
    """What the header of a recording says; samples are read when asked for.

    Parameters
    ----------
    path : Path
        The file.
    sample_rate_hz : float
        Rate, Hz.
    n_samples : int
        Samples of each channel.
    first_sample : int
        Number of the first sample in the measurement that the file is a piece of.
    channels : tuple of Channel
        EEG channels in the order of the file, the bad ones too.
    annotations : tuple of Annotation
        Sorted by onset; those outside of the recording too.
    remarks : tuple of str
        Warnings of MNE.
    """

    path: Path
    sample_rate_hz: float
    n_samples: int
    first_sample: int
    channels: tuple[Channel, ...]
    annotations: tuple[Annotation, ...]
    remarks: tuple[str, ...] = ()

    def resampled(
        self,
        names: Sequence[str],
        rate_hz: float,
        *,
        high_pass_hz: float | None = None,
        low_pass_hz: float | None = None,
        remark: Callable[[str], object] | None = None,
    ) -> NDArray[np.float32]:
        """Read channels, filter them, then resample them.

        Both steps are MNE's with its defaults: a zero-phase FIR filter (``firwin``, Hamming window, 3.3 over the
        narrower transition in length, transitions of a quarter of the corner frequency but 2 Hz at least), which
        leaves out spans annotated ``edge`` or ``bad_acq_skip``; resampling by the Fourier transform. Computed in
        float64.

        Parameters
        ----------
        names : sequence of str
            Channels, in the order wanted.
        rate_hz : float
            Rate wanted, Hz.
        high_pass_hz, low_pass_hz : float, optional
            Corner frequencies, Hz; None for no such filter.
        remark : callable, optional
            Given each warning of MNE.

        Returns
        -------
        ndarray of float32, shape (channels, samples)
            V.

        Raises
        ------
        BuilderContractError
            A name that is not a channel's.
        ParameterError
            Corner frequencies that this recording does not allow.
        RawFormatError
            The samples cannot be read.
        """
        unknown = sorted(set(names) - {channel.name for channel in self.channels})
        if unknown:
            raise BuilderContractError("No such EEG channels", field=", ".join(unknown))
        corners = [corner for corner in (high_pass_hz, low_pass_hz) if corner is not None]
        if any(not 0 < corner < self.sample_rate_hz / 2 for corner in corners) or corners != sorted(set(corners)):
            raise ParameterError(
                "These corner frequencies cannot be applied to a recording",
                path=self.path,
                field="high_pass_hz, low_pass_hz",
                found=f"{high_pass_hz}, {low_pass_hz}",
                expected=f"0 < high pass < low pass < {self.sample_rate_hz / 2:g} Hz",
            )
        groups = [names[first : first + CHANNELS_AT_ONCE] for first in range(0, len(names), CHANNELS_AT_ONCE)]
        pieces = []
        with _explained(self.path) as (mne, said):
            for group in groups:
                recording = mne.io.read_raw_fif(self.path, verbose="WARNING").pick(list(group))
                recording.load_data(verbose="WARNING")
                if corners:
                    recording.filter(high_pass_hz, low_pass_hz, verbose="WARNING")
                recording.resample(rate_hz, verbose="WARNING")
                order = [recording.ch_names.index(name) for name in group]
                pieces.append(recording.get_data(verbose="WARNING")[order].astype(np.float32))
        for text in dict.fromkeys(said):
            if remark is not None:
                remark(f"{self.path}: {text}")
        return np.concatenate(pieces) if pieces else np.empty((0, 0), np.float32)


def read_fif(path: Path) -> FifRecording:
    """Read the header of a recording.

    Parameters
    ----------
    path : Path
        A FIF file with raw data.

    Raises
    ------
    MissingDependencyError
        MNE is not installed.
    MissingRawFileError
        There is no such file.
    RawFormatError
        Not a FIF file, cut short, without raw data or without EEG channels.
    """
    check_tags(path)
    with _explained(path) as (mne, said):
        recording = mne.io.read_raw_fif(path, verbose="WARNING")
        info, kinds = recording.info, sorted(set(recording.get_channel_types()))
        picks = mne.pick_types(info, meg=False, eeg=True, exclude=())
        channels = tuple(
            Channel(info["ch_names"][pick], info["ch_names"][pick] in info["bads"], _position(info["chs"][pick]["loc"]))
            for pick in picks
        )
        annotations = tuple(_annotations(mne, path, recording))
    header = FifRecording(
        path,
        float(info["sfreq"]),
        int(recording.n_times),
        int(recording.first_samp),
        channels,
        annotations,
        tuple(dict.fromkeys(said)),
    )
    if not header.channels:
        raise RawFormatError(
            "A recording has no EEG channels",
            path=path,
            found=", ".join(kinds),
            expected="eeg",
            mend=REPAIR,
        )
    return header


def check_tags(path: Path) -> None:
    """Check that a file is a whole chain of FIF tags.

    Layout: the functional image file format of Neuromag (a tag is a header of 16 bytes, big-endian, and its data).

    Raises
    ------
    MissingRawFileError
        There is no such file.
    RawFormatError
        It does not begin like a FIF file, ends within a tag, or its tags are no chain.
    """
    if not path.is_file():
        raise MissingRawFileError("A recording is missing", path=path, expected="a FIF file", mend="fetch it again")
    size, position, seen = path.stat().st_size, 0, set[int]()
    with path.open("rb") as file:
        while True:
            seen.add(position)
            file.seek(position)
            header = file.read(TAG.size)
            if len(header) < TAG.size:
                raise _broken("A FIF file is cut short", path, f"{size} bytes", "a tag after them")
            kind, _, length, following = TAG.unpack(header)
            if position == 0 and kind != FILE_ID:
                raise _broken("Not a FIF file", path, f"first bytes {header!r}", "a tag of the file's identity")
            end = position + TAG.size + length
            if length < 0 or following < LAST or following in seen - {0}:
                raise _broken("The tags of a FIF file are no chain", path, f"tag {kind} at byte {position}", None)
            if end > size:
                raise _broken("A FIF file is cut short", path, f"{size} bytes", f"{end} bytes or more")
            if following == LAST:
                return
            position = following or end


def _broken(problem: str, path: Path, found: str, expected: str | None) -> RawFormatError:
    return RawFormatError(problem, path=path, found=found, expected=expected, mend=REPAIR)


def _mne() -> ModuleType:
    """Import MNE, which takes a second, when it is needed."""
    try:
        return importlib.import_module("mne")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "Reading FIF files needs MNE-Python", found=f"no {error.name}", mend="pip install 'deepstrf-hf[eeg]'"
        ) from error


@contextmanager
def _explained(path: Path) -> Iterator[tuple[ModuleType, list[str]]]:
    """Make errors of MNE ours, and collect its warnings instead of showing them."""
    mne = _mne()
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield mne, said
        except UNREADABLE as error:
            raise RawFormatError(
                "A recording cannot be read",
                path=path,
                found=f"{type(error).__name__}: {error}",
                expected="a FIF file with raw data",
                mend=REPAIR,
            ) from error
        finally:
            said += [str(entry.message) for entry in caught if issubclass(entry.category, RuntimeWarning)]


def _position(location: NDArray[Any]) -> tuple[float, float, float] | None:
    """Return where an electrode is; files say zero or NaN where nobody measured it."""
    x, y, z = (float(value) for value in location[:3])
    return (x, y, z) if all(map(math.isfinite, (x, y, z))) and any((x, y, z)) else None


def _annotations(mne: ModuleType, path: Path, recording: Any) -> list[Annotation]:
    """Return all annotations of a file, with onsets from its first sample.

    MNE itself drops those outside of the recording, and moves the onset of those that begin before it. Stored onsets
    count from the start of the measurement, of which the file may hold a later piece. They are taken to the
    microsecond, as by MNE: files keep them in single precision, so that 12.805 s would else lie after itself.
    """
    try:
        stored = mne.read_annotations(path)
    except OSError:  # of a file that could be read as a recording: it has none
        return []
    shift = -float(recording.first_time)
    if stored.orig_time is not None and recording.info["meas_date"] is not None:
        shift += (stored.orig_time - recording.info["meas_date"]).total_seconds()
    entries = zip(stored.onset.tolist(), stored.duration.tolist(), map(str, stored.description), strict=True)
    return sorted(Annotation(round(onset, 6) + shift, duration, text) for onset, duration, text in entries)
