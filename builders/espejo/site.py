"""One recording: which stimuli its neurons heard, and when.

The stimulus of a presentation is what the lab's stimulus signal holds while it lasts. Presentations of one name are
presentations of one stimulus where spectrogram, bins, onset and end of the sound are the same.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.espejo.catalogue import Heading, check_format
from builders.espejo.config import SAMPLE_RATE_HZ, EspejoConfig, Release
from builders.espejo.responses import Responses, read_responses
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.formats.nems import NemsRecording, read_recording
from deepstrf_hf.formats.nems_epochs import EpochTable
from deepstrf_hf.formats.nems_tiles import array_digest

DIGEST_DIGITS = 8
"""Of the digest in a ``stim_id``: among the few stimuli of one name, two of one digest are not to be feared."""
SILENCE_DIGITS = 6
"""Decimals of a silence in seconds; beyond is the noise of floating point."""

MISSING_VALUES = "missing in the lab's files; stored as 0, as NEMS reads them"

Spectrogram = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StimulusSignal:
    """What a recording holds of its stimuli.

    Parameters
    ----------
    content : callable
        Given the name of an epoch, its first bin and its bins, returns what the signal holds there.
    tiles : sequence of str or None
        Names of epochs that have a tile; None where the signal is one long matrix.
    n_bins : int or None
        Length of that matrix.
    """

    content: Callable[[str, int, int], Spectrogram]
    tiles: Sequence[str] | None = None
    n_bins: int | None = None


@dataclass(frozen=True, eq=False)
class Heard:
    """A stimulus as one recording has it.

    Parameters
    ----------
    name : str
        Of its epochs.
    spectrogram : ndarray of float32, shape (bands, bins)
        From the start of the epoch to its end.
    before_s, after_s : float or None
        Silence at both ends, s; None where the epochs do not tell.
    starts_s : list of float
        Start of each presentation, s.
    starts : list of int
        First bin of each.
    """

    name: str
    spectrogram: Spectrogram
    before_s: float | None
    after_s: float | None
    starts_s: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    @functools.cached_property
    def content_id(self) -> str:
        """SHA-256 of the spectrogram alone."""
        return array_digest(self.spectrogram)

    @functools.cached_property
    def stim_id(self) -> str:
        """Name and digest of all that makes the stimulus, so that it depends on nothing else."""
        text = f"{self.content_id} {self.before_s} {self.after_s}"
        return f"{self.name}@{hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]}"


@dataclass(frozen=True, eq=False)
class Site:
    """A recording that has been read.

    Parameters
    ----------
    heading : Heading
        What it says before its values.
    cells : tuple of str
        Neurons that are built.
    heard : dict of str to Heard
        Stimuli by ``stim_id``.
    responses : Responses
        Of these neurons.
    log : BuildLog
        What is to be said of it.
    digest : str
        SHA-256 of all its responses and presentations, whichever are built.
    """

    heading: Heading
    cells: tuple[str, ...]
    heard: Mapping[str, Heard]
    responses: Responses
    log: BuildLog
    digest: str

    def counts(self, stim_id: str) -> dict[str, NDArray[np.uint16]]:
        """Return the counts of each neuron to a stimulus: uint16, shape (trials, bins)."""
        heard = self.heard[stim_id]
        starts_s, starts = np.array(heard.starts_s), np.array(heard.starts, np.int64)
        counts = self.responses.counts(starts_s, starts, heard.spectrogram.shape[1])
        return dict(zip(self.cells, counts, strict=True))


def read_site(path: Path, heading: Heading, cells: Sequence[str], release: Release, config: EspejoConfig) -> Site:
    """Read a recording.

    Parameters
    ----------
    path : Path
        Archive or directory.
    heading : Heading
        Its heading.
    cells : sequence of str
        Neurons that are wanted.
    release, config : Release, EspejoConfig
        What is built.

    Raises
    ------
    MissingRawFileError, RawFormatError
        It cannot be used.
    """
    recording = read_recording(path, ("resp", "stim"))
    check_format(recording, release)
    log = BuildLog()
    responses, unlisted, digest = read_responses(recording, cells, config.binning)
    for channel in unlisted:
        log.leave_out("channels", f"{path.name}: {channel}", "its header does not name it")
    for member in recording.other_members:
        log.leave_out("files", f"{path.name}: {member}", "of no kind that a recording has")
    epochs = recording.epochs("resp")
    heard: dict[str, Heard] = {}
    with ExitStack() as stack:
        stimuli = _stimulus_signal(recording, release, log, stack)
        lengths = [length for length in (stimuli.n_bins, responses.n_bins) if length is not None]
        for name in sorted(heading.counts):
            if stimuli.tiles is not None and name not in stimuli.tiles:
                reason = f"the recording holds no tile of it; presentations: {heading.counts[name]}"
                log.leave_out("sounds", f"{path.name}: {name}", reason)
                continue
            for one in _presentations(epochs, name, min(lengths, default=None), stimuli, log):
                known = heard.setdefault(one.stim_id, one)
                if known is not one:
                    known.starts_s.extend(one.starts_s)
                    known.starts.extend(one.starts)
        for name in sorted(set(stimuli.tiles or ()) - set(heading.counts)):
            log.leave_out("tiles", f"{path.name}: {name}", "never played in that recording")
    _remark_on_variants(path.name, heard, log)
    starts_s = np.array([start for one in heard.values() for start in one.starts_s], np.float64)
    spans = [(start, start + one.spectrogram.shape[1]) for one in heard.values() for start in one.starts]
    outside = responses.outside(starts_s, np.array(spans, np.int64).reshape(-1, 2))
    log.leave_out_amount("spikes", "in no presentation of a sound that is built", outside)
    for name in sorted(heading.counts):
        digest = hashlib.sha256(f"{digest} {name} {epochs.occurrences(name).tolist()}".encode()).hexdigest()
    return Site(heading, tuple(cells), heard, responses, log, digest)


def _stimulus_signal(recording: NemsRecording, release: Release, log: BuildLog, stack: ExitStack) -> StimulusSignal:
    """Open the stimulus signal of a recording; its file is closed with the stack."""
    signal = recording.signal("stim")
    signal.require_rate(SAMPLE_RATE_HZ)
    if recording.values_kind("stim") == "raster":
        raster = recording.raster("stim")
        if len(raster.values) != release.n_bands:
            problem = "A stimulus has another number of bands than its corpus"
            raise signal.error(problem, "chans", len(raster.values), release.n_bands)
        log.leave_out_amount("values of spectrograms", MISSING_VALUES, raster.n_missing)
        known = np.nan_to_num(raster.values.astype(np.float32), nan=0.0)
        return StimulusSignal(lambda name, start, n_bins: known[:, start : start + n_bins].copy(), n_bins=raster.n_bins)
    tiles = stack.enter_context(recording.tiles("stim"))

    @functools.lru_cache(maxsize=1)
    def tile_of(name: str) -> Spectrogram:
        tile = tiles.read(name, n_channels=release.n_bands)
        log.leave_out_amount("values of spectrograms", MISSING_VALUES, tile.n_missing)
        return tile.values

    def content(name: str, start: int, n_bins: int) -> Spectrogram:
        # NEMS lays a tile over zeros, and takes what the epoch holds of that.
        tile = tile_of(name)
        fitted = np.zeros((len(tile), n_bins), np.float32)
        fitted[:, : tile.shape[1]] = tile[:, :n_bins]
        if tile.shape[1] != n_bins:
            done = "it was cut" if tile.shape[1] > n_bins else "zeros follow it"
            log.note(
                f"{recording.path.name}: {name} was played for {n_bins} bins and its tile has {tile.shape[1]}; {done}, "
                "as in NEMS."
            )
        return fitted

    return StimulusSignal(content, tiles.names)


def _presentations(
    epochs: EpochTable, name: str, length: int | None, stimuli: StimulusSignal, log: BuildLog
) -> list[Heard]:
    """Return what was heard under a name, by first presentation; the same content may stand twice in text signals."""
    times = epochs.occurrences(name)
    spans = epochs.spans(name, SAMPLE_RATE_HZ, length)
    # Not the difference of the rounded ends, which floating point can make one bin longer or shorter.
    bins = np.round((times[:, 1] - times[:, 0]) * SAMPLE_RATE_HZ).astype(np.int64)
    before, after = (_rounded(values) for values in epochs.silences(name))
    overlapping = epochs.overlapping(name)
    log.leave_out_amount(
        "presentations", "overlap an earlier one of the same sound, which NEMS leaves out", int(overlapping.sum())
    )
    found: dict[tuple[int, float | None, float | None, int | None], Heard] = {}
    for row in np.flatnonzero(~overlapping):
        start, n_bins = int(spans[row, 0]), int(bins[row])
        if not n_bins or (length is not None and start + n_bins > length):
            raise epochs.error(
                "An epoch has no bins" if not n_bins else "An epoch lies outside its signal",
                name,
                f"{n_bins} bins from bin {start}",
                "at least one bin" if not n_bins else f"an end within {length} bins",
            )
        # A tile is the same at every start.
        key = n_bins, before[row], after[row], None if stimuli.tiles is not None else start
        if key not in found:
            found[key] = Heard(name, stimuli.content(name, start, n_bins), before[row], after[row])
        found[key].starts_s.append(float(times[row, 0]))
        found[key].starts.append(start)
    return list(found.values())


def _rounded(silences_s: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else abs(round(float(value), SILENCE_DIGITS)) for value in silences_s]


def _remark_on_variants(recording: str, heard: Mapping[str, Heard], log: BuildLog) -> None:
    """Say of which sounds a recording has presentations that differ."""
    of_name: dict[str, list[Heard]] = {}
    for one in heard.values():
        of_name.setdefault(one.name, []).append(one)
    for name, variants in of_name.items():
        if len(variants) > 1:
            shown = ", ".join(
                f"{len(one.starts)} of {one.spectrogram.shape[1]} bins"
                for one in sorted(variants, key=lambda v: v.stim_id)
            )
            log.note(
                f"{recording}: presentations of {name} differ in length, content or silences ({shown}); each kind is "
                "a stimulus of its own."
            )
