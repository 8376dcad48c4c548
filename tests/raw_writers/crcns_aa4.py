"""Write a small synthetic CRCNS AA4 corpus (zebra finch, vocal repertoire) in the raw layout of the real one.

Layout of the release (Elie & Theunissen 2019, doi:10.6080/K00C4T06)::

    <animal>/<unit>.h5                 <protocol>/<number>/<trial>/spike_times, in seconds from the onset of the sound
    <animal>/wavfiles/stim<number>.wav numbers are the bird's own; a sound is known by the MD5 of its file
    CRCNSCode/README.txt

Nothing is recorded: sounds are ripples and harmonic syllables, spikes are drawn at random.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import soundfile
from numpy.typing import NDArray

Float = NDArray[np.float64]
ANIMALS = ("BlaBro09xxF", "GreBlu9508M", "LblBlu2028M", "WhiBlu5396M", "WhiWhi4522M", "YelBlu6903F")
SAMPLE_RATE_HZ = 24_414
SILENT_MARK = -999
PLAIN_SITE = "Site5"


@dataclass(frozen=True, eq=False)
class WrittenSound:
    """A sound: its name in the test, type and class in the files, samples (int16) and rate."""

    name: str
    type: str
    sound_class: str
    samples: NDArray[np.int16]
    rate: int = SAMPLE_RATE_HZ

    @property
    def wav(self) -> bytes:
        """Bytes of its file."""
        buffer = io.BytesIO()
        soundfile.write(buffer, self.samples, self.rate, format="WAV", subtype="PCM_16")
        return buffer.getvalue()

    @property
    def md5(self) -> str:
        """What the unit files call it."""
        return hashlib.md5(self.wav, usedforsecurity=False).hexdigest()

    @property
    def duration_s(self) -> float:
        """Its duration."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, eq=False)
class WrittenPresentation:
    """A group of trials: times in s by trial number; None is a trial that holds the mark for no spikes."""

    protocol: str
    number: int
    sound: WrittenSound
    trials: Mapping[int, Float | None]
    post_time_s: float | None = 1.0
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def spikes(self, trial: int) -> Float:
        """Return the times of a trial, s."""
        times = self.trials[trial]
        return np.empty(0) if times is None else times


@dataclass(frozen=True, eq=False)
class WrittenUnit:
    """A unit file. `encoding` is how text and numbers stand in it: ``"bytes"``, ``"array"`` (MATLAB) or ``"str"``."""

    animal: str
    cell: str
    presentations: Sequence[WrittenPresentation]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    encoding: str = "bytes"

    @property
    def file(self) -> str:
        """Path below the raw directory."""
        return f"{self.animal}/{self.cell}.h5"

    def of(self, sound: WrittenSound) -> list[WrittenPresentation]:
        """Return the presentations of a sound, protocols in the order written."""
        return [one for one in self.presentations if one.sound is sound]


@dataclass(frozen=True)
class Aa4Truth:
    """What :func:`write_crcns_aa4` wrote, to check a reader without the reader.

    Attributes
    ----------
    sounds : dict
        By name.
    numbers : dict
        (animal, name of a sound) -> number, also where the wav is not there.
    units : tuple of WrittenUnit
        All unit files, those that are no units included.
    """

    directory: Path
    sounds: dict[str, WrittenSound]
    numbers: dict[tuple[str, str], int]
    units: tuple[WrittenUnit, ...]

    def unit(self, animal: str, cell: str) -> WrittenUnit:
        """Return a unit by name."""
        return next(unit for unit in self.units if (unit.animal, unit.cell) == (animal, cell))


def make_sound(rng: np.random.Generator, name: str, kind: str, n_samples: int, rate: int = SAMPLE_RATE_HZ,
               channels: int = 1) -> WrittenSound:  # fmt: skip
    """Make a song, call or noise."""
    time = np.arange(n_samples) / rate
    if kind in ("song", "call"):
        phase = 2 * np.pi * np.cumsum(rng.uniform(500, 900) * (1 + 0.1 * np.sin(10 * np.pi * time))) / rate
        wave = sum(np.sin(harmonic * phase) / harmonic for harmonic in (1, 2, 3, 5))
        wave = wave * (np.sin(2 * np.pi * rng.uniform(3, 6) * time) > -0.2)
        wave[: n_samples // 50] = 0.0
    else:
        wave = rng.standard_normal(n_samples) * (1 + 0.8 * np.sin(2 * np.pi * rng.uniform(4, 20) * time))
    samples = np.round(0.7 * wave / np.abs(wave).max() * 32767).astype(np.int16)
    if channels > 1:
        samples = np.stack([np.roll(samples, 7 * channel) for channel in range(channels)], axis=1)
    classes = {"song": "zfsongs", "call": "zfcalls"}
    return WrittenSound(name, kind, classes.get(kind, kind), samples, rate)


def draw_trials(rng: np.random.Generator, sound: WrittenSound, n_trials: int, *, rate_hz: float = 20.0,
                silent: Sequence[int] = (), early: Sequence[int] = ()) -> dict[int, Float | None]:  # fmt: skip
    """Draw trials from 1 s before to 1 s after a sound; `silent` have no spikes, `early` only some before the sound."""
    trials: dict[int, Float | None] = {}
    for trial in range(1, n_trials + 1):
        count = rng.poisson(rate_hz * (sound.duration_s + 2))
        trials[trial] = np.sort(rng.uniform(-1.0, sound.duration_s + 1.0, count))
        if trial in silent:
            trials[trial] = None
        elif trial in early:
            trials[trial] = np.array([-0.75, -0.02])
    return trials


def write_sound(directory: Path, animal: str, number: int, sound: WrittenSound) -> Path:
    """Write a sound into a bird's folder."""
    path = directory / animal / "wavfiles" / f"stim{number}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sound.wav)
    return path


def write_unit(directory: Path, unit: WrittenUnit) -> Path:
    """Write a unit file."""
    path = directory / unit.file
    path.parent.mkdir(parents=True, exist_ok=True)
    matlab = unit.encoding == "array"

    def encoded(value: Any) -> Any:
        if isinstance(value, str):
            kinds = {"bytes": np.bytes_, "array": lambda text: np.array([text.encode()]), "str": str}
            return kinds[unit.encoding](value)
        return np.array([[value]]) if matlab else value

    with h5py.File(path, "w") as file:
        for name, value in {"tank_name": unit.animal, "source_directory": "/synthetic", **unit.attributes}.items():
            file.attrs[name] = encoded(value)
        file.create_group("class_info/zfsongs").attrs["n"] = 1
        file.create_group("extra_info/misc").attrs["n"] = 1
        for one in unit.presentations:
            group = file.require_group(one.protocol).create_group(str(one.number))
            attributes = {
                "stim_md5": one.sound.md5, "stim_duration": one.sound.duration_s, "stim_type": one.sound.type,
                "stim_class": one.sound.sound_class, "stim_source": "synthetic", "stim_source_sex": "M",
                "original_wavfile": "orig.wav", "tdt_wavfile": f"stim{one.number}.wav", "zscore": 0.0, "tstat": 0.0,
                "pvalue": 0.0, **one.attributes,
            }  # fmt: skip
            for name, value in attributes.items():
                if value is not None:
                    group.attrs[name] = encoded(value)
            for trial, times in one.trials.items():
                _write_trial(group.create_group(str(trial)), times, one.post_time_s, matlab)
    return path


def _write_trial(group: h5py.Group, times: Float | None, post_time_s: float | None, matlab: bool) -> None:
    attributes = {"bg_rate": 1.0, "peri_rate": 1.0, "pre_time": 1.0, "post_time": post_time_s}
    for name, value in attributes.items():
        if value is not None:
            group.attrs[name] = np.array([value]) if matlab else value
    values: Any = SILENT_MARK if times is None else times
    ids: Any = SILENT_MARK if times is None else np.arange(len(times))
    group["spike_times"] = np.atleast_2d(values) if matlab else values
    group["spike_ids"] = np.atleast_2d(ids) if matlab else ids


def unit_attributes(cell: str, sort_type: str, **changes: Any) -> dict[str, Any]:
    """Return the attributes of a unit as its name tells them: ``Site1_L1400R1200_e10_s0_ss1``."""
    site, depths, electrode, sort = cell.split("_")[:4]
    left, _, right = depths.removeprefix("L").partition("R")
    attributes = {"site": site, "ldepth": int(left), **({"rdepth": int(right)} if right else {}),
                  "electrode": int(electrode[1:]), "sortid": int(sort[1:]), "sortType": sort_type}  # fmt: skip
    return {name: value for name, value in {**attributes, **changes}.items() if value is not None}


NUMBERS: Mapping[str, Mapping[str, int]] = {
    "BlaBro09xxF": {"song1": 85, "song2": 9, "call1": 10, "noise1": 100, "white": 3},
    "GreBlu9508M": {"song1": 2, "song2": 11, "call1": 31, "call2": 4},
    "LblBlu2028M": {"song1": 5, "call2": 6, "nowhere": 8},
    "WhiBlu5396M": {"noise1": 1, "white": 2, "call1": 7, "call2": 8, "call3": 9},
    "WhiWhi4522M": {"fast": 12, "song2": 13},
    "YelBlu6903F": {"song1": 1, "call1": 2},
}
"""Number of each sound in each bird."""
WITHOUT_WAV = {("BlaBro09xxF", "song2"), ("LblBlu2028M", "call2"), ("LblBlu2028M", "nowhere")}
"""Units name these, but the bird's folder lacks the file; `nowhere` is in no folder at all."""


def write_crcns_aa4(
    directory: Path, *, seed: int = 0, extra_units: int = 1, birds: Sequence[str] = ANIMALS
) -> Aa4Truth:
    """Write a tree with the irregularities of the real one.

    Parameters
    ----------
    directory : Path
        Made where it is not there.
    seed : int
        Same arguments, same values.
    extra_units : int
        Plain units per bird, beside the irregular ones.
    birds : sequence of str
        Birds whose folders are written; what is in them does not depend on it.

    Returns
    -------
    Aa4Truth
        What was written, of these birds.
    """
    rng = np.random.default_rng(seed)
    kinds = {"song1": ("song", 12_207), "song2": ("song", 8_500), "call1": ("call", 4_003), "call2": ("call", 6_100),
             "call3": ("call", 3_500), "noise1": ("mlnoise", 9_000), "white": ("whitenoise", 4_500),
             "nowhere": ("call", 3_000)}  # fmt: skip
    sounds = {name: make_sound(rng, name, kind, length) for name, (kind, length) in kinds.items()}
    sounds["fast"] = make_sound(rng, "fast", "song", 13_230, rate=44_100)

    def present(animal: str, protocol: str, name: str, n_trials: int, **options: Any) -> WrittenPresentation:
        trials = draw_trials(rng, sounds[name], n_trials, **options)
        return WrittenPresentation(protocol, NUMBERS[animal][name], sounds[name], trials)

    def late(animal: str, name: str) -> WrittenPresentation:
        times = np.array([sounds[name].duration_s + 0.4])
        return WrittenPresentation("Call1", NUMBERS[animal][name], sounds[name], {1: times, 2: times})

    bla, gre, lbl, wbl, wwh, yel = ANIMALS
    plan: list[tuple[str, str, str, list[WrittenPresentation], str]] = [
        # 11 trials, one without spikes, one with spikes before the sound only; a wav that only other birds have;
        # a sound of another type
        (bla, "Site1_L1400R1400_e10_s0_ss1", "single",
         [present(bla, "Call1", "song1", 11, silent=(3,), early=(5,)), present(bla, "Call1", "song2", 5),
          present(bla, "Call1", "call1", 10), present(bla, "STRF1", "noise1", 10),
          present(bla, "STRF1", "white", 10)], "bytes"),
        (bla, "Site1_L1400R1400_e10_s0_ss2", "singl",
         [present(bla, "Call1", "song1", 10), present(bla, "Call1", "call1", 9, silent=(1, 2))], "array"),
        (bla, "Site1_L1400R1400_e11_s1", "multi", [present(bla, "Call1", "call1", 10)], "str"),
        (bla, "Site1_L1400R1400_e12_s0_ss1", "noise", [present(bla, "Call1", "call1", 10)], "bytes"),
        (bla, "Site1_L1400R1400_e12_s0", "tdt", [present(bla, "Call1", "call1", 10)], "bytes"),
        # one sound under two protocols
        (gre, "Site2_L1000R1200_e3_s0_ss1", "multi",
         [present(gre, "Call1", "song1", 10), present(gre, "Call1", "song2", 8),
          present(gre, "Call2", "song1", 4)], "bytes"),
        # a unit without any spike
        (gre, "Site2_L1000R1200_e4_s0_ss1", "single",
         [present(gre, "Call1", "call2", 10, silent=range(1, 11))], "bytes"),
        # two units of one name in two birds
        (gre, "Site1_L1000R1000_e1_s0_ss1", "single", [present(gre, "Call1", "call1", 10)], "bytes"),
        (yel, "Site1_L1000R1000_e1_s0_ss1", "single",
         [present(yel, "Call1", "song1", 10), present(yel, "Call1", "call1", 10)], "bytes"),
        # one array only; a sound whose wav no bird has
        (lbl, "Site3_L900_e2_s0_ss1", "single",
         [present(lbl, "Call1", "song1", 10), present(lbl, "Call1", "call2", 6),
          present(lbl, "Call1", "nowhere", 6)], "bytes"),
        # spikes after the sound only; a sound that nobody answers
        (wbl, "Site1_L500R500_e32_s0_ss1", "multi",
         [present(wbl, "Call1", "call1", 10), late(wbl, "call2"),
          present(wbl, "Call1", "call3", 6, silent=range(1, 7)),
          present(wbl, "STRF1", "noise1", 10, rate_hz=60.0)], "bytes"),
        # a sound of another rate
        (wwh, "Site1_L700R700_e5_s0_ss1", "single",
         [present(wwh, "Call1", "fast", 10), present(wwh, "Call1", "song2", 10)], "bytes"),
    ]  # fmt: skip
    for number in range(extra_units):
        for animal in ANIMALS:
            names = [name for name in NUMBERS[animal] if sounds[name].type in ("song", "call") and name != "nowhere"]
            cell = f"{PLAIN_SITE}_L1500R1600_e{number % 32 + 1}_s0_ss{number // 32 + 1}"
            plain = [present(animal, "Call1", name, 10) for name in names if name != "call3"]
            plan.append((animal, cell, "single", plain, "bytes"))
    units = tuple(
        WrittenUnit(animal, cell, presentations, unit_attributes(cell, sort_type), encoding)
        for animal, cell, sort_type, presentations, encoding in plan
        if animal in birds
    )
    for unit in units:
        write_unit(directory, unit)
    numbers = {(animal, name): number for animal in birds for name, number in NUMBERS[animal].items()}
    for (animal, name), number in numbers.items():
        if (animal, name) not in WITHOUT_WAV:
            write_sound(directory, animal, number, sounds[name])
    for animal in birds:
        (directory / animal / "wavfiles" / "notes.txt").write_text("x")
    (directory / "CRCNSCode").mkdir(parents=True, exist_ok=True)
    (directory / "CRCNSCode" / "README.txt").write_text("synthetic\n")
    return Aa4Truth(directory, sounds, numbers, units)
