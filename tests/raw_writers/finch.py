"""Sounds, spikes and files in the layout of the Theunissen lab's releases (CRCNS AA1, AA2): invented values."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 32_000
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Presented:
    """One series of trials that was written.

    Parameters
    ----------
    cell, folder : str
        Names of the cell and of the class folder it lies in.
    number : int
        Number of its files.
    wav : str
        Sound.
    trials : tuple of ndarray
        Spike times as the file has them, ms.
    """

    cell: str
    folder: str
    number: int
    wav: str
    trials: tuple[Float, ...]


@dataclass
class FinchTruth:
    """What was written.

    Parameters
    ----------
    root : Path
        Directory of the tree.
    sounds : dict of str to ndarray of int16
        Samples of each wav file, by name.
    classes : dict of str to str
        Class of each sound.
    areas : dict of str to str
        Area of each cell.
    presented : list of Presented
        Complete presentations (a stim file with its spike file), copies left out.
    folders : dict of str to str
        Folder of each cell, below the root.
    """

    root: Path
    sounds: dict[str, NDArray[np.int16]] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    areas: dict[str, str] = field(default_factory=dict)
    presented: list[Presented] = field(default_factory=list)
    folders: dict[str, str] = field(default_factory=dict)

    def of_class(self, name: str) -> list[str]:
        """Return the sounds of a class, in the order they were written."""
        return [wav for wav, kind in self.classes.items() if kind == name]

    def pairs(self) -> dict[tuple[str, str], list[Float]]:
        """Return the trials of each (sound, cell) pair, presentations stacked by number."""
        pairs: dict[tuple[str, str], list[Float]] = {}
        for one in sorted(self.presented, key=lambda one: (one.cell, one.folder, one.number)):
            pairs.setdefault((one.wav, one.cell), []).extend(one.trials)
        return pairs


def synthesise(rng: np.random.Generator, n_samples: int, kind: str) -> NDArray[np.int16]:
    """Make a sound: modulated noise (``"flatrip"``), or syllables of harmonics that begin with digital silence."""
    seconds = np.arange(n_samples) / SAMPLE_RATE_HZ
    if kind == "flatrip":
        modulation = 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(4, 20) * seconds)
        sound = rng.standard_normal(n_samples) * modulation
    else:
        fundamental = rng.uniform(500, 900) * (1 + 0.1 * np.sin(2 * np.pi * 5 * seconds))
        phase = 2 * np.pi * np.cumsum(fundamental) / SAMPLE_RATE_HZ
        sound = np.sum([np.sin(k * phase) / k for k in (1, 2, 3, 5)], axis=0)
        sound *= np.sin(2 * np.pi * rng.uniform(3, 6) * seconds) > -0.2
        sound[: n_samples // 50] = 0
    return np.asarray(np.round(0.7 * 32_767 * sound / np.abs(sound).max()), np.int16)


def write_sound(
    directory: Path, samples: NDArray[Any], *, sample_rate_hz: int = SAMPLE_RATE_HZ, subtype: str = "PCM_16"
) -> str:
    """Write a wav file under the MD5 of its content, as the lab does, and return its name."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate_hz, format="WAV", subtype=subtype)
    name = hashlib.md5(buffer.getvalue(), usedforsecurity=False).hexdigest().upper() + ".wav"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(buffer.getvalue())
    return name


def spike_text(trials: Sequence[Float], line_end: str = " \n") -> str:
    """Write trials as the lab does: times in ms with three decimals, a blank after each; a silent trial: a bare end."""
    return "".join(" ".join(f"{t:.3f}" for t in trial) + line_end if len(trial) else "\n" for trial in trials)


def draw_trials(rng: np.random.Generator, duration_ms: float, n_trials: int, rate_hz: float = 8.0) -> list[Float]:
    """Draw trials from 2 s before a sound to 0.3 s after it, partly locked to it; times ascend, three decimals."""
    locked = np.sort(rng.uniform(0, duration_ms, int(duration_ms / 60)))
    trials = []
    for _ in range(n_trials):
        free = rng.uniform(-2000, duration_ms + 300, rng.poisson(rate_hz * (duration_ms + 2300) / 1000))
        heard = locked[rng.random(locked.size) < 0.7]
        trials.append(np.round(np.sort(np.concatenate([free, heard + rng.normal(0, 1.5, heard.size)])), 3))
    return trials


def edge_trials(duration_ms: float) -> list[Float]:
    """Return a trial with spikes on the edges of bins and outside of the sound, a silent one, and one before onset."""
    times = [-250.5, -1.0, -0.001, 0.0, 0.3, 1.0, 4.999, 5.0, 9.999, duration_ms - 0.001, duration_ms + 250.0]
    return [np.round(np.array(times), 3), np.empty(0), np.array([-400.0, -3.25])]


class FinchWriter:
    """Writes sounds and cells, and keeps the truth about them.

    Parameters
    ----------
    root : Path
        Directory of the tree.
    seed : int
        Of everything drawn.
    sound_directory : callable
        Where the sounds of a class lie.
    line_end : str
        End of a line with spikes.
    """

    def __init__(self, root: Path, seed: int, sound_directory: Callable[[str], Path], line_end: str = " \n") -> None:
        self.rng = np.random.default_rng(seed)
        self.truth = FinchTruth(root)
        self.sound_directory, self.line_end = sound_directory, line_end

    def sound(self, kind: str, n_samples: int, sample_rate_hz: int = SAMPLE_RATE_HZ) -> str:
        """Write a sound of a class and return its name."""
        samples = synthesise(self.rng, n_samples, kind)
        name = write_sound(self.sound_directory(kind), samples, sample_rate_hz=sample_rate_hz)
        self.truth.sounds[name], self.truth.classes[name] = samples, kind
        return name

    def cell(self, folder: str, area: str) -> str:
        """Make the folder of a cell and return its name."""
        name = folder.rpartition("/")[2]
        (self.truth.root / folder).mkdir(parents=True, exist_ok=True)
        self.truth.areas[name], self.truth.folders[name] = area, folder
        return name

    def presentation(
        self, cell: str, kind: str, number: int, wav: str, trials: Sequence[Float], *, spikes: bool = True,
        copy: bool = False,
    ) -> None:  # fmt: skip
        """Write a stim file and its spike file; `spikes` False leaves that away, `copy` keeps it out of the truth."""
        directory = self.truth.root / self.truth.folders[cell] / kind
        directory.mkdir(exist_ok=True)
        (directory / f"stim{number}").write_text(f"{wav}\n", newline="")
        if spikes:
            (directory / f"spike{number}").write_text(spike_text(trials, self.line_end), newline="")
            if not copy:
                self.truth.presented.append(Presented(cell, kind, number, wav, tuple(trials)))

    def series(self, wav: str, n_trials: int, *, edges: bool = False) -> list[Float]:
        """Draw trials for a sound; `edges` puts hand-made ones first, if there are three."""
        duration_ms = len(self.truth.sounds[wav]) / SAMPLE_RATE_HZ * 1000
        trials = draw_trials(self.rng, duration_ms, n_trials)
        if edges and n_trials >= 3:
            trials[:3] = edge_trials(duration_ms)
        return trials
