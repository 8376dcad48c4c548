"""What a corpus is: the declaration that every builder carries and everything else is derived from."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deepstrf_hf.errors import unknown_name
from deepstrf_hf.linear_baseline import LinearBaseline
from deepstrf_hf.preprocessing import Step
from deepstrf_hf.published_split import RecordedSplit, StimulusSplit, Undivided
from deepstrf_hf.raw_tree import RawTree

Selection = Callable[..., Sequence[bool]]
"""A choice of stimuli that only one corpus has: ``(metadata of all stimuli, *arguments)`` -> whether each is chosen."""


class Redistribution(str, enum.Enum):
    """Whether the data of a corpus may be handed on to the public."""

    PERMITTED = "permitted"
    """The licence allows it."""
    UNVERIFIED = "unverified"
    """No licence is stated, or nobody has checked it; treated as forbidden until somebody has."""
    FORBIDDEN = "forbidden"
    """The terms forbid it."""


@dataclass(frozen=True)
class Licence:
    """Terms of use of a corpus.

    Parameters
    ----------
    name : str
        Name as people write it, for example ``"CC BY 4.0"``.
    hub_identifier : str
        The Hub's licence key, for example ``"cc-by-4.0"``; ``"other"`` or ``"unknown"`` where none fits.
    url : str
        Where the terms are.
    terms : str
        One or two sentences on what they ask for.
    """

    name: str
    hub_identifier: str
    url: str
    terms: str


@dataclass(frozen=True)
class Unpack:
    """What becomes of an archive: a folder of its own in the data directory.

    Parameters
    ----------
    into : str
        Folder below the data directory that the content becomes; no other archive writes there.
    contains : mapping of str to int or None
        Number of files by glob pattern below `into`, hidden ones apart, when everything is there; None where nobody
        has published it: at least one.
    largest_bytes, most_members : int
        Caps on what is unpacked, several times what is known of it: an archive that goes beyond is not the lab's.
    strip : tuple of str
        Leading folders that are taken off the members' names, as far as a name begins with them.
    about_bytes : int, optional
        About how much it is when unpacked, for the free space that a disk must have.
    of_cohorts : mapping of str to tuple of str
        Cohorts that alone need the files of a pattern; the others are for all cohorts that need the archive.
    elsewhere : tuple of str
        Folders below the raw directory (empty: itself) where the content may lie in a tree that was unpacked by hand.
    named_by_md5 : str, optional
        Glob pattern below `into` of files that are named by their own MD5.
    """

    into: str
    contains: Mapping[str, int | None]
    largest_bytes: int
    most_members: int
    strip: tuple[str, ...] = ()
    about_bytes: int | None = None
    of_cohorts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    named_by_md5: str | None = None


@dataclass(frozen=True)
class FileSet:
    """Single files in the folders of a mirror that has neither an archive nor an index of them.

    Parameters
    ----------
    folders : tuple of str
        Addresses of the folders, in the order in which a file is looked for.
    names : callable
        ``(raw tree)`` -> names of the files that are wanted; the recordings tell, so they must be there already.
    """

    folders: tuple[str, ...]
    names: Callable[[RawTree], Sequence[str]]


@dataclass(frozen=True)
class Archive:
    """One file that a lab publishes, or a set of files.

    Parameters
    ----------
    name : str
        File name, below the data directory where it is kept as it is.
    url : str
        Where it can be fetched.
    size_bytes : int, optional
        Exact size, where known.
    checksum : str, optional
        ``"<algorithm>:<hex digest>"``, where known; ``git-blob`` is git's object id.
    optional : bool
        Whether the corpus can be built without it.
    note : str, optional
        What it is needed for.
    cohorts : tuple of str
        Cohorts that need it; empty: all.
    where : mapping of str to str
        Values of all the neurons or stimuli it holds, by column as in conditions of a build:
        ``{"neuron.animal_id": "GreBlu9508M"}``.
    unpack : Unpack, optional
        None: it stays as it is.
    remote_members : bool
        Whether the members of a ZIP archive that are needed are to be read from the server by range, since the whole
        is huge.
    waveforms : bool
        Of an optional one: whether waveforms come from it, and nothing else does.
    by_default : bool
        Of an optional one: whether it is fetched unless somebody refuses, since published values come from it.
    record : str, optional
        What its host calls the record that tells its size and checksum, where the address does not name that.
    file_set : FileSet, optional
        Of a set of files: where they are; `name` is the folder below the data directory that holds them.
    """

    name: str
    url: str
    size_bytes: int | None = None
    checksum: str | None = None
    optional: bool = False
    note: str | None = None
    cohorts: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    unpack: Unpack | None = None
    remote_members: bool = False
    waveforms: bool = False
    by_default: bool = False
    record: str | None = None
    file_set: FileSet | None = None


@dataclass(frozen=True)
class Column:
    """Type and meaning of one metadata column.

    Parameters
    ----------
    dtype : str
        Name of a ``datasets.Value`` type: ``"string"``, ``"int32"``, ``"float64"``, ``"bool"`` …
    description : str
        What it means.
    unit : str, optional
        Physical unit.
    large : bool
        Of a stimulus: kept in the stimuli table only, since rows would repeat it for every neuron.
    """

    dtype: str
    description: str
    unit: str | None = None
    large: bool = False


@dataclass(frozen=True)
class Cohort:
    """Neurons of a corpus that share spectrogram, bin width and kind of signal.

    Parameters
    ----------
    name : str
        Configuration name on the Hub.
    description : str
        One sentence.
    signal_type : str
        ``"spikes"`` (counts per bin), ``"subthreshold"`` (membrane potential) or ``"eeg"``.
    response_dtype : str
        Stored type: ``"uint8"`` or ``"uint16"`` for counts, ``"float32"`` for potentials.
    response_unit : str
        Unit of a stored value.
    spectrogram_unit : str
        Unit of a spectrogram value.
    audio_fs : int, optional
        Default rate of waveform stimuli in the grid, Hz; ``audio_fs * dt_ms / 1000`` must be an integer.
    splits : StimulusSplit, RecordedSplit or Undivided
        The published division.
    counts : mapping of str to int
        Published counts (``neurons``, ``stimuli``, ``rows``, ``trials``, or a name the builder counts itself);
        every build compares itself with them.
    preprocessing : tuple of ResponseStep or StimulusStep
        What the papers apply to the stored responses and spectrograms; done at load.
    deepstrf_preprocessing : tuple of ResponseStep or StimulusStep
        What deepSTRF 0.1.0 hands out with its defaults.
    stimulus : str
        ``"inline"`` (every row carries its spectrogram) or ``"reference"`` (found by ``stim_id``).
    band_ranges : mapping of str to str
        Ranges of spectrogram values that are stored with each stimulus, for `ScaleBands`: name, and over what they
        are taken.
    audio_redistribution : Redistribution, optional
        Whether the sounds may be handed on, where that differs from the rest of the corpus.
    audio_terms : str
        One or two sentences on why.
    baseline : LinearBaseline
        How its linear reference is fitted, and what papers report.
    """

    name: str
    description: str
    signal_type: str
    response_dtype: str
    response_unit: str
    spectrogram_unit: str
    audio_fs: int | None = None
    splits: StimulusSplit | RecordedSplit | Undivided = Undivided()
    counts: Mapping[str, int] = field(default_factory=dict)
    preprocessing: tuple[Step, ...] = ()
    deepstrf_preprocessing: tuple[Step, ...] = ()
    stimulus: str = "inline"
    band_ranges: Mapping[str, str] = field(default_factory=dict)
    audio_redistribution: Redistribution | None = None
    audio_terms: str = ""
    baseline: LinearBaseline = LinearBaseline()


@dataclass(frozen=True)
class Corpus:
    """Everything that is true of a corpus and is not code.

    Parameters
    ----------
    name : str
        Short name: module of the builder, Hub repository, command line.
    title : str
        Name for people.
    version : str
        Version of the built tables; raise it whenever a stored value changes.
    species, behavioural_state : str
        Of the animals.
    areas : tuple of str
        Brain areas recorded.
    hearing_range_hz : tuple of float
        Lowest and highest audible frequency of the species, Hz.
    citation : str
        BibTeX of the papers to cite.
    dois : tuple of str
        Of the papers and the data.
    homepage : str
        Where the lab publishes the data.
    licence : Licence
        Terms.
    redistribution : Redistribution
        Whether the data may be handed on.
    archives : tuple of Archive
        The files the lab publishes.
    stimulus_columns, neuron_columns : mapping of str to Column
        Metadata, without the ``stim_`` and ``neuron_`` prefixes.
    cohorts : tuple of Cohort
        At least one.
    recording_columns : mapping of str to Column
        Of single (stimulus, neuron) pairs, without the ``recording_`` prefix.
    download_size : str
        How much there is to fetch, for people; empty where nobody knows.
    access : str
        What it takes to fetch it: ``"open"``, or what else.
    selections : mapping of str to Selection
        Choices of stimuli that only this corpus has: ``dataset.select_<name>(...)`` of its grids. The first line of
        a function's docstring says what it keeps.
    raw_counts : mapping of str to int
        Number of files by glob pattern below the raw directory, of those that several archives share.
    """

    name: str
    title: str
    version: str
    species: str
    behavioural_state: str
    areas: tuple[str, ...]
    hearing_range_hz: tuple[float, float]
    citation: str
    dois: tuple[str, ...]
    homepage: str
    licence: Licence
    redistribution: Redistribution
    archives: tuple[Archive, ...]
    stimulus_columns: Mapping[str, Column]
    neuron_columns: Mapping[str, Column]
    cohorts: tuple[Cohort, ...]
    recording_columns: Mapping[str, Column] = field(default_factory=dict)
    download_size: str = ""
    access: str = "open"
    selections: Mapping[str, Selection] = field(default_factory=dict)
    raw_counts: Mapping[str, int] = field(default_factory=dict)

    def cohort(self, name: str) -> Cohort:
        """Return a cohort by name.

        Raises
        ------
        UnknownNameError
            No such cohort; near matches are offered.
        """
        for cohort in self.cohorts:
            if cohort.name == name:
                return cohort
        raise unknown_name(f"cohort of {self.name}", name, [cohort.name for cohort in self.cohorts])
