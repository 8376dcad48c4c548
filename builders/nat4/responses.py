"""Responses of a population recording, kept small while its text is read.

A population recording is one matrix of 8 bytes times hundreds of cells times 88,950 bins. Nearly all of it are counts,
so that one byte per value will do; the rest are averages over repeats, which are kept as float32.
"""

from __future__ import annotations

import bisect
import math

import numpy as np
from numpy.typing import NDArray

COUNT_LIMIT = 254
"""Counts from here on are kept as other values; 25,400 spikes per second are none."""
_OTHER, _MISSING = 254, 255


class PopulationResponses:
    """Takes the blocks of a population recording, and gives back any stretch of it.

    Attributes
    ----------
    low, high : ndarray of float64, shape (cells,)
        Smallest and largest value of each cell over all bins; infinite where it has none.
    n_bins : int
        Bins so far.
    """

    def __init__(self) -> None:
        self.low = self.high = np.empty(0)
        self.n_bins = 0
        self._blocks: list[NDArray[np.uint8]] = []
        self._starts: list[int] = []
        self._others: dict[int, NDArray[np.float32]] = {}

    def add(self, first_bin: int, block: NDArray[np.float64]) -> None:
        """Take the next block: shape (cells, bins), NaN where missing."""
        if not self._blocks:
            self.low, self.high = np.full(len(block), math.inf), np.full(len(block), -math.inf)
        self.low = np.fmin(self.low, np.fmin.reduce(block, axis=1))
        self.high = np.fmax(self.high, np.fmax.reduce(block, axis=1))
        with np.errstate(invalid="ignore"):
            codes = block.astype(np.uint8)
        different = codes != block
        different |= codes >= COUNT_LIMIT
        if different.any():
            missing = np.isnan(block)
            codes[missing] = _MISSING
            others = different & ~missing
            codes[others] = _OTHER
            for column in np.flatnonzero(others.any(axis=0)):
                self._others[first_bin + int(column)] = block[:, column].astype(np.float32)
        self._blocks.append(codes)
        self._starts.append(first_bin)
        self.n_bins = first_bin + block.shape[1]

    def values(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return a stretch as it stands in the file: shape (cells, stop - start), NaN where missing."""
        codes = self._codes(start, stop)
        values = codes.astype(np.float32)
        values[codes == _MISSING] = np.nan
        for column in range(stop - start):
            if start + column in self._others:
                other = codes[:, column] == _OTHER
                values[other, column] = self._others[start + column][other]
        return values

    def counts(self, start: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        """Return a stretch as counts.

        Returns
        -------
        counts : ndarray of uint8, shape (cells, stop - start)
            Counts; values without meaning where the others tell so.
        missing, others : ndarray of int64, shape (cells,)
            How many bins of each cell are missing, and how many hold something that is no count.
        """
        codes = self._codes(start, stop)
        return codes, (codes == _MISSING).sum(axis=1), (codes == _OTHER).sum(axis=1)

    def _codes(self, start: int, stop: int) -> NDArray[np.uint8]:
        pieces = []
        number = bisect.bisect_right(self._starts, start) - 1
        while start < stop:
            first, block = self._starts[number], self._blocks[number]
            end = min(stop, first + block.shape[1])
            pieces.append(block[:, start - first : end - first])
            start, number = end, number + 1
        return np.concatenate(pieces, axis=1)
