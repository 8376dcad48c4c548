"""Asari's part of CRCNS AC1: one long trace per file, many triggers, sounds spliced from segments."""

from __future__ import annotations

import filecmp
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from builders.crcns_ac1.index import (
    CORPUS_FOLDER,
    NO_SOUND,
    Cell,
    Findings,
    Index,
    Presentation,
    Sound,
    matlab_files,
    presentation,
    recording_name,
    session_columns,
    sound_parameters,
    subfolders,
    trigger_type,
)
from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.matlab import MatlabStruct, load_variables
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron

STIMULI = f"{CORPUS_FOLDER}/asari/Stimuli"
RESULTS = tuple(f"crcns-ac1-asari-results-{number}/asari-results-{number}" for number in (1, 2))
NATURAL_TYPES = ("naturalsound", "natural sound")
SEQUENCE = re.compile(r"sequence\s*\d+\s*:\s*(\d+(?:\s+\d+)*)", re.IGNORECASE)
COHORTS = {("A1", "whole-cell"): "asari_a1", ("MGB", "cell-attached"): "asari_mgb"}
"""Cohort by site and mode: one cohort holds one kind of signal."""


@dataclass(eq=False)
class RecordingFile:
    """What one file says.

    Parameters
    ----------
    file : str
        Below the raw directory.
    name : str
        Unique among all sessions.
    site, mode, recording_type : str or None
        ``"A1"`` or ``"MGB"``, ``"whole-cell"`` or ``"cell-attached"``, and the lab's words for the latter.
    heard : list of (tuple of str, Presentation)
        Segment files and presentation of each natural sequence.
    findings : Findings
        What of it cannot be used.
    """

    file: str
    name: str
    site: str | None = None
    mode: str | None = None
    recording_type: str | None = None
    heard: list[tuple[tuple[str, ...], Presentation]] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


@functools.lru_cache(maxsize=1)
def asari_index(raw: RawTree) -> Index:
    """List Asari's cells and what they heard.

    Raises
    ------
    MissingRawFileError
        There are no recordings, or no stimuli.
    """
    findings = Findings()
    cells: list[Cell] = []
    sounds: dict[str, Sound] = {}
    for session, files in _session_files(raw, findings).items():
        recordings = [
            recording
            for name, file in files
            if (recording := findings.readable(
                None, "recordings", name, functools.partial(_read_file, raw, file, name))
            )
        ]  # fmt: skip
        groups = _by_cohort(session, recordings, findings)
        if not any(recording.heard for recording in recordings):
            reason = "no natural sound that can be used among its recordings" if files else "no recording in its folder"
            findings.left_out[None, "cells", session] = reason
        for cohort, members in groups.items():
            heard: dict[str, list[Presentation]] = {}
            for recording in members:
                for segments, presented in recording.heard:
                    sound = _sound(segments)
                    if _is_complete(raw, sound, cohort, findings):
                        sounds[sound.stim_id] = sound
                        heard.setdefault(sound.stim_id, []).append(presented)
            neuron = _neuron(session, members[0], split=len(groups) > 1)
            if heard:
                cells.append(Cell(neuron, cohort, {key: tuple(trials) for key, trials in heard.items()}))
            else:
                findings.left_out[cohort, "cells", neuron.neuron_id] = "none of its sequences can be used"
    used = {trial.file for cell in cells for trials in cell.presentations.values() for trial in trials}
    used |= {file for sound in sounds.values() for file in sound.files}
    return Index(cells, sounds, findings, tuple(sorted(used)))


def _session_files(raw: RawTree, findings: Findings) -> dict[str, list[tuple[str, str]]]:
    """Return (name, file) of the files of each session, both result trees together, in the order of the lab's folders.

    Raises
    ------
    MissingRawFileError
        Neither tree, or no stimuli.
    """
    missing = [tree for tree in RESULTS if not (raw.root / tree).is_dir()]
    if len(missing) == len(RESULTS) or not subfolders(raw, STIMULI):
        raise MissingRawFileError(
            "Asari's part of CRCNS AC1 is not there",
            path=raw.root,
            expected=", ".join([STIMULI, *RESULTS]),
            mend="unpack crcns-ac1.zip and both crcns-ac1-asari-results-N.zip, each into a directory of its name",
        )
    for tree in missing:
        archive = f"{PurePosixPath(tree).parts[0]}.zip"
        findings.faults[None, "archives", archive] = MissingRawFileError(
            "One of the two archives of Asari's recordings is missing",
            path=raw.root / tree,
            mend=f"unpack {archive}, or build the cells of the other one with on_error='skip'",
        )
    sessions: dict[str, list[tuple[str, str]]] = {}
    for tree in RESULTS:
        for session in subfolders(raw, tree):
            parts = session.split("-")
            if len(parts) < 3 or not parts[0].isdigit():
                findings.left_out[None, "folders", f"{tree}/{session}"] = "not a session: <yyyymmdd>-<animal>-<number>"
                continue
            of_session = sessions.setdefault(session, [])
            known = {PurePosixPath(file).name: file for _, file in of_session}
            for file in matlab_files(raw, f"{tree}/{session}"):
                name, earlier = recording_name(session, file), known.get(PurePosixPath(file).name)
                if earlier is not None:
                    if _are_equal(raw.root / file, raw.root / earlier):
                        findings.left_out[None, "recordings", file] = "a copy of the file in the other archive"
                        continue
                    name = f"{PurePosixPath(tree).name}/{name}"
                    findings.notes[f"{earlier} and {file} differ: both were taken for recordings of one cell"] = None
                of_session.append((name, file))
    return sessions


def _are_equal(first: Path, second: Path) -> bool:
    return first.is_file() and second.is_file() and filecmp.cmp(first, second, shallow=False)


def _read_file(raw: RawTree, file: str, name: str) -> RecordingFile:
    """Read site, mode and natural sequences of one file.

    Raises
    ------
    RawFormatError
        It cannot be read or has no trace.
    """
    path = raw.path(file)
    content = load_variables(path, ["triggers"], optional=["param"])
    recording = RecordingFile(file, name)
    findings = recording.findings
    parameters = MatlabStruct.entries(content.get("param", []), path, "param") if "param" in content else []
    if parameters and parameters[0].has("recording"):
        _read_place(parameters[0].entry("recording"), recording, name, findings)
    lookup: dict[int, str] = {}
    if parameters and parameters[0].has("stimulus"):
        entries = MatlabStruct.entries(parameters[0].get("stimulus"), path, "param.stimulus")
        lookup = {number: _normalised(entry) for number, entry in enumerate(entries, 1) if entry.has("file")}
    for number, trigger in enumerate(MatlabStruct.entries(content["triggers"], path, "triggers"), 1):
        kind = trigger_type(trigger)
        if kind not in NATURAL_TYPES:
            findings.amounts[None, "triggers", f"not a natural sound: {kind or 'no type'}"] += 1
        elif not lookup:
            findings.left_out[None, "recordings", name] = "no table of its stimuli (param.stimulus)"
        else:
            label = f"{name}#{number}"
            heard = findings.readable(
                None, "triggers", label, functools.partial(_sequence, trigger, label, file, lookup, findings)
            )
            if heard is not None:
                recording.heard.append(heard)
    return recording


def _read_place(entry: MatlabStruct, recording: RecordingFile, name: str, findings: Findings) -> None:
    if entry.has("site"):
        site = entry.text("site").strip().lower()
        recording.site = ("A1" if "cortex" in site else "MGB") if site else None
    if entry.has("type"):
        words = entry.text("type").strip().lower()
        recording.recording_type = "-".join(words.split()) or None
        recording.mode = ("cell-attached" if "attached" in words else "whole-cell") if words else None
        if recording.mode == "whole-cell" and "whole" not in words:
            findings.notes[f"{name}: a recording of type {words!r} was taken for whole-cell"] = None


def _normalised(entry: MatlabStruct) -> str:
    """Return a stimulus file's name with slashes, so that one file has one name on every system."""
    name = entry.text("file").strip().replace("\\", "/").lstrip("/")
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts:
        raise entry.error("file", name, "a file below asari/Stimuli, such as class6/3.mat")
    return PurePosixPath(*parts).as_posix()


def _sequence(
    trigger: MatlabStruct, label: str, file: str, lookup: dict[int, str], findings: Findings
) -> tuple[tuple[str, ...], Presentation] | None:
    """Return the segment files that a trigger presents; None if it names no sequence.

    Raises
    ------
    RawFormatError
        It names a segment that the file's table does not have, or lacks time or duration.
    """
    parameters = sound_parameters(trigger)
    if parameters is None:
        findings.left_out[None, "triggers", label] = NO_SOUND
        return None
    description = " ".join(parameters.text("description").split())
    match = SEQUENCE.search(description)
    if match is None:
        findings.left_out[None, "triggers", label] = "its description names no sequence"
        return None
    if rest := description[match.end() :].strip():
        findings.notes[f"Sequences are described as {description!r}: {rest!r} was passed over."] = None
    numbers = [int(number) for number in match[1].split()]
    absent = [number for number in numbers if number not in lookup]
    if absent:
        raise RawFormatError(
            "A trigger names segments that the table of its file does not have",
            path=trigger.path,
            field=f"{trigger.place}.param.description",
            found=f"{description!r}, without a file for {', '.join(map(str, absent))}",
            expected=f"numbers among {', '.join(map(str, lookup))}",
            mend="leave the trigger out with on_error='skip'",
        )
    own = (
        ("segments", " ".join(map(str, numbers))),
        ("sequence", description),
        ("description", description),
    )
    return tuple(lookup[number] for number in numbers), presentation(trigger, label, file, own)


def _by_cohort(session: str, recordings: list[RecordingFile], findings: Findings) -> dict[str, list[RecordingFile]]:
    """Divide the files of a session by cohort: each by its own site and mode.

    A file that does not say takes what all others of the session say.
    """
    sites = {recording.site for recording in recordings if recording.site}
    modes = {recording.mode for recording in recordings if recording.mode}
    groups: dict[str, list[RecordingFile]] = {}
    for recording in recordings:
        site = recording.site or (next(iter(sites)) if len(sites) == 1 else None)
        mode = recording.mode or (next(iter(modes)) if len(modes) == 1 else None)
        cohort = COHORTS.get((site, mode)) if site and mode else None
        findings.absorb(recording.findings, cohort)
        if not recording.heard:
            continue
        if cohort is not None:
            recording.site, recording.mode = site, mode
            groups.setdefault(cohort, []).append(recording)
            continue
        if site and mode:
            reason = f"a {mode} recording in {site}: no cohort has this kind of signal there"
        else:
            reason = f"neither it nor its session says {'how' if site else 'where'} it was recorded"
        findings.left_out[None, "recordings", recording.name] = reason
    if not groups and any(recording.heard for recording in recordings):
        findings.left_out[None, "cells", session] = "none of its recordings can be used"
    return groups


def _neuron(session: str, first: RecordingFile, split: bool) -> Neuron:
    metadata = {
        **session_columns("asari", session),
        "site": first.site,
        "recording_type": first.recording_type or first.mode,
    }
    # A session that was recorded in both ways is two cells, and both names must be unique in the corpus.
    return Neuron(f"{session}-{first.site}" if split else session, metadata)


def _sound(segments: tuple[str, ...]) -> Sound:
    """Make a sound from its segment files, by which alone it is known."""
    folder = PurePosixPath(segments[0]).parts[0]
    is_class = re.fullmatch(r"class\d+", folder) is not None and "/" in segments[0]
    metadata = {
        "experimenter": "asari",
        "category": folder if is_class else "mixed",
        "class_n": int(folder.removeprefix("class")) if is_class else None,
        "segment_files": " ".join(segments),
    }
    files = tuple(f"{STIMULI}/{segment}" for segment in segments)
    return Sound("asari." + "_".join(_labels(segments)), files, True, metadata)


def _labels(segments: tuple[str, ...]) -> Iterator[str]:
    """Name segments so that no two sequences have one name: ``class3.2``, and ``1`` where the folder is the same."""
    before = None
    for segment in segments:
        # The signs that join names are quoted inside of names.
        *folders, name = [part.replace("%", "%25").replace("_", "%5F").replace(".", "%2E") for part in
                          PurePosixPath(segment).with_suffix("").parts]  # fmt: skip
        folder = ".".join(folders)
        yield name if folder == before else f"{folder}.{name}"
        before = folder


def _is_complete(raw: RawTree, sound: Sound, cohort: str, findings: Findings) -> bool:
    missing = [file for file in sound.files if not (raw.root / file).is_file()]
    if missing:
        findings.faults[cohort, "stimuli", sound.stim_id] = MissingRawFileError(
            "A segment of a sequence is missing",
            path=raw.root / missing[0],
            field=sound.stim_id,
            mend="complete the stimulus files, or leave the sequence out with on_error='skip'",
        )
        findings.amounts[cohort, "presentations", "a segment of their sequence is missing"] += 1
    return not missing
