"""Spike times of NEMS recordings, and their counts in the bins of epochs.

The rule of NEMS (https://github.com/LBHB/NEMS, ``PointProcess.rasterize``): an event at t seconds from the start of the
recording lies in bin ``floor(t * rate)`` of the recording, whatever the epoch; an epoch begins at bin
``round(start * rate)``, half to even. An event shortly before the start of an epoch can so lie in its first bin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import ParameterError, RawFormatError
from deepstrf_hf.formats.nems_h5 import H5Member
from deepstrf_hf.formats.nems_signal import NemsSignal

TIME_LIMIT_S = 1e8
"""Latest time that can be one (three years): above, floating point has no milliseconds, and bins overflow."""


class EventTimes(NamedTuple):
    """Events of a recording, channel by channel.

    Parameters
    ----------
    channels : tuple of str
        In the order of record.
    times_s : tuple of ndarray of float64, shape (events,)
        Ascending, s from the start of the recording; one array per channel.
    unlisted : tuple of str
        Channels in the file that the header does not name; they are not among the others.
    """

    channels: tuple[str, ...]
    times_s: tuple[NDArray[np.float64], ...]
    unlisted: tuple[str, ...] = ()

    def content_digest(self) -> str:
        """Return the SHA-256 of names and times, the same in whatever order the channels come.

        Two recordings with one digest hold the same events, whatever their names and meta data are.
        """
        digest = hashlib.sha256()
        for channel, times in sorted(zip(self.channels, self.times_s, strict=True), key=lambda pair: pair[0]):
            name = channel.encode("utf-8", "surrogateescape")
            digest.update(len(name).to_bytes(8, "little") + name)
            digest.update(len(times).to_bytes(8, "little") + np.ascontiguousarray(times, "<f8").data)
        return digest.hexdigest()

    def select(self, channels: Sequence[str]) -> EventTimes:
        """Return some of the channels, in the order given.

        Raises
        ------
        ParameterError
            A channel that is not there.
        """
        unknown = [name for name in channels if name not in self.channels]
        if unknown:
            raise ParameterError(
                "A recording has no such channel", field="channels", found=", ".join(unknown), expected=self.channels
            )
        place = {name: index for index, name in enumerate(self.channels)}
        return EventTimes(tuple(channels), tuple(self.times_s[place[name]] for name in channels))

    def binned(self, sample_rate_hz: float) -> BinnedEvents:
        """Return the bins that the events lie in."""
        return BinnedEvents(self, sample_rate_hz)


class BinnedEvents:
    """Events as bin numbers, to be counted in any epochs.

    Parameters
    ----------
    events : EventTimes
        Channels and times.
    sample_rate_hz : float
        Bins per second.
    """

    def __init__(self, events: EventTimes, sample_rate_hz: float) -> None:
        self.channels = events.channels
        self._bins = np.floor(np.concatenate([np.empty(0), *events.times_s]) * sample_rate_hz).astype(np.int64)
        self._n_events = np.array([len(times) for times in events.times_s], np.int64)
        # One ascending key for all events, so that one search finds the windows of all channels.
        self._low, high = (int(self._bins.min()), int(self._bins.max())) if self._bins.size else (0, 0)
        self._stride = high - self._low + 2
        self._keys = self._bins - self._low
        self._keys += np.repeat(np.arange(len(self.channels)) * self._stride, self._n_events)

    def n_events(self) -> NDArray[np.int64]:
        """Return the number of events of each channel, inside the recording or not: int64, shape (channels,)."""
        return self._n_events.copy()

    def counts(self, starts: NDArray[np.integer], n_bins: int, samples_per_bin: int = 1) -> NDArray[np.uint16]:
        """Count events in windows of one length.

        Parameters
        ----------
        starts : ndarray of int, shape (occurrences,)
            First bin of each window: first column of `EpochTable.spans`. Windows may overlap, and may reach past the
            end of the recording, where nothing is counted.
        n_bins : int
            Bins of each window in the result.
        samples_per_bin : int
            How many bins of the rate make one of the result: 10 for bins of 10 ms at 1000 Hz.

        Returns
        -------
        ndarray of uint16, shape (channels, occurrences, bins)
            Events with ``floor(t * rate) - start`` from ``b * samples_per_bin`` to below
            ``(b + 1) * samples_per_bin`` in bin b.

        Raises
        ------
        RawFormatError
            More events in one bin than there can be (65 535).
        ParameterError
            Negative sizes.
        """
        if n_bins < 0 or samples_per_bin < 1:
            raise ParameterError(
                "Events cannot be counted in such bins",
                field="n_bins, samples_per_bin",
                found=f"{n_bins}, {samples_per_bin}",
                expected="n_bins >= 0, samples_per_bin >= 1",
            )
        starts = starts.astype(np.int64)
        shape = len(self.channels), len(starts), n_bins
        counts = np.zeros(shape, np.uint16)
        begin = self._positions(starts)
        in_window = self._positions(starts + n_bins * samples_per_bin) - begin
        windows = np.flatnonzero(in_window)
        if not counts.size or not windows.size:
            return counts
        amounts = in_window.ravel()[windows]
        # Events of the windows one after the other: position of each, and the window it is in.
        window = np.repeat(windows, amounts)
        ahead = np.cumsum(amounts) - amounts
        event = np.arange(amounts.sum()) + np.repeat(begin.ravel()[windows] - ahead, amounts)
        cell = window * n_bins + (self._bins[event] - starts[window % len(starts)]) // samples_per_bin
        # Cells ascend, since windows and events in them do: equal neighbours are counted without sorting.
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        amount = np.diff(first, append=len(cell))
        limit = np.iinfo(counts.dtype).max
        if amount.max() > limit:
            raise RawFormatError(
                "Events of a recording are too many for one bin",
                field=self.channels[int(cell[first[amount.argmax()]] // (len(starts) * n_bins))],
                found=int(amount.max()),
                expected=f"at most {limit}",
            )
        counts.reshape(-1)[cell[first]] = amount
        return counts

    def _positions(self, bins: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the position, among all events, of the first at or after each bin: shape (channels, bins)."""
        within = np.clip(bins - self._low, 0, self._stride - 1)
        channels = np.arange(len(self.channels), dtype=np.int64)[:, None]
        return np.searchsorted(self._keys, channels * self._stride + within)

    def raster(self, n_bins: int) -> NDArray[np.uint16]:
        """Count events over the whole recording: uint16, shape (channels, n_bins); what lies outside is left out."""
        return self.counts(np.zeros(1, np.int64), n_bins)[:, 0]

    def outside(self, spans: NDArray[np.integer]) -> NDArray[np.int64]:
        """Count the events that lie in none of many windows, for the report.

        Parameters
        ----------
        spans : ndarray of int, shape (windows, 2)
            First bin, and bin after the last, in any order; windows may overlap. ``[[0, n]]`` counts the events before
            the start and after the end of a recording of n bins.

        Returns
        -------
        ndarray of int64, shape (channels,)
        """
        spans = np.asarray(spans, np.int64).reshape(-1, 2)
        spans = spans[np.argsort(spans[:, 0], kind="stable")]
        if not len(spans):
            return self.n_events()
        ends = np.maximum.accumulate(spans[:, 1])
        separate = np.flatnonzero(np.concatenate([[True], spans[1:, 0] > ends[:-1]]))
        starts = spans[separate, 0]
        ends = np.maximum(ends[np.concatenate([separate[1:] - 1, [len(spans) - 1]])], starts)
        inside = (self._positions(ends) - self._positions(starts)).sum(axis=1)
        return np.asarray(self.n_events() - inside)


def read_events(content: bytes, signal: NemsSignal, member: str) -> EventTimes:
    """Read the event times of a PointProcess.

    Parameters
    ----------
    content : bytes
        The HDF5 member.
    signal : NemsSignal
        Its header; without names of channels, those of the file are taken, in text order.
    member : str
        Name of the member, for messages.

    Returns
    -------
    EventTimes
        In the order of the header. A channel may have no events.

    Raises
    ------
    RawFormatError
        Not HDF5; a channel of the header that is not there; times that are not finite numbers in one dimension.
    """
    with H5Member(content, signal.path, member) as file:
        channels = file.names if signal.channels is None else signal.channels
        absent = [name for name in channels if name not in file.names]
        if absent:
            raise file.error(
                "A recording lacks the events of a channel that its header names", absent[0], "no data set", "one each"
            )
        trains = []
        for name in channels:
            times = file.values(name, 1)
            if not (np.abs(times) <= TIME_LIMIT_S).all():
                wrong = times[~(np.abs(times) <= TIME_LIMIT_S)][0]
                raise file.error("An event has no possible time", name, wrong, "seconds from the start")
            if (times[1:] < times[:-1]).any():
                times.sort()
            trains.append(times)
        listed = set(channels)
        return EventTimes(tuple(channels), tuple(trains), tuple(name for name in file.names if name not in listed))
