"""What stands along the axes of `plot_coverage`: stimuli or neurons, single or in groups, and labels that fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BOUNDARIES = 100
"""Groups up to which lines are drawn between them."""
SMALLEST_GROUP = 0.012
"""Share of an axis that a group gets at least, so that six test stimuli among thousands are seen."""
FONT_SIZES = (8.5, 7.5, 6.5, 5.5)
CHARACTER = 0.6
"""Width of a character, relative to the size of the font."""
LONGEST_LABEL = 24
"""Characters of a label."""
POINTS = 72
"""Points in an inch."""
NUMBERS = FONT_SIZES[0]
"""Size of the numbers of a numbered axis."""


@dataclass(frozen=True)
class AxisEntries:
    """What stands along one axis of the matrix, and beside it.

    Parameters
    ----------
    title : str
        Label of the axis.
    length : int
        Stimuli or neurons.
    edges : ndarray of int64, shape (labels + 1,)
        Where what a label belongs to begins and ends.
    labels : list of str
        Labels; none for a numbered axis.
    grouped : bool
        Whether labels are of groups, to be divided by lines.
    """

    title: str
    length: int
    edges: NDArray[np.int64]
    labels: list[str]
    grouped: bool

    @property
    def divided(self) -> bool:
        """Whether groups are few enough to be told apart: lines divide them, and none is too small to be seen."""
        return self.grouped and len(self.labels) <= MOST_BOUNDARIES

    @property
    def enlarged(self) -> bool:
        """Whether some group is drawn larger than its share."""
        return self.divided and bool((np.diff(self.edges) < SMALLEST_GROUP * self.length).any())

    def drawn(self, position: NDArray[Any]) -> NDArray[np.float64]:
        """Return where positions along the axis are drawn, from 0 to 1."""
        if not self.divided:
            return np.asarray(position / self.length)
        shares = np.maximum(np.diff(self.edges) / self.length, SMALLEST_GROUP)
        return np.interp(position, self.edges, np.append(0, np.cumsum(shares)) / shares.sum())

    def cell_edges(self, most: int) -> NDArray[np.int64]:
        """Return where cells begin and end: none of them with parts of two groups, or smaller than 1 / `most`."""
        groups = self.edges if self.divided else np.array([0, self.length])
        edges = [np.zeros(1, np.int64)]
        for first, last, share in zip(groups[:-1], groups[1:], np.diff(self.drawn(groups)), strict=True):
            size = int(last - first)
            block = math.ceil(size / max(1, share * most))
            edges.append(np.linspace(first, last, size // block + 1)[1:].astype(np.int64))
        return np.concatenate(edges)


@dataclass(frozen=True)
class Labels:
    """Labels that fit beside an axis: their places along it, their text, their size, and how far they reach."""

    places: list[float]
    texts: list[str]
    size: float
    along: bool
    reach: float


def fit_labels(entries: AxisEntries, points: float, upright: bool) -> Labels:
    """Choose labels that do not overlap.

    Parameters
    ----------
    entries : AxisEntries
        What there is.
    points : float
        Length of the axis, points.
    upright : bool
        Whether the axis is vertical, so that labels stand one above the other.
    """
    texts = [_shortened(label) for label in entries.labels]
    if not texts:
        return Labels([], [], NUMBERS, along=True, reach=30 if upright else 14)
    edges = entries.drawn(entries.edges)
    middles = (edges[:-1] + edges[1:]) / 2
    places = middles * points
    if not upright:  # in a row, if all fit at one of the larger sizes
        for size in FONT_SIZES[:2]:
            widths = np.array([CHARACTER * size * len(text) for text in texts])
            if (np.diff(places) >= (widths[1:] + widths[:-1]) / 2 + size).all() and widths.max() < 2 * points:
                return Labels(middles.tolist(), texts, size, along=True, reach=size + 5)
    if len(texts) > MOST_BOUNDARIES:  # values that they are sorted by rather than groups
        sizes: tuple[float, ...] = FONT_SIZES[1:2]
        distance = 4.0
    else:
        sizes, distance = FONT_SIZES, 1.1
    kept: list[int] = []
    for size in sizes:
        kept = _without_overlap(places, distance * size)
        if len(kept) == len(texts):
            break
    reach = CHARACTER * size * max(len(texts[index]) for index in kept) + 6
    return Labels([middles[index] for index in kept], [texts[index] for index in kept], size, upright, reach)


def _shortened(label: str) -> str:
    """Return a label without its middle where it is too long: names of a corpus often differ in the end."""
    return label if len(label) <= LONGEST_LABEL else f"{label[:9]}…{label[10 - LONGEST_LABEL :]}"


def _without_overlap(places: NDArray[np.float64], distance: float) -> list[int]:
    """Return, in order, entries that keep a distance from each other, the first one first."""
    kept: list[int] = []
    for index, position in enumerate(places):
        if not kept or position - places[kept[-1]] >= distance:
            kept.append(index)
    return kept
