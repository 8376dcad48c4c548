"""The raw files of NS1: the table of clips, the metadata of units, and spike times."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawDataError, RawFormatError
from deepstrf_hf.formats.matlab import REPAIR, MatlabStruct, load_variable
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron

METADATA = "MetadataSHEnCneurons.mat"
SPIKES_AND_WAVS = "spikesandwav"
PUBLISHED_SPECTROGRAM = "test_data_5ms.mat"
RANDOM_CHORDS_SOURCE = 9
"""Source number of the 12 dynamic random chords, which every unit heard and whose waveforms were not published."""
REPEATS = 20
UNIT_PATH = re.compile(r"(?P<experiment>[^/]+)/(?P<penetration>[^/]+)/cluster\.(?P<cluster>\d+)\.data\.mat")
TRIAGE = {"No": 0, "Maybe": 1, "Yes": 2}

ClipKey = tuple[int, int, int]


@dataclass(frozen=True)
class Clip:
    """One natural clip.

    Parameters
    ----------
    index : int
        Position in the lab's files, from 0.
    source, set_number, number : int
        Fields Source, Set and StimID of the unit files, which identify it.
    level_db : float
        Nominal level, dB SPL.
    kind : str or None
        Kind of sound, where known.
    """

    index: int
    source: int
    set_number: int
    number: int
    level_db: float
    kind: str | None

    @property
    def key(self) -> ClipKey:
        """What the unit files know the clip by."""
        return self.source, self.set_number, self.number

    @property
    def stim_id(self) -> str:
        """Stable name; in alphabetical order as in the lab's files."""
        return f"source{self.source}.set{self.set_number}.stim{self.number:02d}"

    @property
    def wav_file(self) -> str:
        """Waveform, below the raw directory; ``fw`` is the set and ``frozen`` the number in it."""
        name = f"source.{self.source}.sound.0.snr.0.token.0.fw.{self.set_number}.frozen.{self.number}"
        return f"{SPIKES_AND_WAVS}/SH.En.C/{name}"


_KINDS = {0: "water_sounds", 3: "ferret_vocalization", 6: "insects_buzzing", 19: "water_sounds"} | dict.fromkeys(
    range(8, 12), "human_speech"
)
_LEVELS = {12: 82.0, 18: 75.0}
CLIPS = tuple(
    Clip(index, source, set_number, number, _LEVELS.get(index, 80.0), _KINDS.get(index))
    for index, (source, set_number, number) in enumerate(
        [(1, 2, number) for number in range(1, 13)] + [(2, 1, number) for number in range(1, 9)]
    )
)
"""All 20 natural clips, in the order of the lab's files."""


@dataclass(frozen=True)
class ListedUnit:
    """A unit that the metadata file lists."""

    path: str
    neuron: Neuron

    @property
    def files(self) -> tuple[str, str]:
        """Where its spikes may be: some copies of the release add ``_1`` to the name."""
        stem = f"{SPIKES_AND_WAVS}/{self.path}".removesuffix(".mat")
        return f"{stem}.mat", f"{stem}_1.mat"

    def file(self, raw: RawTree) -> str:
        """Return the file that is there, below the raw directory; the published name where none is."""
        published, renamed = self.files
        return renamed if not (raw.root / published).is_file() and (raw.root / renamed).is_file() else published


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit with its spikes.

    Parameters
    ----------
    path : str
        As listed in the metadata.
    neuron : Neuron
        Identity and metadata.
    spikes : dict
        By clip: times (ms from clip onset), trial of each spike (from 0), number of trials.
    remarks : tuple of str
        What is unusual about its file.
    unknown_sets : tuple of str
        Stimulus sets in its file that are neither natural clips nor random chords.
    """

    path: str
    neuron: Neuron
    spikes: dict[ClipKey, tuple[NDArray[np.float64], NDArray[np.int64], int]]
    remarks: tuple[str, ...]
    unknown_sets: tuple[str, ...]

    def report(self, log: BuildLog) -> None:
        """Write what is left out of this unit, and what is unusual, into the log."""
        log.leave_out("stimulus sets", "dynamic random chords (Source 9)", "their waveforms were not published")
        for name in self.unknown_sets:
            log.leave_out("stimulus sets", f"{name} of {self.path}", "not one of the 20 clips or 12 random chords")
        for remark in self.remarks:
            log.note(f"{self.path}: {remark}")


def list_units(raw: RawTree) -> list[ListedUnit]:
    """Read the metadata file.

    Returns
    -------
    list of ListedUnit
        In the file's order: ascending noise ratio.

    Raises
    ------
    MissingRawFileError, RawFormatError
        It is missing, cannot be read, or is not as published.
    """
    path = raw.path(METADATA)
    units: list[ListedUnit] = []
    for entry in MatlabStruct.elements(load_variable(path, "neuron"), path, "neuron"):
        name = entry.text("path")
        match = UNIT_PATH.fullmatch(name)
        if match is None or any(name == unit.path for unit in units):
            raise entry.error("path", name, "<experiment>/<penetration>/cluster.<number>.data.mat, each once")
        triage, depth = entry.text("singleT"), entry.integer("depth")
        if TRIAGE.get(triage) != entry.integer("singleN"):
            raise entry.error("singleT", f"{triage} with singleN {entry.integer('singleN')}", str(TRIAGE))
        metadata = {
            "cell_id": name.removesuffix(".mat"),
            "experiment": match["experiment"],
            "penetration": match["penetration"],
            "cluster": int(match["cluster"]),
            "area": "A1",
            "depth_um": depth,
            "noise_ratio": entry.number("NoiseRatio"),
            "single_n": TRIAGE[triage],
            "single_t": triage,
            "n_electrodes": entry.integer("NrOfElectrodes"),
            "electrode_number": entry.integer("ElectrodeNumber"),
            "single_unit_at_known_depth": triage != "No" and depth >= 0,
        }
        neuron_id = f"{match['experiment']}-{match['penetration']}-c{match['cluster']}"
        units.append(ListedUnit(name, Neuron(neuron_id, metadata)))
    return units


def unlisted_clusters(raw: RawTree) -> list[str]:
    """Return the spike files that the metadata does not list, sorted."""
    listed = {name for unit in list_units(raw) for name in unit.files}
    found = (path.relative_to(raw.root).as_posix() for path in raw.root.glob(f"{SPIKES_AND_WAVS}/*/*/cluster.*.mat"))
    return sorted(name for name in found if name not in listed)


@functools.lru_cache(maxsize=1)
def read_units(raw: RawTree) -> tuple[tuple[str, Unit | RawDataError], ...]:
    """Read all listed units.

    Every part of the corpus needs all of them, and they are small (3 million spikes): the last tree read is kept.

    Returns
    -------
    tuple of (path, Unit or RawDataError)
        In the order of the metadata; an error where a unit cannot be read.
    """
    units: list[tuple[str, Unit | RawDataError]] = []
    for listed in list_units(raw):
        try:
            units.append((listed.path, read_unit(raw, listed)))
        except RawDataError as error:
            units.append((listed.path, error))
    return tuple(units)


def read_unit(raw: RawTree, listed: ListedUnit) -> Unit:
    """Read the spikes of one unit.

    Raises
    ------
    MissingRawFileError
        Its file is absent.
    RawFormatError
        It cannot be read, or is not as published.
    """
    present = listed.file(raw)
    path = raw.path(present, mend="complete the download, or leave the unit out with on_error='skip'")
    remarks = [f"its spikes are in {PurePosixPath(present).name}"] if present != listed.files[0] else []
    data = MatlabStruct.elements(load_variable(path, "data"), path, "data")
    if len(data) != 1:
        raise RawFormatError("A unit file is not as published", path=path, field="data", found=len(data), expected=1)
    by_key = {clip.key: clip for clip in CLIPS}
    spikes, unknown = {}, []
    for stimulus_set in data[0].structs("set"):
        parameters = stimulus_set.struct("stim_params")
        key = parameters.integer("Source"), parameters.integer("Set"), parameters.integer("StimID")
        if key[0] == RANDOM_CHORDS_SOURCE:
            continue
        if key not in by_key:
            unknown.append("Source {}, Set {}, StimID {}".format(*key))
            continue
        if key in spikes:
            raise parameters.error("StimID", f"{by_key[key].stim_id} twice", "each clip once")
        if parameters.number("NominalLevel") != by_key[key].level_db:
            raise parameters.error("NominalLevel", parameters.number("NominalLevel"), by_key[key].level_db)
        times = [repeat.vector("t") for repeat in stimulus_set.structs("repeats")]
        joined = np.concatenate(times) if times else np.empty(0)
        if not times or not np.isfinite(joined).all():
            raise stimulus_set.error("repeats", f"{len(times)} repeats, or times not finite", "finite spike times, ms")
        if len(times) != REPEATS:
            remarks.append(f"{len(times)} instead of {REPEATS} repeats of {by_key[key].stim_id}")
        spikes[key] = joined, np.repeat(np.arange(len(times)), [len(trial) for trial in times]), len(times)
    if not spikes:
        raise RawFormatError(
            "A unit file holds none of the natural clips", path=path, field="data.set", found=unknown, mend=REPAIR
        )
    return Unit(listed.path, listed.neuron, spikes, tuple(remarks), tuple(unknown))
