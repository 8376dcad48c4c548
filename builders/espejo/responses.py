"""Responses of the neurons of one recording, in any of its epochs: from spike times, or from counts as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from builders.espejo.config import SAMPLE_RATE_HZ
from deepstrf_hf.errors import RawFormatError
from deepstrf_hf.formats.nems import NemsRecording
from deepstrf_hf.formats.nems_container import REPAIR
from deepstrf_hf.formats.nems_events import EventTimes
from deepstrf_hf.formats.nems_tiles import array_digest

DT_S = 1 / SAMPLE_RATE_HZ


class Responses(Protocol):
    """Responses of some neurons."""

    n_bins: int | None
    """Length of the recording; None where nothing states it."""

    def counts(self, starts_s: NDArray[np.float64], starts: NDArray[np.int64], n_bins: int) -> list[NDArray[np.uint16]]:
        """Return the counts in windows of one length.

        Parameters
        ----------
        starts_s, starts : ndarray, shape (trials,)
            When each window begins: s, and bin of the recording.
        n_bins : int
            Bins of each.

        Returns
        -------
        list of ndarray of uint16, shape (trials, n_bins)
            One per neuron; trials with missing samples are not among them.
        """
        ...

    def outside(self, starts_s: NDArray[np.float64], spans: NDArray[np.int64]) -> int:
        """Return how many spikes are counted in none of some windows.

        Parameters
        ----------
        starts_s : ndarray, shape (windows,)
            When each begins, s.
        spans : ndarray, shape (windows, 2)
            Its first bin, and the one after its last.
        """
        ...


class RecordingBins:
    """Spike times, counted in the bins of the recording: ``floor(t * rate) - round(start * rate)``, as NEMS does.

    Parameters
    ----------
    events : EventTimes
        Of the neurons.
    n_bins : int or None
        Length of the recording.
    """

    def __init__(self, events: EventTimes, n_bins: int | None) -> None:
        self.n_bins = n_bins
        self._binned = events.binned(SAMPLE_RATE_HZ)

    def counts(self, starts_s: NDArray[np.float64], starts: NDArray[np.int64], n_bins: int) -> list[NDArray[np.uint16]]:
        """Return the counts in windows of one length (as `Responses`)."""
        return list(self._binned.counts(starts, n_bins))

    def outside(self, starts_s: NDArray[np.float64], spans: NDArray[np.int64]) -> int:
        """Return how many spikes are counted in none of some windows (as `Responses`)."""
        return int(self._binned.outside(spans).sum())


class EpochBins(RecordingBins):
    """Spike times, counted from the start of each epoch: ``floor((t - start) / dt)`` in double precision.

    This is the rule of deepSTRF 0.1.0, division and all: it decides where spikes on the edge of a bin go.

    Parameters
    ----------
    events : EventTimes
        Of the neurons.
    n_bins : int or None
        Length of the recording.
    """

    def __init__(self, events: EventTimes, n_bins: int | None) -> None:
        super().__init__(events, n_bins)
        self._times_s = events.times_s

    def counts(self, starts_s: NDArray[np.float64], starts: NDArray[np.int64], n_bins: int) -> list[NDArray[np.uint16]]:
        """Return the counts in windows of one length (as `Responses`)."""
        counts = []
        for times in self._times_s:
            rows = np.zeros((len(starts_s), n_bins), np.uint16)
            for row, start in zip(rows, starts_s, strict=True):
                row += np.bincount(self._bins(times, start, n_bins)[1], minlength=n_bins).astype(np.uint16)
            counts.append(rows)
        return counts

    def outside(self, starts_s: NDArray[np.float64], spans: NDArray[np.int64]) -> int:
        """Return how many spikes are counted in none of some windows (as `Responses`)."""
        n_outside = 0
        for times in self._times_s:
            inside = np.zeros(len(times), np.bool_)
            for start, (first, end) in zip(starts_s, spans, strict=True):
                inside[self._bins(times, start, int(end - first))[0]] = True
            n_outside += int(np.count_nonzero(~inside))
        return n_outside

    @staticmethod
    def _bins(times: NDArray[np.float64], start: float, n_bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which spikes a window holds, and the bin of each."""
        near = np.arange(*np.searchsorted(times, (start - DT_S, start + (n_bins + 1) * DT_S)))
        bins = np.floor((times[near] - start) / DT_S).astype(np.int64)
        held = (bins >= 0) & (bins < n_bins)
        return near[held], bins[held]


class RasterCounts:
    """Counts that the recording holds as text, one line per bin.

    Parameters
    ----------
    values : ndarray of float32, shape (neurons, bins)
        NaN where missing, else counts.
    """

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.n_bins: int | None = values.shape[1]
        self._values = values

    def counts(self, starts_s: NDArray[np.float64], starts: NDArray[np.int64], n_bins: int) -> list[NDArray[np.uint16]]:
        """Return the counts in windows of one length (as `Responses`)."""
        windows = np.stack([self._values[:, start : start + n_bins] for start in starts], axis=1)
        whole = np.logical_not(np.isnan(windows).any(axis=2))
        return [rows[complete].astype(np.uint16) for rows, complete in zip(windows, whole, strict=True)]

    def outside(self, starts_s: NDArray[np.float64], spans: NDArray[np.int64]) -> int:
        """Return how many spikes are counted in none of some windows (as `Responses`)."""
        inside = np.zeros(self._values.shape[1], np.bool_)
        for start, end in spans:
            inside[start:end] = True
        return int(np.nansum(self._values[:, ~inside]))


def read_responses(
    recording: NemsRecording, cells: Sequence[str], binning: str
) -> tuple[Responses, tuple[str, ...], str]:
    """Read the responses of some neurons of a recording.

    Parameters
    ----------
    recording : NemsRecording
        With the signal ``resp``.
    cells : sequence of str
        Neurons, of those its header names.
    binning : str
        ``"recording"`` or ``"epoch"``, for spike times.

    Returns
    -------
    responses : Responses
        In the order of `cells`.
    unlisted : tuple of str
        Channels that the header does not name.
    digest : str
        SHA-256 of the responses of all neurons of the recording.

    Raises
    ------
    MissingRawFileError, RawFormatError
        The recording has none, or they are not as published; counts that are no whole numbers from 0 to 65 535.
    """
    signal = recording.signal("resp")
    if recording.values_kind("resp") != "raster":
        events = recording.events("resp")
        kind = RecordingBins if binning == "recording" else EpochBins
        return kind(events.select(cells), signal.n_samples), events.unlisted, events.content_digest()
    place = {cell: index for index, cell in enumerate(signal.require_channels())}
    every = recording.raster("resp").values
    values = every[[place[cell] for cell in cells]].astype(np.float32)
    no_count = ~np.isnan(values) & ((values != np.floor(values)) | (values < 0) | (values > np.iinfo(np.uint16).max))
    if no_count.any():
        cell, line = np.argwhere(no_count)[0]
        raise RawFormatError(
            "A response holds something other than counts",
            path=recording.path,
            field=f"<recording>.resp.csv: line {line + 1}, {cells[cell]}",
            found=values[cell, line],
            expected="spikes per bin, whole numbers from 0",
            mend=REPAIR,
        )
    return RasterCounts(values), (), array_digest(every)
