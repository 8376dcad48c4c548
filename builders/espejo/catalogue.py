"""What is in a release: its recordings, who is in them, and how often each of them played what.

Everything here is told by names, headers and epoch tables. Values are read by `builders.espejo.site`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builders.espejo.config import RELEASES, SAMPLE_RATE_HZ, Release
from deepstrf_hf.errors import MissingRawFileError, RawDataError, RawFormatError
from deepstrf_hf.formats.nems import NemsRecording, read_recording
from deepstrf_hf.formats.nems_epochs import split_by_occurrence_counts
from deepstrf_hf.formats.nems_files import list_recordings
from deepstrf_hf.raw_tree import RawTree
from deepstrf_hf.recording import Part

PART_BYTES = 2**24
"""Raw bytes built in one piece: a site or two of NAT, many of VMN, whose recordings are small."""


@dataclass(frozen=True, eq=False)
class Heading:
    """What a recording says before its values.

    Parameters
    ----------
    name : str
        Of its archive, or directory.
    cells : tuple of str
        Neurons, in the order of record.
    counts : dict of str to int
        Occurrences of each sound, by the name of its epoch.
    """

    name: str
    cells: tuple[str, ...]
    counts: Mapping[str, int]

    @functools.cached_property
    def subsets(self) -> Mapping[str, str]:
        """``"est"`` or ``"val"`` of each sound, by the published rule."""
        return split_by_occurrence_counts(self.counts)

    @property
    def most_repeated(self) -> frozenset[str]:
        """Sounds played as often as any, where that is more than once: deepSTRF 0.1.0's test set of the recording."""
        top = max(self.counts.values(), default=0)
        return frozenset(name for name, count in self.counts.items() if count == top > 1)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All recordings of a release.

    Parameters
    ----------
    headings : dict of str to Heading or RawDataError
        By name, in text order; or why one cannot be read.
    sizes : dict of str to int
        Bytes of each, by name.
    strays : tuple of str
        What else lies there.
    """

    headings: Mapping[str, Heading | RawDataError]
    sizes: Mapping[str, int]
    strays: tuple[str, ...] = ()

    @property
    def readable(self) -> list[Heading]:
        """Headings of the recordings that can be read."""
        return [heading for heading in self.headings.values() if isinstance(heading, Heading)]

    @functools.cached_property
    def n_repeats(self) -> Mapping[str, int]:
        """Largest count of each sound in one recording."""
        most: dict[str, int] = {}
        for heading in self.readable:
            for name, count in heading.counts.items():
                most[name] = max(count, most.get(name, 0))
        return most

    @functools.cached_property
    def test(self) -> frozenset[str]:
        """Sounds that are most repeated in any recording: deepSTRF 0.1.0's test set."""
        return frozenset().union(*(heading.most_repeated for heading in self.readable))

    @functools.cached_property
    def subsets(self) -> Mapping[str, str | None]:
        """``"est"`` or ``"val"`` of each sound by the published rule; None where recordings disagree."""
        words: dict[str, str | None] = {}
        for heading in self.readable:
            for name, word in heading.subsets.items():
                words[name] = word if words.get(name, word) == word else None
        return words

    def parts(self, part_bytes: int = PART_BYTES) -> dict[Part, list[str]]:
        """Divide the recordings into pieces that share no neuron.

        Parameters
        ----------
        part_bytes : int
            A piece is closed once it has that many.

        Returns
        -------
        dict of Part to list of str
            Names of the recordings of each, in text order. A piece is called after the first of them.
        """
        pieces: list[list[str]] = []
        filled = part_bytes
        for group in self._sharing_cells():
            if filled >= part_bytes:
                pieces.append([])
                filled = 0
            pieces[-1] += group
            filled += sum(self.sizes[name] for name in group)
        return {Part(min(piece)): sorted(piece) for piece in pieces}

    def _sharing_cells(self) -> list[list[str]]:
        """Return groups of recordings, of which no two share a neuron, by their first names."""
        group_of: dict[str, list[str]] = {}
        home: dict[str, str] = {}
        for name, heading in self.headings.items():
            group_of[name] = [name]
            for cell in heading.cells if isinstance(heading, Heading) else ():
                other, own = group_of[home.setdefault(cell, name)], group_of[name]
                if other is not own:
                    other += own
                    for member in own:
                        group_of[member] = other
        distinct = {id(group): group for group in group_of.values()}
        return sorted((sorted(group) for group in distinct.values()), key=min)


def recordings_folder(raw: RawTree, release: Release) -> Path:
    """Return the folder of a release.

    Raises
    ------
    MissingRawFileError
        It is not there.
    """
    folder = raw.root / release.folder
    if not folder.is_dir():
        other = next(cohort for cohort in RELEASES if cohort != release.cohort)
        raise MissingRawFileError(
            f"The recordings of cohort {release.cohort} are not in this tree",
            path=folder,
            expected="a directory of .tgz archives",
            mend=f"unpack {release.archive} there, or build the cohort {other} alone",
        )
    return folder


def recording_files(raw: RawTree, release: Release) -> list[str]:
    """Return the files of all recordings of a release, below the raw directory (errors as `recordings_folder`)."""
    files: list[str] = []
    for path in list_recordings(recordings_folder(raw, release)).recordings:
        files += [file.relative_to(raw.root).as_posix() for file in _files_of(path)]
    return files


def read_catalogue(raw: RawTree, release: Release) -> Catalogue:
    """Read the headings of all recordings of a release, once per process for all its parts.

    Raises
    ------
    MissingRawFileError
        The release is not in this tree. A recording that cannot be read is an entry of the result.
    """
    state = []
    folder = recordings_folder(raw, release)
    for path in list_recordings(folder).recordings:
        for file in _files_of(path):
            found = file.stat()
            state.append((str(file), found.st_size, found.st_mtime_ns, found.st_ino))
    return _catalogue(folder.resolve(), release, tuple(state))


@functools.lru_cache(maxsize=2)
def _catalogue(folder: Path, release: Release, state: tuple[tuple[str, int, int, int], ...]) -> Catalogue:
    listed = list_recordings(folder)
    sizes = {path.name: sum(file.stat().st_size for file in _files_of(path)) for path in listed.recordings}
    headings = {path.name: _heading(path, release) for path in listed.recordings}
    return Catalogue(headings, sizes, tuple(path.name for path in listed.strays))


def _heading(path: Path, release: Release) -> Heading | RawDataError:
    try:
        # Values in text go nowhere: they are parsed when they are needed.
        recording = read_recording(path, ("resp",), raster_sinks={"resp": lambda first_bin, values: None})
        check_format(recording, release)
        signal = recording.signal("resp")
        signal.require_rate(SAMPLE_RATE_HZ)
        return Heading(path.name, signal.require_channels(), recording.epochs("resp").counts())
    except RawDataError as error:
        return error


def check_format(recording: NemsRecording, release: Release) -> None:
    """Check that the meta data of a recording name the stimulus format of its release.

    Raises
    ------
    RawFormatError
        There are none, or they name another or no format.
    """
    found = None if recording.meta is None else recording.meta.get("stimfmt")
    if found != release.stimulus_format:
        raise RawFormatError(
            f"A recording is not of the kind of cohort {release.cohort}",
            path=recording.path,
            field="<recording>.meta.json: stimfmt",
            found="no meta data (an older generation of recordings)" if recording.meta is None else repr(found),
            expected=repr(release.stimulus_format),
            mend="put recordings of the two releases into their own folders; fetch a damaged one again",
        )


def _files_of(path: Path) -> list[Path]:
    """Return an archive, or the files in a directory, hidden ones apart."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
