"""Write NEMS recordings: the files of a recording, in a directory or a ``.tgz``, as the ferret corpora publish them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Epoch = tuple[str, float, float]
"""Name, start and end in seconds."""


def epoch_csv(epochs: Sequence[Epoch], order: Sequence[str] = ("name", "start", "end")) -> bytes:
    """Return an epoch table; real ones come with either order of columns, and quote names that hold commas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(order)
    for name, start, end in epochs:
        row = {"name": name, "start": repr(float(start)), "end": repr(float(end))}
        writer.writerow([row[column] for column in order])
    return text.getvalue().encode()


def h5_bytes(arrays: Mapping[str, NDArray[Any]], *, compressed: bool = True) -> bytes:
    """Return an HDF5 file of one data set per name."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip" if compressed and np.size(values) else None)
    return content.getvalue()


def csv_bytes(matrix: NDArray[Any]) -> bytes:
    """Return text of one line per row and NEMS' number format, ``%.18e``."""
    content = io.BytesIO()
    np.savetxt(content, matrix, delimiter=",", fmt="%.18e")
    return content.getvalue()


class RecordingWriter:
    """Collects the files of one recording.

    Parameters
    ----------
    name : str
        Of the recording: begins the names of its files.
    meta : dict or None
        The lab's meta data; None for the older generation, which has none, and no length or type in its headers.
    order : sequence of str
        Columns of the epoch tables.
    """

    def __init__(self, name: str, meta: dict[str, Any] | None, order: Sequence[str] = ("name", "start", "end")) -> None:
        self.name, self.meta, self.order = name, meta, order
        self.files: dict[str, bytes] = {}
        if meta is not None:
            self.files[f"{name}.meta.json"] = json.dumps(meta).encode()

    def rasterized(
        self, signal: str, matrix: NDArray[Any], channels: Sequence[str], rate: int, epochs: Sequence[Epoch]
    ) -> None:
        """Add a RasterizedSignal of shape (bins, channels)."""
        self.files[f"{self.name}.{signal}.csv"] = csv_bytes(matrix)
        self._header(signal, channels, rate, "RasterizedSignal", epochs, len(matrix))

    def point_process(
        self,
        signal: str,
        times_s: Mapping[str, NDArray[np.float64]],
        channels: Sequence[str],
        rate: int,
        epochs: Sequence[Epoch],
    ) -> None:
        """Add a PointProcess: event times in seconds by channel."""
        self.files[f"{self.name}.{signal}.h5"] = h5_bytes(times_s)
        self._header(signal, channels, rate, "PointProcess", epochs, round(rate * max(end for _, _, end in epochs)))

    def tiled(
        self,
        signal: str,
        tiles: Mapping[str, NDArray[Any]],
        channels: Sequence[str] | None,
        rate: int,
        epochs: Sequence[Epoch],
        *,
        compressed: bool = True,
    ) -> None:
        """Add a TiledSignal: one (channels, bins) matrix by name of epoch."""
        self.files[f"{self.name}.{signal}.h5"] = h5_bytes(tiles, compressed=compressed)
        self._header(signal, channels, rate, "TiledSignal", epochs, round(rate * max(end for _, _, end in epochs)))

    def _header(
        self,
        signal: str,
        channels: Sequence[str] | None,
        rate: int,
        kind: str,
        epochs: Sequence[Epoch],
        n_samples: int,
    ) -> None:
        header: dict[str, Any] = {
            "name": signal,
            "chans": None if channels is None else list(channels),
            "fs": rate,
            "meta": None,
            "recording": self.name,
        }
        if self.meta is not None:
            header |= {
                "segments": [[0, int(n_samples)]],
                "signal_type": f"<class 'nems.signal.{kind}'>",
                "normalization": "none",
                "norm_baseline": [[0]],
                "norm_gain": [[1]],
            }
        self.files[f"{self.name}.{signal}.json"] = json.dumps(header).encode()
        self.files[f"{self.name}.{signal}.epoch.csv"] = epoch_csv(epochs, self.order)

    def sha1(self) -> str:
        """Return the digest of the meta data that file names carry."""
        return hashlib.sha1(json.dumps(self.meta, sort_keys=True).encode()).hexdigest()

    def write_tgz(self, path: Path, folder: str | None = None, level: int = 6) -> Path:
        """Write an archive whose members lie in `folder` (by default of the recording's name; ``""`` for none)."""
        top = self.name if folder is None else folder
        return write_tgz(path, {f"{top}/{name}" if top else name: data for name, data in self.files.items()}, level)

    def write_directory(self, path: Path) -> Path:
        """Write the files into a directory."""
        path.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (path / name).write_bytes(data)
        return path


def write_tgz(path: Path, files: Mapping[str, bytes], level: int = 6) -> Path:
    """Write a gzipped tar archive, preceded by the entries of its directories; one content gives one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=level, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for folder in dict.fromkeys(name.rpartition("/")[0] for name in files):
            if folder:
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.uname, entry.gname = len(data), "nems", "users"
            archive.addfile(entry, io.BytesIO(data))
    return path


def trial_epochs(
    name: str, start_s: float, before_s: float, sound_s: float, after_s: float, *, silences: bool = True
) -> list[Epoch]:
    """Return the rows of one trial: TRIAL, REFERENCE, STIM_<name> and, unless told otherwise, both silences."""
    end = start_s + before_s + sound_s + after_s
    rows = [("TRIAL", start_s, end), ("REFERENCE", start_s, end), (f"STIM_{name}", start_s, end)]
    if silences:
        rows += [("PreStimSilence", start_s, start_s + before_s), ("PostStimSilence", end - after_s, end)]
    return rows
