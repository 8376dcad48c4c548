"""The waveforms of the clips."""

from __future__ import annotations

from builders.nat4.population import Clip
from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.nems_epochs import STIMULUS_PREFIX
from deepstrf_hf.raw_tree import RawTree

DIRECTORY = "wav"


class Sounds:
    """The sound files of a tree, found whatever the case of their letters is.

    Parameters
    ----------
    raw : RawTree
        Raw files; without the directory of the sounds there are none.
    """

    def __init__(self, raw: RawTree) -> None:
        self._raw = raw
        directory = raw.root / DIRECTORY
        self.available = directory.is_dir()
        names = [path.name for path in directory.iterdir() if path.name[0] != "."] if self.available else []
        self.names = tuple(sorted(names))
        """Files, hidden ones apart, in text order."""
        self._by_folded: dict[str, list[str]] = {}
        for name in self.names:
            self._by_folded.setdefault(name.casefold(), []).append(name)

    def file(self, clip: Clip) -> str:
        """Return the sound file of a clip, below the raw directory: of its name, else of its name in other letters.

        Raises
        ------
        MissingRawFileError
            There is none.
        RawFormatError
            There are several in other letters, and none in the same.
        """
        wanted = clip.name.removeprefix(STIMULUS_PREFIX)
        found = self._by_folded.get(wanted.casefold(), [])
        if wanted in found:
            return f"{DIRECTORY}/{wanted}"
        path = self._raw.root / DIRECTORY / wanted
        if not found:
            raise MissingRawFileError(
                "The waveform of a clip is missing",
                path=path,
                expected="a WAV file, whatever the case of its letters",
                mend="unpack wav.zip again, or leave the waveform out with on_error='skip'",
            )
        if len(found) > 1:
            raise RawFormatError(
                "The waveform of a clip cannot be told from others",
                path=path,
                found=", ".join(found),
                expected="one file of that name, whatever the case of its letters",
                mend="unpack wav.zip again into an empty directory",
            )
        return f"{DIRECTORY}/{found[0]}"

    def strays(self, clips: tuple[Clip, ...]) -> list[str]:
        """Return the files that no clip is called after."""
        wanted = {clip.name.removeprefix(STIMULUS_PREFIX).casefold() for clip in clips}
        return [name for name in self.names if name.casefold() not in wanted]
