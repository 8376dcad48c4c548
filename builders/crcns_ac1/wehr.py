"""Wehr's part of CRCNS AC1: one trial per file, the sound known by its description."""

from __future__ import annotations

import functools

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
    stem,
    subfolders,
    trigger_type,
)
from builders.crcns_ac1.published import is_complete, published_columns
from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.matlab import MatlabStruct, load_variables
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Neuron

ROOT = f"{CORPUS_FOLDER}/wehr"
COHORT = "wehr"
NATURAL_FOLDERS = ("fragments", "category1", "category2", "category3")
NATURAL_TYPES = ("naturalsound", "nauralsound", "natural")
"""Types of triggers, in small letters; the second is how some files spell it."""


@functools.lru_cache(maxsize=1)
def wehr_index(raw: RawTree) -> Index:
    """List Wehr's cells and what they heard.

    Raises
    ------
    MissingRawFileError
        There are no sessions, or no natural sounds.
    """
    findings = Findings()
    by_description, files = _sounds(raw, findings)
    folders = subfolders(raw, f"{ROOT}/Results")
    sessions = [name for name in folders if name[:4].isdigit() and len(name) > 3 and name.count("-") == 2]
    for name in set(folders) - set(sessions):
        findings.left_out[COHORT, "folders", f"{ROOT}/Results/{name}"] = "not a session: <yyyymmdd>-mw-<penetration>"
    if not sessions or not by_description:
        raise MissingRawFileError(
            "Wehr's part of CRCNS AC1 is not there",
            path=raw.root / ROOT,
            found=f"{len(sessions)} sessions in Results, {len(by_description)} natural sounds in Stimuli",
            mend="unpack crcns-ac1.zip into the directory crcns-ac1",
        )
    complete = is_complete(sessions)
    if not complete:
        findings.notes[
            f"The tree does not hold all of Wehr's sessions ({len(sessions)} folders found), whose number among all is "
            "what constants were published by: neuron_wehr_cell_idx counts the folders found, and the columns "
            "neuron_published_* are empty."
        ] = None
    cells, used = [], [*files]
    for position, session in enumerate(sessions):
        trials = matlab_files(raw, f"{ROOT}/Results/{session}")
        heard: dict[str, list[Presentation]] = {}
        for file in trials:
            name = recording_name(session, file)
            read = functools.partial(_trial, raw, file, name, by_description, findings)
            trial = findings.readable(COHORT, "trials", name, read)
            if trial is not None:
                heard.setdefault(trial[0], []).append(trial[1])
        if not heard:
            findings.left_out[COHORT, "cells", session] = "no natural sound among its trials"
            continue
        used += [trial.file for presented in heard.values() for trial in presented]
        metadata = {
            **session_columns("wehr", session),
            "site": "A1",
            "recording_type": "whole-cell",
            "wehr_cell_idx": position,
            **(published_columns(position) if complete else {}),
        }
        cells.append(Cell(Neuron(session, metadata), COHORT, {key: tuple(trials) for key, trials in heard.items()}))
    sounds = {sound.stim_id: sound for same in by_description.values() for sound in same}
    return Index(cells, sounds, findings, tuple(used))


def _sounds(raw: RawTree, findings: Findings) -> tuple[dict[str, list[Sound]], list[str]]:
    """Index the natural sounds by description: folders in their order, files in text order, integer names only."""
    by_description: dict[str, list[Sound]] = {}
    files = []
    for folder in NATURAL_FOLDERS:
        for file in matlab_files(raw, f"{ROOT}/Stimuli/{folder}"):
            if not stem(file).isdigit():
                findings.left_out[COHORT, "stimulus files", file] = "its name is not a number"
                continue
            files.append(file)
            description = findings.readable(COHORT, "stimulus files", file, functools.partial(_description, raw, file))
            if description is None:
                continue
            idx = int(stem(file))
            metadata = {"experimenter": "wehr", "category": folder, "idx": idx, "description": description}
            same = by_description.setdefault(description, [])
            same.append(Sound(f"wehr.{folder}.{idx:03d}", (file,), False, metadata))
            if len(same) > 1:
                findings.notes[
                    f"The description {description!r} belongs to {same[0].files[0]} and to {file}: a trial that does "
                    "not name one of them as its file was given the first"
                ] = None
    return by_description, files


def _description(raw: RawTree, file: str) -> str:
    path = raw.path(file)
    stimulus = MatlabStruct.entries(load_variables(path, ["stimulus"])["stimulus"], path, "stimulus")
    if not stimulus or not stimulus[0].entry("param").has("description"):
        raise RawFormatError("A stimulus file has no description", path=path, field="stimulus.param.description")
    return stimulus[0].entry("param").text("description").strip()


def _trial(
    raw: RawTree, file: str, name: str, by_description: dict[str, list[Sound]], findings: Findings
) -> tuple[str, Presentation] | None:
    """Read which sound a trial presented and when; None if it is not a natural sound.

    Raises
    ------
    RawFormatError
        The file cannot be read, or lacks what a trial must have.
    MissingRawFileError
        Its sound is not among the stimulus files.
    """
    path = raw.path(file)
    triggers = MatlabStruct.entries(load_variables(path, ["triggers"])["triggers"], path, "triggers")
    if not triggers:
        findings.amounts[COHORT, "trials", "no trigger"] += 1
        return None
    kind = trigger_type(triggers[0])
    if kind not in NATURAL_TYPES:
        findings.amounts[COHORT, "trials", f"not a natural sound: {kind or 'no type'}"] += 1
        return None
    # Only the first trigger of a trial is its own.
    findings.amounts[COHORT, "triggers", "after the first one of a trial"] += len(triggers) - 1
    parameters = sound_parameters(triggers[0])
    if parameters is None:
        findings.left_out[COHORT, "trials", name] = NO_SOUND
        return None
    description = parameters.text("description").strip()
    same = by_description.get(description)
    if not same:
        raise MissingRawFileError(
            "A trial presents a sound that is not among the stimulus files",
            path=path,
            field="triggers(1).param.description",
            found=repr(description),
            expected=f"the description of a file in {ROOT}/Stimuli/{{{','.join(NATURAL_FOLDERS)}}}",
            mend="complete the stimulus files, or leave the trial out with on_error='skip'",
        )
    sound = _named_by_file(triggers[0], same)
    return sound.stim_id, presentation(triggers[0], name, file)


def _named_by_file(trigger: MatlabStruct, same: list[Sound]) -> Sound:
    """Return the one of several sounds with one description that the trigger names as its file, else the first."""
    if len(same) > 1 and trigger.has("file"):
        named = trigger.text("file").strip().replace("\\", "/").lower()
        for sound in same:
            if sound.files[0].lower().endswith(f"/{named.lstrip('/')}"):
                return sound
    return same[0]
