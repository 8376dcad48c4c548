"""The raw files of AA4: which units and sounds there are, and what the unit files say of both.

Layout: ``<animal>/<unit>.h5`` and ``<animal>/wavfiles/stim<number>.wav``. A unit file holds
``<protocol>/<number>/<trial>/spike_times``. The number of a sound is its bird's own: the same sound has other numbers
in other birds, and is known everywhere by the MD5 of its file (attribute ``stim_md5``).
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepstrf_hf.errors import RawDataError
from deepstrf_hf.formats.hdf5 import Hdf5Group, open_hdf5
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron

ANIMALS = ("BlaBro09xxF", "GreBlu9508M", "LblBlu2028M", "WhiBlu5396M", "WhiWhi4522M", "YelBlu6903F")
"""In the order of the release; the last letter is the sex."""
STIMULUS_TYPES = ("song", "call", "mlnoise")
UNIT_TYPES = {"single": "single", "singl": "single", "multi": "multi"}
"""Attribute sortType of the units, with its one misspelling."""
NO_UNIT_TYPES = ("noise", "tdt")
NO_PROTOCOL = ("class_info", "extra_info")
"""Groups of a unit file that hold no stimuli."""
DURATION_TOLERANCE_S = 0.001
SUBSORT = re.compile(r"_ss(\d+)$")
WAV_FILE = re.compile(r"stim(\d+)\.wav")
MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Presentation:
    """A sound that a protocol presented to a unit: one group of trials.

    Parameters
    ----------
    protocol : str
        Name of the protocol: ``"Call1"``.
    number : str
        The bird's number of the sound.
    md5 : str
        What the sound is known by, 32 hexadecimal digits.
    """

    protocol: str
    number: str
    md5: str


@dataclass(frozen=True, eq=False)
class ListedUnit:
    """A unit whose file has been looked through.

    Parameters
    ----------
    file : str
        Below the raw directory.
    neuron : Neuron
        Identity and metadata.
    presentations : tuple of Presentation
        In the order of protocols, then of numbers.
    left_out : str or None
        Why it is not a unit, where it is not one.
    strangers : tuple of str
        Members of its file that are neither protocols nor stimuli.
    """

    file: str
    neuron: Neuron
    presentations: tuple[Presentation, ...] = ()
    left_out: str | None = None
    strangers: tuple[str, ...] = ()


@dataclass
class Sound:
    """What the unit files say of a sound; the first file that says something counts.

    Parameters
    ----------
    values : dict
        Stimulus metadata, absent values as None.
    numbers : dict of str to list of str
        Its numbers, by bird.
    contradictions : list of str
        What other birds say that differs.
    """

    values: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(SOUND_ATTRIBUTES))
    numbers: dict[str, list[str]] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)


SOUND_ATTRIBUTES: Mapping[str, tuple[str, type[Any]]] = {
    "type": ("stim_type", str),
    "class": ("stim_class", str),
    "duration_s": ("stim_duration", float),
    "source": ("stim_source", str),
    "source_sex": ("stim_source_sex", str),
    "original_wav": ("original_wavfile", str),
}
"""Attributes of a stimulus group, by the column that holds them."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Everything in a tree but the spikes and the samples.

    Parameters
    ----------
    units : dict of str to list
        By bird: (file, ListedUnit, or RawDataError where the file cannot be read), in text order.
    sounds : dict of str to Sound
        By MD5, of all birds.
    wav_md5 : dict of str to str
        MD5 of each wav file, by its path below the raw directory, birds and numbers in order.
    """

    units: Mapping[str, list[tuple[str, ListedUnit | RawDataError]]]
    sounds: Mapping[str, Sound]
    wav_md5: Mapping[str, str]


def unit_files(raw: RawTree, animal: str) -> list[str]:
    """Return the unit files of a bird, in text order; hidden files that computers leave behind are none."""
    return sorted(f"{animal}/{path.name}" for path in (raw.root / animal).glob("*.h5") if path.name[0] != ".")


def wav_files(raw: RawTree, animal: str) -> list[str]:
    """Return the sounds of a bird, in the order of their numbers; a link to nowhere is none."""
    numbered = [
        (int(match[1]), path.name)
        for path in (raw.root / animal / "wavfiles").glob("*.wav")
        if (match := WAV_FILE.fullmatch(path.name)) and path.is_file()
    ]
    return [wav_file(animal, name) for _, name in sorted(numbered)]


def wav_file(animal: str, name: str) -> str:
    """Return where a sound of a bird lies, below the raw directory."""
    return f"{animal}/wavfiles/{name}"


def natural_order(name: str) -> list[tuple[int, int | str]]:
    """Return a sorting key in which numbers count as numbers: Call2 before Call10."""
    return [(0, int(piece)) if piece.isdecimal() else (1, piece) for piece in re.split(r"([0-9]+)", name) if piece]


def numbered(names: list[str]) -> tuple[list[str], list[str]]:
    """Divide the members of a group into numbers, in ascending order, and the rest."""
    numbers = [name for name in names if name.isascii() and name.isdigit()]
    return sorted(numbers, key=lambda name: (int(name), name)), [name for name in names if name not in numbers]


def read_catalogue(raw: RawTree) -> Catalogue:
    """Look through all unit files and all sounds of a tree, once per process for all its parts.

    Every part needs all of it: a sound whose file a bird lacks may lie in another bird's folder.
    """
    files = [name for animal in ANIMALS for name in (*unit_files(raw, animal), *wav_files(raw, animal))]
    state = []
    for name in files:
        path = raw.root / name
        found = (path if path.exists() else path.parent).stat()  # a link to nowhere is a unit that cannot be read
        state.append((name, found.st_size, found.st_mtime_ns, found.st_ino))
    return _catalogue(raw.root.resolve(), tuple(state))


@functools.lru_cache(maxsize=1)
def _catalogue(root: Path, state: tuple[tuple[str, int, int, int], ...]) -> Catalogue:
    units: dict[str, list[tuple[str, ListedUnit | RawDataError]]] = {}
    sounds: dict[str, Sound] = {}
    wav_md5 = {}
    for name, *_ in state:
        animal = name.partition("/")[0]
        if name.endswith(".wav"):
            wav_md5[name] = hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()
            continue
        try:
            unit: ListedUnit | RawDataError = list_unit(root, name, sounds)
        except RawDataError as error:
            unit = error
        units.setdefault(animal, []).append((name, unit))
    return Catalogue(units, sounds, wav_md5)


def list_unit(root: Path, file: str, sounds: dict[str, Sound]) -> ListedUnit:
    """Look through a unit file.

    Parameters
    ----------
    root : Path
        Raw directory.
    file : str
        Unit file below it.
    sounds : dict
        What is known of the sounds; what this file says is added.

    Returns
    -------
    ListedUnit
        Without its spikes.

    Raises
    ------
    RawFormatError
        It cannot be read, or is not as published.
    """
    animal, cell = file.removesuffix(".h5").split("/")
    with open_hdf5(root / file) as unit:
        lab_word = unit.text("sortType")
        sort_type = UNIT_TYPES.get((lab_word or "").lower())
        if sort_type is None and (lab_word or "").lower() not in NO_UNIT_TYPES:
            raise unit.error(
                "A unit is of an unknown sort type", "sortType", lab_word, ", ".join([*UNIT_TYPES, *NO_UNIT_TYPES])
            )
        subsort = SUBSORT.search(cell)
        neuron = Neuron(
            f"{animal}-{cell}",
            {
                "cell_id": cell,
                "animal_id": animal,
                "sex": animal[-1],
                "site": unit.label("site"),
                "electrode": unit.integer("electrode"),
                "left_depth_um": unit.number("ldepth"),
                "right_depth_um": unit.number("rdepth"),
                "sort_type": sort_type,
                "sort_id": unit.integer("sortid"),
                "subsort_id": int(subsort[1]) if subsort else None,
            },
        )
        if sort_type is None:
            return ListedUnit(file, neuron, left_out=f"its sort type is {lab_word}: not a sorted unit")
        strangers: list[str] = []
        presentations = list(_presentations(unit, strangers))
        for group, presentation in presentations:
            _note_sound(sounds.setdefault(presentation.md5, Sound()), group, presentation, animal)
        if not presentations:
            raise unit.error("A unit file holds no stimulus", "", ", ".join(unit.members()) or "nothing", "protocols")
        return ListedUnit(file, neuron, tuple(one for _, one in presentations), strangers=tuple(strangers))


def _presentations(unit: Hdf5Group, strangers: list[str]) -> Iterator[tuple[Hdf5Group, Presentation]]:
    for protocol in sorted(unit.members(), key=natural_order):
        if protocol in NO_PROTOCOL:
            continue
        if not unit.is_group(protocol):
            strangers.append(protocol)
            continue
        group = unit.group(protocol)
        numbers, others = numbered(group.members())
        strangers += [f"{protocol}/{name}" for name in others] if numbers else [protocol]
        for number in numbers:
            md5 = (group.text("stim_md5", number) or "").lower()
            if not MD5.fullmatch(md5):
                raise group.error("A stimulus has no MD5", f"{number} stim_md5", md5, "32 hexadecimal digits")
            yield group, Presentation(protocol, number, md5)


def _note_sound(sound: Sound, group: Hdf5Group, presentation: Presentation, animal: str) -> None:
    """Add what a stimulus group says of its sound; each bird is asked once, and again for what nobody has said."""
    met = animal in sound.numbers
    numbers = sound.numbers.setdefault(animal, [])
    if presentation.number not in numbers:
        numbers.append(presentation.number)
    if met and None not in (sound.values["type"], sound.values["class"], sound.values["duration_s"]):
        return
    for column, (attribute, kind) in SOUND_ATTRIBUTES.items():
        read = group.number if kind is float else group.label
        said = read(attribute, presentation.number)
        if said is not None and sound.values[column] is None:
            sound.values[column] = said
        elif said is not None and not _same(said, sound.values[column]):
            contradiction = f"{attribute} is {sound.values[column]} and, in {animal}, {said}"
            if contradiction not in sound.contradictions:
                sound.contradictions.append(contradiction)


def _same(said: str | float, known: str | float) -> bool:
    if isinstance(said, float) and isinstance(known, float):
        return abs(said - known) <= DURATION_TOLERANCE_S
    return said == known
