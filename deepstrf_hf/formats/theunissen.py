"""The files of the Theunissen lab's single-unit releases (CRCNS AA1 and AA2): ``stim<k>``, ``spike<k>``, wav, names."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from deepstrf_hf.errors import RawDataError, RawFormatError
from deepstrf_hf.formats.wav import read_wav
from deepstrf_hf.responses.binning import BinnedSpikes, bin_spikes

SAMPLE_RATE_HZ = 32_000
"""Rate of every sound of both releases (their README files)."""
WAV_NAME = re.compile(r"[0-9A-F]{32}\.wav")
"""A sound is named by the MD5 of its wav file."""
CELL_NAME = re.compile(r"(?P<animal>[^_]+)_(?P<number>\d+)(?:_(?P<rig>[A-Z]))?")
"""Bird, n-th cell of the bird, and mostly the recording rig: 4_A and 4_B were recorded at the same time."""
STRAY = "not a file of the release"
"""Why files such as .DS_Store are left out."""
_NUMBERED = re.compile(r"(stim|spike)([1-9]\d*)")
_NUMBER_CHARACTERS = b"0123456789+-.eE \t\r\n"
_MEND = "the file is damaged or not the published one: fetch it again, or leave it out with on_error='skip'"


class SpikeTrains(NamedTuple):
    """Spikes of the trials of one ``spike<k>`` file.

    Parameters
    ----------
    times_ms : ndarray of float64, shape (spikes,)
        Times from stimulus onset, ms; negative before it. Trial by trial, ascending within a trial.
    trials : ndarray of int64, shape (spikes,)
        Trial of each spike, from 0.
    n_trials : int
        Number of trials, with those that hold no spike.
    """

    times_ms: NDArray[np.float64]
    trials: NDArray[np.int64]
    n_trials: int


@dataclass(frozen=True, slots=True)
class Presentation:
    """One series of trials of one sound in one cell: a stim file with its spike file.

    Parameters
    ----------
    directory : str
        Directory of the two files, below the raw directory. Its name is a class of sounds.
    number : int
        The k of ``stim<k>`` and ``spike<k>``. It numbers a cell's presentations and does not identify the sound.
    wav : str
        Name of the sound's file.
    """

    directory: str
    number: int
    wav: str

    @property
    def folder(self) -> str:
        """Class of sounds under which the lab filed it."""
        return self.directory.rpartition("/")[2]

    @property
    def stim_file(self) -> str:
        """The file that names the sound."""
        return f"{self.directory}/stim{self.number}"

    @property
    def spike_file(self) -> str:
        """The file of the spikes."""
        return f"{self.directory}/spike{self.number}"


@dataclass(frozen=True)
class CellFiles:
    """What lies in the folder of one cell.

    Parameters
    ----------
    presentations : tuple of Presentation
        Complete ones, by folder and number.
    left_out : tuple of (kind, name, reason)
        Files that belong to no complete presentation.
    faults : tuple of (name, RawDataError)
        Stim files that cannot be read.
    """

    presentations: tuple[Presentation, ...]
    left_out: tuple[tuple[str, str, str], ...]
    faults: tuple[tuple[str, RawDataError], ...]


def cell_metadata(name: str) -> dict[str, Any]:
    """Tell what the name of a cell says.

    Returns
    -------
    dict
        ``cell_id``, ``animal_id`` (what precedes the first underscore), ``cell_seq`` (n-th cell of the bird) and
        ``rig``; the last two None where the name has another pattern.
    """
    match = CELL_NAME.fullmatch(name)
    return {
        "cell_id": name,
        "animal_id": name.partition("_")[0],
        "cell_seq": int(match["number"]) if match else None,
        "rig": match["rig"] if match else None,
    }


def read_stim_file(path: str | Path) -> str:
    """Read a ``stim<k>`` file: the name of the sound that was played.

    Raises
    ------
    RawFormatError
        Not one name of the form <32 hexadecimal digits>.wav; a missing end of line is allowed.
    """
    name = _read_bytes(path).decode("latin-1").strip()
    if not WAV_NAME.fullmatch(name):
        raise RawFormatError(
            "A stim file does not name a sound",
            path=path,
            found=repr(name[:80]),
            expected="<32 upper-case hexadecimal digits>.wav",
            mend=_MEND,
        )
    return name


def read_spike_file(path: str | Path) -> tuple[SpikeTrains, bytes]:
    """Read a ``spike<k>`` file: one line per trial, spike times in ms between blanks; a bare line is a silent trial.

    Returns
    -------
    SpikeTrains, bytes
        The spikes, and the content of the file, by which copies are told from further data.

    Raises
    ------
    RawFormatError
        Cannot be read, is empty, holds something else than numbers, or times that run backwards within a trial (as
        they do where an end of line was lost).
    """
    data = _read_bytes(path)
    lines = data.splitlines()
    if not lines:
        raise RawFormatError(
            "A spike file is empty", path=path, found="0 bytes", expected="a line per trial", mend=_MEND
        )
    try:
        if data.translate(None, _NUMBER_CHARACTERS):
            raise ValueError("characters that are not part of numbers")
        times = np.array([float(text) for text in data.split()], np.float64)
        if not np.isfinite(times).all():
            raise ValueError("numbers without bound")
    except ValueError as error:
        number, line = next((k, line) for k, line in enumerate(lines, 1) if not _all_numbers(line))
        raise RawFormatError(
            "A line of a spike file cannot be read",
            path=path,
            field=f"line {number}",
            found=repr(line[:80].decode("latin-1")),
            expected="spike times in ms between blanks, or nothing",
            mend=_MEND,
        ) from error
    trials = np.repeat(np.arange(len(lines)), [len(line.split()) for line in lines])
    backwards = np.flatnonzero((np.diff(times) < 0) & (np.diff(trials) == 0))
    if len(backwards):
        first = int(backwards[0])
        raise RawFormatError(
            "Spike times of a trial run backwards",
            path=path,
            field=f"line {int(trials[first]) + 1}",
            found=f"{times[first + 1]:g} ms after {times[first]:g} ms",
            expected="ascending times",
            mend=_MEND,
        )
    return SpikeTrains(times, trials, len(lines)), data


def _all_numbers(line: bytes) -> bool:
    try:
        numbers = [float(text) for text in line.split()]
    except ValueError:
        return False
    return bool(np.isfinite(numbers).all()) and not line.translate(None, _NUMBER_CHARACTERS)


def count_spikes(presentations: Sequence[SpikeTrains], n_bins: int, dt_ms: float) -> BinnedSpikes:
    """Count the spikes of several presentations per bin, their trials one after the other.

    Parameters
    ----------
    presentations : sequence of SpikeTrains
        One at least.
    n_bins : int
        Bins.
    dt_ms : float
        Bin width, ms.

    Returns
    -------
    BinnedSpikes
        Counts of shape (trials, bins), and the number of spikes before and after the bins.
    """
    firsts = np.cumsum([0, *(trains.n_trials for trains in presentations)])
    times = np.concatenate([trains.times_ms for trains in presentations])
    trials = np.concatenate([trains.trials + first for trains, first in zip(presentations, firsts, strict=False)])
    return bin_spikes(times, trials, int(firsts[-1]), n_bins, dt_ms)


def list_cell(root: Path, cell: str) -> CellFiles:
    """List the presentations in the folder of a cell, and read which sound each of them is of.

    Parameters
    ----------
    root : Path
        Directory of the raw files.
    cell : str
        Folder of the cell, below it. It holds one folder per class of sounds.

    Returns
    -------
    CellFiles
        What is there. A stim file without spikes, or spikes without a stim file, is left out by name, as is whatever
        else lies there.
    """
    presentations, left_out, faults = [], [], []
    for folder in sorted(os.scandir(root / cell), key=lambda entry: entry.name):
        directory = f"{cell}/{folder.name}"
        if not folder.is_dir():
            left_out.append(("files", directory, STRAY))
            continue
        found: dict[int, set[str]] = {}
        for entry in sorted(os.scandir(folder.path), key=lambda entry: entry.name):
            match = _NUMBERED.fullmatch(entry.name)
            if match is None or not entry.is_file():
                left_out.append(("files", f"{directory}/{entry.name}", STRAY))
            else:
                found.setdefault(int(match[2]), set()).add(match[1])
        for number, kinds in sorted(found.items()):
            if kinds != {"stim", "spike"}:
                present, absent = ("stim", "spike") if kinds == {"stim"} else ("spike", "stim")
                reason = f"there is no {absent} file of its number"
                left_out.append(("presentations", f"{directory}/{present}{number}", reason))
                continue
            try:
                wav = read_stim_file(f"{folder.path}/stim{number}")
            except RawDataError as error:
                faults.append((f"{directory}/stim{number}", error))
            else:
                presentations.append(Presentation(directory, number, wav))
    return CellFiles(tuple(presentations), tuple(left_out), tuple(faults))


def list_sounds(directory: Path) -> tuple[dict[str, Path], list[str]]:
    """List the sounds in a directory.

    Returns
    -------
    dict of str to Path, list of str
        Wav files by name, in order; and the names of whatever else lies there.
    """
    entries = sorted(directory.iterdir())
    sounds = {path.name: path for path in entries if WAV_NAME.fullmatch(path.name) and path.is_file()}
    return sounds, [path.name for path in entries if path.name not in sounds]


def read_sound(path: Path) -> tuple[NDArray[np.int16], str]:
    """Read a sound.

    Returns
    -------
    ndarray of int16, shape (samples,)
        Samples at 32,000 Hz.
    str
        MD5 of the file, upper case, which should be its name.

    Raises
    ------
    RawFormatError
        Not a whole mono wav file of 16 bits at 32,000 Hz.
    """
    samples = read_wav(path, sample_rate_hz=SAMPLE_RATE_HZ, dtype="int16")
    subtype = soundfile.info(path).subtype
    if subtype != "PCM_16":
        raise RawFormatError(
            "A sound has another sample format than its corpus",
            path=path,
            field="sample format",
            found=subtype,
            expected="PCM_16",
            mend=_MEND,
        )
    return samples, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest().upper()


def _read_bytes(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RawFormatError("A raw file cannot be read", path=path, found=error, mend=_MEND) from error
