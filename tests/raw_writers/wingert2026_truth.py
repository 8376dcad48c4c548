"""What was written of a synthetic Wingert 2026 corpus, and what follows from it by the definitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.raw_writers.nems import Epoch

Float = NDArray[np.float64]

N_BANDS, RATE_HZ = 32, 100


@dataclass
class WrittenSession:
    """A recording as it was written.

    Parameters
    ----------
    session : str
        What the names of its cells begin with.
    files : list of str
        Archives that hold it, below the raw directory.
    times_s : dict of str to ndarray
        Spike times by cell.
    epochs : list of (name, start, end)
        In the order of the file.
    tiles : dict of str to ndarray, shape (32, bins)
        Spectrograms by name.
    """

    session: str
    times_s: dict[str, Float]
    epochs: list[Epoch]
    tiles: dict[str, Float]
    files: list[str] = field(default_factory=list)

    def starts(self, name: str) -> list[float]:
        """Return when a sound was played, s."""
        return [start for epoch, start, _ in self.epochs if epoch == name]

    @property
    def heard(self) -> list[str]:
        """Sounds that were played and have a spectrogram, by name."""
        return sorted({name for name, _, _ in self.epochs} & set(self.tiles))

    @property
    def n_bins(self) -> int:
        """Length of the recording."""
        return round(RATE_HZ * max(end for _, _, end in self.epochs))

    def counts(self, cell: str, name: str) -> NDArray[np.int64]:
        """Count the spikes of a cell in all presentations of a sound: (presentations, bins).

        The rule of NEMS: bin of the recording, whatever the start of the presentation.
        """
        n_bins = self.tiles[name].shape[1]
        rows = np.zeros((len(self.starts(name)), n_bins), np.int64)
        for row, start in zip(rows, self.starts(name), strict=True):
            for time in self.times_s[cell]:
                place = int(np.floor(time * RATE_HZ)) - round(start * RATE_HZ)
                if 0 <= place < n_bins:
                    row[place] += 1
        return rows

    def raster(self, cell: str) -> NDArray[np.int64]:
        """Count the spikes of a cell over the whole recording; those after its end are dropped."""
        places = [int(np.floor(time * RATE_HZ)) for time in self.times_s[cell]]
        return np.bincount([place for place in places if place < self.n_bins], minlength=self.n_bins)

    def rasterised(self) -> Float:
        """Return the spectrogram of the whole recording, silence where nothing is played: (32, bins)."""
        whole = np.zeros((N_BANDS, self.n_bins))
        for name in self.heard:
            for start in self.starts(name):
                first = round(start * RATE_HZ)
                there = whole[:, first : first + self.tiles[name].shape[1]]
                there[:] = self.tiles[name][:, : there.shape[1]]
        return whole


@dataclass
class Wingert2026Truth:
    """What `write_wingert2026` wrote, to check a reader without the reader.

    Parameters
    ----------
    directory : Path
        The raw tree.
    sessions : dict of str to WrittenSession
        By session.
    cells : dict of str to dict of str to str
        Rows of the list of cells as text, by cell.
    sounds : dict of str to ndarray of int16
        Samples by name of the file.
    """

    directory: Path
    sessions: dict[str, WrittenSession] = field(default_factory=dict)
    cells: dict[str, dict[str, str]] = field(default_factory=dict)
    sounds: dict[str, NDArray[np.int16]] = field(default_factory=dict)

    def pairs(self, *areas: str) -> dict[tuple[str, str, str], NDArray[np.int64]]:
        """Return counts by session, sound and cell, of the cells of some areas (``""`` for none)."""
        return {
            (session.session, name, cell): session.counts(cell, name)
            for session in self.sessions.values()
            for name in session.heard
            for cell in session.times_s
            if cell in self.cells and self.cells[cell]["area"] in areas
        }
