"""Recordings of NEMS, the "neural encoding model system" (https://github.com/LBHB/NEMS), as laboratories publish them.

A recording is a ``.tgz`` archive or a directory with the files of its signals: a header (``.json``), an epoch table
(``.epoch.csv``), and values: spike times or tiles (``.h5``), or text with one line per time bin (``.csv``). The older
generation (2018) has no ``.meta.json`` and states neither length nor type of a signal; what it holds is read.

`read_recording` passes over an archive once. `read_signal_header` reads no further than the header it looks for.
`deepstrf_hf.formats.nems_files` lists archives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deepstrf_hf.errors import MissingRawFileError, RawFormatError
from deepstrf_hf.formats.nems_container import REPAIR, walk_members
from deepstrf_hf.formats.nems_epochs import EpochTable, read_epochs
from deepstrf_hf.formats.nems_events import EventTimes, read_events
from deepstrf_hf.formats.nems_raster import Raster, RasterSink, read_raster, stream_raster
from deepstrf_hf.formats.nems_signal import POINT_PROCESS, TILED, NemsSignal, read_json, read_signal_json
from deepstrf_hf.formats.nems_tiles import Tiles


@dataclass(eq=False)
class NemsRecording:
    """A recording, with the values of the signals that were asked for.

    Parameters
    ----------
    path : Path
        Archive or directory.
    meta : dict or None
        The lab's meta data; None in the older generation, which has none.
    signals : dict of str to NemsSignal
        Headers of all signals.
    other_members : tuple of str
        Files of no known kind, which were passed over.
    """

    path: Path
    meta: dict[str, Any] | None = None
    signals: dict[str, NemsSignal] = field(default_factory=dict)
    other_members: tuple[str, ...] = ()
    _epochs: dict[str, EpochTable] = field(default_factory=dict, repr=False)
    _h5: dict[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)
    _rasters: dict[str, Raster] = field(default_factory=dict, repr=False)

    def signal(self, name: str) -> NemsSignal:
        """Return the header of a signal.

        Raises
        ------
        MissingRawFileError
            It has none.
        """
        return self._given(self.signals, name, "json")

    def epochs(self, name: str) -> EpochTable:
        """Return the epoch table of a signal that was asked for.

        Raises
        ------
        MissingRawFileError
            It has none.
        """
        return self._given(self._epochs, name, "epoch.csv")

    def values_kind(self, name: str) -> str | None:
        """Return what the values of a signal are: ``"events"``, ``"tiles"``, ``"raster"``, or None without any.

        The files that are there decide; the header tells events from tiles (errors as in `signal`).
        """
        if name in self._rasters:
            return "raster"
        if name not in self._h5:
            return None
        return {POINT_PROCESS: "events", TILED: "tiles"}.get(self.signal(name).kind)

    def events(self, name: str) -> EventTimes:
        """Read the event times of a signal that was asked for.

        Raises
        ------
        MissingRawFileError
            It has no HDF5 file, or no header.
        RawFormatError
            It is no PointProcess; or as `deepstrf_hf.formats.nems_events.read_events`.
        """
        signal, member, content = self._h5_of(name, POINT_PROCESS)
        return read_events(content, signal, member)

    def tiles(self, name: str) -> Tiles:
        """Open the tiles of a signal that was asked for.

        Raises
        ------
        MissingRawFileError
            It has no HDF5 file, or no header.
        RawFormatError
            It is no TiledSignal, or the file is damaged.
        """
        signal, member, content = self._h5_of(name, TILED)
        return Tiles(content, signal, member)

    def raster(self, name: str) -> Raster:
        """Return the values of a rasterised signal that was asked for, checked against its header.

        Raises
        ------
        MissingRawFileError
            It has no csv file, or no header.
        RawFormatError
            It has other numbers of channels or bins than its header states.
        """
        raster = self._given(self._rasters, name, "csv")
        raster.check(self.signal(name))
        return raster

    def release(self, name: str) -> None:
        """Let go of the values of a signal; its header and epochs stay."""
        self._h5.pop(name, None)
        self._rasters.pop(name, None)

    def _h5_of(self, name: str, kind: str) -> tuple[NemsSignal, str, bytes]:
        member, content = self._given(self._h5, name, "h5")
        signal = self.signal(name)
        if signal.kind != kind:
            raise signal.error("A signal is of another kind", "signal_type", signal.kind, kind)
        return signal, member, content

    def _given(self, members: Mapping[str, Any], name: str, end: str) -> Any:
        if name not in members:
            raise _missing(self.path, f"{name}.{end}")
        return members[name]


def read_recording(
    path: Path,
    signals: Collection[str],
    *,
    raster_dtype: DTypeLike = np.float32,
    raster_sinks: Mapping[str, RasterSink] | None = None,
) -> NemsRecording:
    """Read a recording in one pass.

    The pass goes to the end of the archive, where its check sum stands, so that what was read is known to be intact.

    Parameters
    ----------
    path : Path
        A ``.tgz`` archive, or a directory that holds the files, or one directory with them.
    signals : collection of str
        Signals whose epochs and values are kept: ``("resp", "stim")``. What a recording lacks is an error when it is
        asked of the result.
    raster_dtype : dtype
        Of values that are stored as text. An integer type takes whole numbers in its range alone.
    raster_sinks : mapping of str to callable, optional
        By signal: where its values go, block by block, instead of into the result.

    Returns
    -------
    NemsRecording
        Spike times and tiles are held as they stand in the archive until they are asked for.

    Raises
    ------
    MissingRawFileError
        There is no such file or directory.
    RawFormatError
        Not an archive, cut short, or damaged; a member that is not as published.
    """
    recording = NemsRecording(path)
    others: list[str] = []
    sinks = raster_sinks or {}
    with closing(walk_members(path)) as members:
        for stream in members:
            kind, signal = stream.member.kind, stream.member.signal
            if kind == "meta":
                recording.meta = read_json(stream)
            elif kind == "json":
                recording.signals[signal] = read_signal_json(stream)
            elif not kind:
                others.append(stream.member.name)
            elif signal not in signals:
                continue
            elif kind == "epochs":
                recording._epochs[signal] = read_epochs(stream)
            elif kind == "h5":
                recording._h5[signal] = stream.member.name, stream.whole()
            elif signal in sinks:
                recording._rasters[signal] = stream_raster(stream, sinks[signal])
            else:
                recording._rasters[signal] = read_raster(stream, raster_dtype)
    recording.other_members = tuple(others)
    if recording.meta is None and not recording.signals:
        raise RawFormatError(
            "An archive holds no recording",
            path=path,
            found=", ".join(others[:8]) or "no files with a header",
            expected="<recording>.<signal>.json",
            mend=REPAIR,
        )
    return recording


def read_signal_header(path: Path, signal: str = "resp") -> NemsSignal:
    """Read the header of one signal, and no more of the archive than what lies before it.

    Raises
    ------
    MissingRawFileError, RawFormatError
        As `read_recording`, as far as it is read; or there is no such header.
    """
    with closing(walk_members(path)) as members:
        for stream in members:
            if stream.member.kind == "json" and stream.member.signal == signal:
                return read_signal_json(stream)
    raise _missing(path, f"{signal}.json")


def read_meta(path: Path) -> dict[str, Any] | None:
    """Read the lab's meta data alone, None where there are none (errors as in `read_signal_header`)."""
    with closing(walk_members(path)) as members:
        for stream in members:
            if stream.member.kind == "meta":
                return read_json(stream)
    return None


def _missing(path: Path, end: str) -> MissingRawFileError:
    return MissingRawFileError(
        "A recording lacks a file",
        path=path,
        field=f"<recording>.{end}",
        expected="one file of that ending",
        mend="fetch the recording again; the published one may lack it too, and then on_error='skip' leaves it out",
    )
