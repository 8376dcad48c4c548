"""Single-site recordings: the spikes of every presentation of the val clips.

The population recording holds the mean over the presentations of a val clip; the presentations themselves are in one
recording per site, as spike times. Names of cells there can have more zeros before the electrode: they are matched by
site, electrode and unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.nat4.config import DT_MS
from builders.nat4.population import RATE_HZ as POPULATION_RATE_HZ
from builders.nat4.population import Clip, Population
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import MissingRawFileError, RawDataError, RawFormatError
from deepstrf_hf.formats.nems import read_recording, read_signal_header
from deepstrf_hf.formats.nems_cells import match_cells, site_of
from deepstrf_hf.formats.nems_epochs import STIMULUS_PREFIX, EpochTable, split_by_occurrence_counts
from deepstrf_hf.formats.nems_files import list_recordings, parse_file_name
from deepstrf_hf.raw_tree import RawTree

RATE_HZ = 1000
SAMPLES_PER_BIN = round(DT_MS * RATE_HZ / 1000)
REPEATS = 20
"""Presentations of each val clip, as published."""
LARGEST_COUNT = 255
KIND = "single-site recordings"


def directory_name(area: str) -> str:
    """Return the name of the directory of the single-site recordings of ``"A1"`` or ``"PEG"``."""
    return f"{area}_single_sites"


@dataclass(frozen=True, eq=False)
class SiteFile:
    """A single-site recording, and which cells of the population it holds.

    Parameters
    ----------
    path : Path
        Archive or directory.
    cells : dict of str to str
        Name in this recording by name in the population recording.
    """

    path: Path
    cells: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class ValResponses:
    """What the cells of one site did in every presentation of the val clips.

    Parameters
    ----------
    cells, names : tuple of str
        Names in the population recording, and in this one.
    counts : dict of str to ndarray of uint8, shape (cells, presentations, bins)
        By name of the clip: spikes in bins of 10 ms since the start of the presentation.
    coarse_means : dict of str to ndarray of float64, shape (cells, bins)
        Means over presentations of the counts in bins of 10 ms since the start of the recording, from the bin nearest
        to the start of each presentation: what a recording rasterised at 100 Hz gives.
    """

    cells: tuple[str, ...]
    names: tuple[str, ...]
    counts: Mapping[str, NDArray[np.uint8]]
    coarse_means: Mapping[str, NDArray[np.float64]]


def match_sites(raw: RawTree, area: str, cells: Sequence[str], log: BuildLog) -> list[SiteFile]:
    """Find the cells of the population in the single-site recordings, of which the headers are read alone.

    Parameters
    ----------
    raw : RawTree
        Raw files.
    area : str
        ``"A1"`` or ``"PEG"``.
    cells : sequence of str
        Cells of the population recording whose val responses are wanted.
    log : BuildLog
        What does not fit together.

    Returns
    -------
    list of SiteFile
        Those that hold cells of the population, by name.

    Raises
    ------
    MissingRawFileError, RawFormatError
        A recording is missing or cannot be read, or names contradict each other (with ``on_error="raise"``).
    """
    try:
        listed = list_recordings(raw.root / directory_name(area))
    except MissingRawFileError as error:
        list(log.usable("directories", [(directory_name(area), error)]))  # stops, or leaves it out
        return []
    for stray in listed.strays:
        log.leave_out("files", f"{directory_name(area)}/{stray.name}", "not a recording")
    named = dict(log.usable(KIND, _headers(listed.recordings)))
    wanted_sites = sorted({site for cell in cells if (site := site_of(cell)) is not None})
    there: set[str | None] = {_site_in_name(path, area) for path in listed.recordings}
    there |= {site_of(cell) for channels in named.values() for cell in channels}
    absent = [(site, _absent(raw, area, site)) for site in wanted_sites if site not in there]
    list(log.usable(KIND, absent))
    return [*_matched(cells, named, log)]


def _headers(paths: Iterable[Path]) -> Iterator[tuple[str, tuple[Path, tuple[str, ...]] | RawDataError]]:
    for path in paths:
        try:
            yield path.name, (path, read_signal_header(path, "resp").require_channels())
        except RawDataError as error:
            yield path.name, error


def _site_in_name(path: Path, area: str) -> str:
    """Return the site that the name of a recording tells: ``TNC010a`` of ``A1_TNC010a_2f50...tgz``."""
    return parse_file_name(path).name.removeprefix(f"{area}_")


def _absent(raw: RawTree, area: str, site: str) -> MissingRawFileError:
    return MissingRawFileError(
        "The recording of a site is missing, and with it the responses of its cells to the val clips",
        path=raw.root / directory_name(area),
        field=site,
        expected=f"{area}_{site}_<sha1>.tgz",
        mend=f"unpack {directory_name(area)}.zip again, or leave them out with on_error='skip'",
    )


def _matched(cells: Sequence[str], named: Mapping[Path, tuple[str, ...]], log: BuildLog) -> Iterator[SiteFile]:
    """Match the cells of each recording, and tell which of them nobody asks for."""
    taken: dict[str, Path] = {}

    def matches() -> Iterator[tuple[str, SiteFile | RawDataError]]:
        for path, channels in named.items():
            try:
                found = match_cells(cells, channels)
                twice = [cell for cell in found if cell in taken]
                if twice:
                    raise RawFormatError(
                        "Two recordings hold the same cells",
                        path=path,
                        field=", ".join(twice[:5]),
                        found=f"also in {taken[twice[0]].name}",
                        expected="each cell in one",
                        mend="remove the copy, or leave it out with on_error='skip'",
                    )
            except RawFormatError as error:
                error.path = str(path)
                yield path.name, error
                continue
            taken.update(dict.fromkeys(found, path))
            yield path.name, SiteFile(path, found)

    for site in log.usable(KIND, matches()):
        strangers = sorted(set(named[site.path]) - set(site.cells.values()))
        if not site.cells:
            reason = f"none of its {len(strangers)} cells is in the population recording"
            log.leave_out(KIND, site.path.name, reason)
            continue
        for cell in strangers:
            log.leave_out("cells", f"{cell} ({site.path.name})", "not in the population recording")
        yield site


def read_sites(
    sites: Iterable[SiteFile], population: Population, log: BuildLog
) -> Iterator[tuple[str, ValResponses | RawDataError]]:
    """Read single-site recordings, one after the other.

    Parameters
    ----------
    sites : iterable of SiteFile
        Which, and which of their cells.
    population : Population
        Whose clips are counted.
    log : BuildLog
        What is left out of them.

    Yields
    ------
    str, ValResponses or RawDataError
        Name of the file, and what it holds, or why it cannot be used.
    """
    for site in sites:
        try:
            yield site.path.name, _read_site(site, population, log)
        except RawDataError as error:
            yield site.path.name, error


def _read_site(site: SiteFile, population: Population, log: BuildLog) -> ValResponses:
    recording = read_recording(site.path, ("resp",))
    signal, epochs, events = recording.signal("resp"), recording.epochs("resp"), recording.events("resp")
    signal.require_rate(RATE_HZ)
    for channel in events.unlisted:
        log.leave_out("cells", f"{channel} ({site.path.name})", "the header of the recording does not name it")
    chosen = events.select(list(site.cells.values()))
    binned, coarse = chosen.binned(RATE_HZ), chosen.binned(POPULATION_RATE_HZ)
    counts: dict[str, NDArray[np.uint8]] = {}
    means: dict[str, NDArray[np.float64]] = {}
    spans, remarks = [np.empty((0, 2), np.int64)], []
    for clip in population.clips:
        if clip.subset != "val":
            continue
        played = epochs.spans(clip.name, RATE_HZ, signal.n_samples)
        kept = _whole_presentations(epochs, clip, played, site.path.name, log)
        if len(kept) != REPEATS:
            remarks.append(f"{len(kept)} of {clip.name}")
        if not len(kept):
            log.leave_out("presentations", f"{clip.name} ({site.path.name})", "the site did not hear this val clip")
            continue
        starts = played[kept, 0]
        counted = binned.counts(starts, clip.n_bins, SAMPLES_PER_BIN)
        if counted.size and counted.max() > LARGEST_COUNT:
            most = f"at most {LARGEST_COUNT} spikes in 10 ms"
            raise epochs.error("A cell fired more often than it can", clip.name, int(counted.max()), most)
        counts[clip.name] = counted.astype(np.uint8)
        coarse_starts = epochs.spans(clip.name, POPULATION_RATE_HZ)[kept, 0]
        means[clip.name] = coarse.counts(coarse_starts, clip.n_bins).mean(axis=1)
        spans.append(np.stack([starts, starts + clip.n_bins * SAMPLES_PER_BIN], axis=1))
    if remarks:
        log.note(f"{site.path.name}: presentations of val clips that are not {REPEATS}: {', '.join(remarks)}.")
    outside = int(binned.outside(np.concatenate(spans)).sum())
    log.leave_out_amount(
        "spikes of single-site recordings", "outside the val clips (est clips are in the population recording)", outside
    )
    _report_epochs(epochs, population, site.path.name, log)
    return ValResponses(tuple(site.cells), tuple(site.cells.values()), counts, means)


def _whole_presentations(
    epochs: EpochTable, clip: Clip, played: NDArray[np.int64], file: str, log: BuildLog
) -> NDArray[np.int64]:
    """Return which presentations are whole, and none twice; a few samples more or less than a clip do not matter."""
    expected = clip.n_bins * SAMPLES_PER_BIN
    lengths = played[:, 1] - played[:, 0]
    overlapping = epochs.overlapping(clip.name)
    short = lengths <= expected - SAMPLES_PER_BIN
    for number in np.flatnonzero(overlapping | short):
        reason = "overlaps an earlier one" if overlapping[number] else f"{lengths[number]} ms long, not {expected} ms"
        log.leave_out("presentations", f"{clip.name}, {number + 1} ({file})", reason)
    kept = np.flatnonzero(~(overlapping | short))
    odd = sorted({int(length) for length in lengths[kept] if length != expected})
    if odd:
        log.note(
            f"{file}: presentations of {clip.name} that are {', '.join(map(str, odd))} ms long; {expected} ms from "
            "their start were taken."
        )
    return kept


def _report_epochs(epochs: EpochTable, population: Population, file: str, log: BuildLog) -> None:
    """Compare the clips of a recording, and their division by how often they were played, with the population's."""
    subsets = {clip.name: clip.subset for clip in population.clips}
    played = epochs.counts(STIMULUS_PREFIX)
    for name in sorted(played.keys() - population.listed):
        log.leave_out("clips", f"{name} ({file})", "not in the population recording")
    by_count = split_by_occurrence_counts(played) if len(set(played.values())) > 1 else {}
    other = sorted(name for name, subset in by_count.items() if subsets.get(name, subset) != subset)
    if other:
        names = ", ".join(other)
        log.note(f"{file}: by how often they were played, these clips would be of the other subset: {names}.")
