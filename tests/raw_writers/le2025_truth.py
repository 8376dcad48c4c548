"""What a synthetic Le 2025 tree is made of, and the truth about one that was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Interval = tuple[float, float]
RATES = {"nat8a": 40_000, "nat8b": 48_000, "synth8b": 44_100}
EXPERIMENT_OF = {
    "nat8a-alpha-responses": "nat8a",
    "nat8a-beta-responses": "nat8a",
    "nat8b-responses": "nat8b",
    "synth8b-responses": "synth8b",
}
LEVELS_DB = {"nat8a": -27.0, "nat8b": -30.0, "synth8b": -30.0}
OLDER_SCHEMA = "https://meliza.org/spec:2/pprox.json#"
NEWER_SCHEMA = "https://meliza.org/spec:2/stimtrial.json#"
CONDITIONS = {"G": "gap", "N": "noise", "GB": "gapnoise", "CB": "continuousnoise"}


@dataclass(frozen=True)
class Motif:
    """A motif: name in nat8b, room of the song bird, duration and critical intervals in ms."""

    encoding: str
    room: str
    duration_ms: int
    intervals: Mapping[str, Interval]


NATURAL = {
    "B189": Motif("nat8mk0", "178B", 837, {"1": (113, 209), "2": (456, 556)}),
    "B2": Motif("nat8mk5", "180B", 1155, {"1": (748, 824), "2": (354, 432)}),
    "O129": Motif("nat8mk6", "178B", 905, {"1": (372, 465), "2": (582, 682)}),
}
UNPLAYED = {"R56": Motif("nat8mk1", "180B", 1087, {"1": (629, 729), "2": (810, 876)})}
"""In the table of songs, without sounds."""
SCRAMBLED = {
    "synth8mk0": Motif("", "", 838, {"2a": (262, 332), "4a": (623, 693)}),
    "synth8mk1": Motif("", "", 755, {"2a": (303, 373), "4a": (669, 739)}),
}
UNLISTED_MOTIF = "Z999"
BIRDS = (  # bird, sex, group, age, cohort, sire
    ("O153", "male", "178B", "1y234d", 1, ""),
    ("P69", "female", "178B", "98d", 1, "B2"),
    ("G158", "female", "180B", "2y", 1, ""),
    ("P47", "male", "180B", "unknown", 1, ""),
    ("C1", "female", "", "214d", 2, ""),
    ("C22", "male", "", "", 2, ""),
    ("P160", "male", "", "1y3d", 2, ""),
    ("Rb291", "male", "", "300d", 3, ""),
    ("C43", "female", "", "1y0d", 3, ""),
    ("C54a", "male", "", "0d", 3, ""),
)
SITES = (  # site, bird, probe, stimulus_set, hemisphere, area
    ("C1_1_1", "C1", "A1x64", "nat8a", "R", "NCM/L3"),
    ("C22_1_1", "C22", "A1x64", "nat8a", "L", "N/A"),
    ("P160_6_1", "P160", "A1x64", "nat8a", "R", "L2a/b"),
    ("Rb219_1_1", "Rb219", "N2", "nat8b", "R", "CM/L1"),
    ("C43_1_1", "C43", "N2", "nat8b", "L", "NCM/L3"),
    ("C43_2_1", "C43", "N2", "synth8b", "L", "NCM/L3"),
    ("C54a_1_2", "C54a", "N2", "synth8b", "R", ""),
)


@dataclass(frozen=True, eq=False)
class WrittenTrial:
    """A trial: its sound (None where there is none of that name), events from onset in ms, and what was recorded."""

    sound: str | None
    times_ms: Float
    recorded_ms: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class WrittenUnit:
    """A file of a unit."""

    folder: str
    stem: str
    trials: tuple[WrittenTrial, ...]

    @property
    def experiment(self) -> str:
        """nat8a, nat8b or synth8b."""
        return EXPERIMENT_OF[self.folder]

    @property
    def neuron_id(self) -> str:
        """Folder without its ending, and name."""
        return f"{self.folder.removesuffix('-responses')}-{self.stem}"

    def heard(self) -> dict[str, list[WrittenTrial]]:
        """Return the trials of each sound, in the order of the file."""
        by_sound: dict[str, list[WrittenTrial]] = {}
        for trial in self.trials:
            if trial.sound is not None:
                by_sound.setdefault(trial.sound, []).append(trial)
        return by_sound


@dataclass(eq=False)
class Le2025Truth:
    """What `write_le2025` wrote, to check a reader without the reader.

    Attributes
    ----------
    directory : Path
        The root, which holds ``metadata``.
    samples : dict
        int16 (samples,) or (samples, 2) by experiment and name of the sound.
    units : dict
        By neuron.
    uuids : dict
        By bird.
    """

    directory: Path
    samples: dict[tuple[str, str], NDArray[np.int16]] = field(default_factory=dict)
    units: dict[str, WrittenUnit] = field(default_factory=dict)
    uuids: dict[str, str] = field(default_factory=dict)

    def sounds(self, experiment: str) -> list[str]:
        """Return the names of the sounds of an experiment, in the order they were written."""
        return [stem for of, stem in self.samples if of == experiment]

    def units_of(self, experiment: str) -> list[WrittenUnit]:
        """Return the units of an experiment."""
        return [unit for unit in self.units.values() if unit.experiment == experiment]

    def duration_s(self, experiment: str, stem: str) -> float:
        """Return the duration of a sound, s."""
        return len(self.samples[experiment, stem]) / RATES[experiment]
