"""The sound files of the corpus, which a tree may lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deepstrf_hf.errors import RawDataError, RawFormatError
from deepstrf_hf.formats.nems_epochs import STIMULUS_PREFIX
from deepstrf_hf.formats.wav import Sound, read_sound
from deepstrf_hf.raw_tree import RawTree

WAV = "wav"


def wav_files(raw: RawTree) -> dict[str, str]:
    """Return the sound files of a tree: path below the raw directory by name in lower case; none without ``wav/``.

    Raises
    ------
    RawFormatError
        Two names differ by capitals alone, so that it cannot be told which is meant.
    """
    directory = raw.root / WAV
    found: dict[str, str] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        key = path.name.lower()
        if not key.endswith(".wav") or path.name.startswith(".") or not path.is_file():
            continue
        if key in found:
            raise RawFormatError(
                "Two sound files differ by capitals alone",
                path=directory,
                found=f"{found[key]}, {WAV}/{path.name}",
                expected="one file of each name",
                mend="leave the published one there",
            )
        found[key] = f"{WAV}/{path.name}"
    return found


def wav_of(name: str, files: Mapping[str, str]) -> str | None:
    """Return the sound file of a stimulus, below the raw directory; None where there is none."""
    return files.get(name.removeprefix(STIMULUS_PREFIX).lower())


def read_sounds(raw: RawTree, files: Iterable[str]) -> Iterator[tuple[str, tuple[str, Sound] | RawDataError]]:
    """Read sound files one after the other.

    Yields
    ------
    str, (str, Sound) or RawDataError
        The file, and the file with its sound or why it cannot be read.
    """
    for file in files:
        try:
            yield file, (file, read_sound(raw.root / file))
        except RawDataError as error:
            yield file, error
