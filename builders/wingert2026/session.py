"""One recording of a session: spike times, presentations, and spectrograms with the ranges of their bands."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.wingert2026.config import DT_MS
from deepstrf_hf.build_log import BuildLog
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems import NemsRecording, read_recording
from deepstrf_hf.formats.nems_container import REPAIR
from deepstrf_hf.formats.nems_epochs import STIMULUS_PREFIX, EpochTable, split_by_occurrence_counts
from deepstrf_hf.formats.nems_events import BinnedEvents, EventTimes
from deepstrf_hf.formats.nems_tiles import array_digest

N_BANDS = 32
RATE_HZ = 1000 / DT_MS
SMALLEST_D = 0.1
"""d of the published compression log((x + d) / d), which no value at or below -d has."""
CHUNK_BINS = 20_000
VALIDATION_NAME = STIMULUS_PREFIX + "00"
"""What the names of the lab's validation stimuli begin with."""

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SessionStimulus:
    """A sound that a session played.

    Parameters
    ----------
    name : str
        The lab's name.
    spectrogram : ndarray of float32, shape (32, bins)
        Linear, as published.
    content_id : str
        SHA-256 of the spectrogram as it is in the archive.
    starts : ndarray of int64, shape (presentations,)
        First bin of each presentation, in the order of the epoch table.
    presented_bins : int
        Length of the shortest presentation.
    count_rule_subset : str
        ``"est"`` or ``"val"`` by the published rule.
    """

    name: str
    spectrogram: Float32
    content_id: str
    starts: NDArray[np.int64]
    presented_bins: int
    count_rule_subset: str

    @property
    def n_bins(self) -> int:
        """Bins of the spectrogram, and of the responses to it."""
        return self.spectrogram.shape[1]

    @property
    def subset(self) -> str:
        """``"val"`` or ``"est"``, as the lab's names of the sounds tell them."""
        return "val" if self.name.startswith(VALIDATION_NAME) else "est"

    @property
    def first_sound_ms(self) -> float | None:
        """Start of the first bin that is not silent in all bands, ms; None where all are."""
        loud = np.flatnonzero(self.spectrogram.any(axis=0))
        return float(loud[0]) * DT_MS if len(loud) else None


@dataclass(frozen=True, eq=False)
class Session:
    """What an archive holds.

    Parameters
    ----------
    events : EventTimes
        Spike times of all its cells.
    n_bins : int
        Length of the recording.
    stimuli : tuple of SessionStimulus
        The sounds that were played and have a spectrogram, by name.
    recording_range, tiles_range : ndarray of float32, shape (32, 2)
        Low and high of each band: over the whole recording, silence between the sounds included; and over all
        spectrograms of the archive.
    digest : str
        Equal for archives that hold the same spikes, presentations and spectrograms.
    """

    events: EventTimes
    n_bins: int
    stimuli: tuple[SessionStimulus, ...]
    recording_range: Float32
    tiles_range: Float32
    digest: str


def read_session(path: Path, name: str, log: BuildLog) -> Session:
    """Read an archive, once and whole.

    Parameters
    ----------
    path : Path
        The archive.
    name : str
        Name of its session, for the log.
    log : BuildLog
        What is left out of it.

    Raises
    ------
    MissingRawFileError
        It lacks a member.
    RawFormatError
        Cut short, damaged, or not as published; an epoch that lies outside the recording.
    """
    recording = read_recording(path, ("resp", "stim"))
    response = recording.signal("resp")
    for signal in (response, recording.signal("stim")):
        signal.require_rate(RATE_HZ)
    events = recording.events("resp")
    epochs = recording.epochs("resp")
    n_bins = _n_bins(recording)
    presented = {key: epochs.spans(key, RATE_HZ, n_bins) for key in sorted(epochs.names(STIMULUS_PREFIX))}
    tiles = _read_tiles(recording, name, log)
    digest = _digest(events, presented, tiles)
    stimuli = tuple(_stimuli(epochs, presented, tiles, name, log))
    if not stimuli:
        raise RawFormatError(
            "An archive holds no sound that was played and has a spectrogram",
            path=path,
            found=f"{len(presented)} sounds that were played, {len(tiles)} spectrograms",
            expected="spectrograms under the names of STIM_ epochs",
            mend=REPAIR,
        )
    for channel in events.unlisted:
        log.leave_out("units", channel, f"{name}: it has spikes, but the header of the archive does not name it")
    lows, highs = (np.stack([reduce(tile, axis=1) for tile, _ in tiles.values()]) for reduce in (np.min, np.max))
    return Session(
        events,
        n_bins,
        stimuli,
        _recording_range(stimuli, n_bins),
        np.stack([lows.min(axis=0), highs.max(axis=0)], axis=1),
        digest,
    )


def _n_bins(recording: NemsRecording) -> int:
    """Return the length of a recording: what its header states, else the end of its last epoch."""
    stated = recording.signal("resp").n_samples
    if stated is not None:
        return stated
    epochs = recording.epochs("resp").by_name.values()
    return max((round(float(times[:, 1].max()) * RATE_HZ) for times in epochs), default=0)


def read_largest_counts(path: Path, cells: Collection[str]) -> dict[str, int]:
    """Read the largest count of some cells in a bin of an archive, by cell (errors as in `read_session`)."""
    recording = read_recording(path, ("resp",))
    events = recording.events("resp")
    binned = events.select([cell for cell in events.channels if cell in cells]).binned(RATE_HZ)
    return dict(zip(binned.channels, largest_counts(binned, _n_bins(recording)).tolist(), strict=True))


def _read_tiles(recording: NemsRecording, name: str, log: BuildLog) -> dict[str, tuple[Float32, str]]:
    """Read all spectrograms of an archive, with the digests of their values as stored; let go of the archive."""
    tiles = {}
    missing = 0
    with recording.tiles("stim") as stored:
        for key in stored.names:
            tile = stored.read(key, n_channels=N_BANDS, dtype=np.float64)
            if tile.values.min() <= -SMALLEST_D:
                raise recording.signal("stim").error(
                    "A spectrogram is not linear", key, f"{tile.values.min():g}", "values that are not negative"
                )
            missing += tile.n_missing
            tiles[key] = tile.values.astype(np.float32), array_digest(tile.values)
    recording.release("stim")
    recording.release("resp")
    if not tiles:
        raise recording.signal("stim").error("An archive holds no spectrogram", "stim.h5", "none", "one per sound")
    log.leave_out_amount("spectrogram values", f"{name}: not a number in the archive; 0 here, as in NEMS", missing)
    return tiles


def _stimuli(
    epochs: EpochTable,
    presented: dict[str, NDArray[np.int64]],
    tiles: dict[str, tuple[Float32, str]],
    name: str,
    log: BuildLog,
) -> Iterator[SessionStimulus]:
    """Yield the sounds that were played and have a spectrogram; write the others into the log."""
    by_count_rule = split_by_occurrence_counts({key: len(spans) for key, spans in presented.items()})
    other_length = []
    for key in sorted({*presented, *tiles}):
        if key not in presented:
            log.leave_out("stimuli", f"{name} {key}", "it has a spectrogram, but was never played")
            continue
        if key not in tiles:
            log.leave_out("stimuli", f"{name} {key}", "it was played, but the archive holds no spectrogram of it")
            continue
        again = epochs.overlapping(key)
        for start, _ in epochs.occurrences(key)[again]:
            log.leave_out(
                "presentations", f"{name} {key} at {start:g} s", "it overlaps an earlier one of the same sound"
            )
        spans = presented[key][~again]
        spectrogram, content_id = tiles[key]
        lengths = spans[:, 1] - spans[:, 0]
        if (np.abs(lengths - spectrogram.shape[1]) > 1).any():  # one bin is what rounding of both ends makes
            other_length.append(key)
        yield SessionStimulus(key, spectrogram, content_id, spans[:, 0], int(lengths.min()), by_count_rule[key])
    if other_length:
        log.note(
            f"{name}: presentations of {len(other_length)} sounds ({other_length[0]}, for one) last other than their "
            "spectrograms; responses have the bins of the spectrogram, stim_presented_bins tells the presentation's."
        )


def _recording_range(stimuli: tuple[SessionStimulus, ...], n_bins: int) -> Float32:
    """Return low and high of each band over the rasterised recording.

    As NEMS does: zeros, and the spectrogram of each presentation from its first bin on, as far as the recording goes.
    """
    silent = np.ones(n_bins, np.bool_)
    lows, highs = [], []
    for stimulus in stimuli:
        for start in stimulus.starts:
            silent[start : start + stimulus.n_bins] = False
        heard = stimulus.spectrogram[:, : max(0, n_bins - int(stimulus.starts.min()))]
        if heard.size:
            lows.append(heard.min(axis=1))
            highs.append(heard.max(axis=1))
    if silent.any() or not lows:
        lows.append(np.zeros(N_BANDS, np.float32))
        highs.append(np.zeros(N_BANDS, np.float32))
    return np.stack([np.min(lows, axis=0), np.max(highs, axis=0)], axis=1).astype(np.float32)


def _digest(events: EventTimes, presented: dict[str, NDArray[np.int64]], tiles: dict[str, tuple[Float32, str]]) -> str:
    digest = hashlib.sha256(events.content_digest().encode())
    for key in sorted({*presented, *tiles}):
        digest.update(f"\n{key}\n{presented[key].tolist() if key in presented else ''}\n".encode())
        digest.update((tiles[key][1] if key in tiles else "").encode())
    return digest.hexdigest()


def largest_counts(binned: BinnedEvents, n_bins: int) -> NDArray[np.int64]:
    """Return the largest count in a bin over the whole recording, for each channel: int64, shape (channels,)."""
    largest = np.zeros(len(binned.channels), np.int64)
    for start in range(0, n_bins, CHUNK_BINS):
        counts = binned.counts(np.array([start]), min(CHUNK_BINS, n_bins - start))
        np.maximum(largest, counts.max(axis=(1, 2), initial=0), out=largest)
    return largest
