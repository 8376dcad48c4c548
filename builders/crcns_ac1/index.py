"""What the files of CRCNS AC1 say was presented to whom, before any trace is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, TypeVar

from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.config import CorpusConfig
from deepstrf_hf.errors import RawDataError
from deepstrf_hf.formats.matlab import MatlabStruct
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron
from deepstrf_hf.where import keeps

CORPUS_FOLDER = "crcns-ac1"
Value = TypeVar("Value")


@dataclass(frozen=True)
class Presentation:
    """One presentation of a sound to a cell.

    Parameters
    ----------
    name : str
        Of the trial: its file, and for files with several its trigger from 1.
    file : str
        File of the trace, below the raw directory.
    onset : int
        First sample of the response in the trace, from 0; negative if the trace begins later.
    duration_ms : float
        How long the sound lasted, by the trigger.
    columns : tuple of (str, str)
        Stimulus columns that differ between sessions: numbers of the segments, name of the sequence.
    """

    name: str
    file: str
    onset: int
    duration_ms: float
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Sound:
    """A stimulus, as its files name it.

    Parameters
    ----------
    stim_id : str
        Stable name.
    files : tuple of str
        Below the raw directory, in order of presentation.
    ramped : bool
        Whether each file is presented with ramps.
    metadata : dict
        Stimulus columns that do not depend on who heard it.
    """

    stim_id: str
    files: tuple[str, ...]
    ramped: bool
    metadata: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell and what it heard.

    Parameters
    ----------
    neuron : Neuron
        Identity and metadata.
    cohort : str
        The cohort it belongs to, by the mode of its recording.
    presentations : dict
        By ``stim_id``, in the order of files and triggers; stimuli in the order of first presentation.
    """

    neuron: Neuron
    cohort: str
    presentations: dict[str, tuple[Presentation, ...]]

    def hearing(self, stim_ids: set[str]) -> Cell:
        """Return the same cell with these stimuli only."""
        return replace(self, presentations={key: heard for key, heard in self.presentations.items() if key in stim_ids})


@dataclass(eq=False)
class Findings:
    """What cannot be used and why, for the log of each cohort concerned; ``None`` concerns all of an experimenter.

    Parameters
    ----------
    faults : dict
        Error by (cohort, kind, name).
    left_out : dict
        Reason by (cohort, kind, name).
    amounts : Counter
        Number by (cohort, kind, reason).
    notes : dict
        Remarks, as keys.
    """

    faults: dict[tuple[str | None, str, str], RawDataError] = field(default_factory=dict)
    left_out: dict[tuple[str | None, str, str], str] = field(default_factory=dict)
    amounts: Counter[tuple[str | None, str, str]] = field(default_factory=Counter)
    notes: dict[str, None] = field(default_factory=dict)

    def readable(self, cohort: str | None, kind: str, name: str, read: Callable[[], Value]) -> Value | None:
        """Return what a function reads, or None where it cannot be read: a fault."""
        try:
            return read()
        except RawDataError as error:
            self.faults[cohort, kind, name] = error
            return None

    def absorb(self, other: Findings, cohort: str | None) -> None:
        """Take in findings that turned out to concern one cohort."""
        self.faults |= {(cohort, kind, name): error for (_, kind, name), error in other.faults.items()}
        self.left_out |= {(cohort, kind, name): reason for (_, kind, name), reason in other.left_out.items()}
        for (_, kind, reason), amount in other.amounts.items():
            self.amounts[cohort, kind, reason] += amount
        self.notes |= other.notes

    def report(self, cohort: str, log: BuildLog) -> None:
        """Write what concerns a cohort into its log.

        Raises
        ------
        RawDataError
            The first fault, if the log does not skip it.
        """
        for note in self.notes:
            log.note(note)
        for (of_cohort, kind, name), reason in self.left_out.items():
            if of_cohort in (None, cohort):
                log.leave_out(kind, name, reason)
        for (of_cohort, kind, reason), amount in self.amounts.items():
            if of_cohort in (None, cohort):
                log.leave_out_amount(kind, reason, amount)
        for (of_cohort, kind, name), error in self.faults.items():
            if of_cohort in (None, cohort):
                list(log.usable(kind, [(name, error)]))


@dataclass(eq=False)
class Index:
    """All cells and sounds of an experimenter.

    Parameters
    ----------
    cells : list of Cell
        In the order of the lab's folders.
    sounds : dict of str to Sound
        By ``stim_id``.
    findings : Findings
        What is left out.
    files : tuple of str
        The files read to make the index, below the raw directory.
    """

    cells: list[Cell]
    sounds: dict[str, Sound]
    findings: Findings
    files: tuple[str, ...]

    def chosen(self, cohort: str, config: CorpusConfig) -> tuple[list[str], set[str]]:
        """Return the ``stim_id`` to build, sorted, and the ``neuron_id`` of the cells to build.

        Conditions on columns that only the waveform or the responses can tell are left to the base.
        """
        cells = [cell for cell in self.cells if cell.cohort == cohort and config.keeps_neuron(cell.neuron.metadata)]
        heard = {stim_id for cell in cells for stim_id in cell.presentations}
        stimuli = [stim_id for stim_id in sorted(heard) if _may_be_kept(self.sounds[stim_id], config)]
        return stimuli, {cell.neuron.neuron_id for cell in cells}


def _may_be_kept(sound: Sound, config: CorpusConfig) -> bool:
    known = {name: values for name, values in config.where.items() if name.removeprefix("stim.") in sound.metadata}
    return keeps(known, "stim", sound.metadata)


def matlab_files(raw: RawTree, folder: str) -> list[str]:
    """Return the MATLAB files of a folder in text order, below the raw directory; hidden files are not recordings.

    A link to nowhere is among them, and is found missing when it is read.
    """
    names = sorted(path.name for path in (raw.root / folder).glob("*.mat"))
    return [f"{folder}/{name}" for name in names if not name.startswith(".")]


def subfolders(raw: RawTree, folder: str) -> list[str]:
    """Return the names of the folders in a folder, in text order."""
    root = raw.root / folder
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def trigger_type(trigger: MatlabStruct) -> str:
    """Return what a trigger presents, in small letters without blanks around; empty where it does not say."""
    return trigger.text("type").strip().lower() if trigger.has("type") else ""


def stem(file: str) -> str:
    """Return the name of a file without its folder and ending."""
    return PurePosixPath(file).stem


def recording_name(session: str, file: str) -> str:
    """Return a name for a file that is unique among all sessions, though files of two may be called alike."""
    return stem(file) if stem(file).startswith(f"{session}-") else f"{session}/{stem(file)}"


def session_columns(experimenter: str, session: str) -> dict[str, Any]:
    """Return the neuron columns that the folder of a session tells: <yyyymmdd>-<animal>-<penetration>."""
    date, animal, penetration, *_ = session.split("-")
    return {
        "experimenter": experimenter,
        "session": session,
        "animal_id": animal,
        "penetration": int(penetration) if penetration.isdecimal() else None,
        "date": date,
        "species": "rat",
    }


def sound_parameters(trigger: MatlabStruct) -> MatlabStruct | None:
    """Return what a trigger says of its sound; None without description or duration."""
    parameters = trigger.entry("param") if trigger.has("param") else None
    return parameters if parameters and parameters.has("description") and parameters.has("duration") else None


NO_SOUND = "no description or duration of its sound"
"""Why a trigger for which `sound_parameters` gives None is left out."""


def presentation(
    trigger: MatlabStruct, name: str, file: str, columns: tuple[tuple[str, str], ...] = ()
) -> Presentation:
    """Make a presentation from a trigger with time and duration.

    Raises
    ------
    RawFormatError
        They are absent or not positive numbers.
    """
    time, duration_ms = trigger.number("time"), trigger.entry("param").number("duration")
    if not abs(time) < 2**53 or not 0 < duration_ms < 1e9:
        raise trigger.error(
            "time, param.duration", f"{time:g}, {duration_ms:g}", "a sample, counted from 1, and milliseconds"
        )
    return Presentation(name, file, int(time) - 1, duration_ms, columns)
