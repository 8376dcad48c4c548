"""The files of the release, wherever its archives were unpacked."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.raw_tree import RawTree

STIMULI = "stimuli"
WORDS = f"{STIMULI}/AliceChapterOne-EEG.csv"
SEGMENTS = tuple(range(1, 13))
RECORDING = "_alice-raw.fif"
"""End of a recording's name; before it stands the subject, which is the name of its folder too."""
SUBJECT = re.compile(r"S\d+")
LEVELS = ("eeg", "eeg.*/eeg", "eeg.*", "")
"""Folders of subjects: the lab's layout, that of archives unpacked one by one, and subjects alone."""


@dataclass(frozen=True)
class Release:
    """What a tree holds.

    Parameters
    ----------
    subjects : dict of str to str
        Recording of each subject, below the raw directory, sorted by subject.
    without : tuple of str
        Folders of subjects that hold no recording.
    sounds : dict of int to str
        Sound file of each segment, below the raw directory.
    """

    subjects: dict[str, str]
    without: tuple[str, ...]
    sounds: dict[int, str]


def read_release(raw: RawTree) -> Release:
    """Find the files of a tree.

    Raises
    ------
    RawFormatError
        A subject is there twice, or a sound is not one of the twelve.
    MissingRawFileError
        There is no recording.
    """
    subjects: dict[str, str] = {}
    without = []
    for level in LEVELS:
        for folder in sorted(raw.root.glob(f"{level}/*" if level else "*")):
            name = folder.name
            there = (folder / f"{name}{RECORDING}").is_file()
            if not folder.is_dir() or not (there or SUBJECT.fullmatch(name)):
                continue
            below = folder.relative_to(raw.root).as_posix()
            if not there:
                without.append(below)
            elif name in subjects:
                raise RawFormatError(
                    "Two recordings are of one subject",
                    path=folder,
                    field=name,
                    found=f"{subjects[name]}, {below}/{name}{RECORDING}",
                    expected="one folder of each subject",
                    mend="leave one of them there",
                )
            else:
                subjects[name] = f"{below}/{name}{RECORDING}"
    if not subjects:
        raise MissingRawFileError(
            "There is no recording of a subject",
            path=raw.root,
            found=", ".join(without) or None,
            expected=f"eeg.*/eeg/Sxx/Sxx{RECORDING}, or eeg/Sxx/Sxx{RECORDING}",
            mend="unpack eeg.0.zip, eeg.1.zip and eeg.2.zip there",
        )
    return Release(dict(sorted(subjects.items())), tuple(without), _sounds(raw))


def _sounds(raw: RawTree) -> dict[int, str]:
    """Return the sound files by the number of their segment; some may be absent."""
    found: dict[int, str] = {}
    for path in sorted((raw.root / STIMULI).iterdir()):
        if path.suffix.lower() != ".wav" or path.name.startswith("."):
            continue
        number = int(path.stem) if path.stem.isascii() and path.stem.isdigit() else None
        if number not in SEGMENTS or number in found:
            raise RawFormatError(
                "A sound file is not one of the twelve segments",
                path=path,
                found=f"{path.name}, and {found[number]}" if number in found else path.name,
                expected=f"1.wav to {SEGMENTS[-1]}.wav, each once",
                mend="leave the files of stimuli.zip alone there",
            )
        found[number] = path.relative_to(raw.root).as_posix()
    return found
