"""The coverage of a cohort for its card: numbers of trials gathered into cells while rows go by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.card_pictures_png import DrawnPicture, literal, png_of
from deepstrf_hf.card_pictures_reading import PairBlock
from deepstrf_hf.coverage_axes import AxisEntries
from deepstrf_hf.coverage_drawing import Coverage, draw_coverage

MOST_CELLS = (480, 760)
"""Rows and columns of cells; of more stimuli or neurons, blocks are one cell."""
DPI = 110
"""Pixels in an inch: nothing finer than a cell is drawn."""
MOST_NAMED = 40
"""Stimuli or neurons up to which each is named."""


def axis_entries(names: Sequence[str], one: str, several: str) -> AxisEntries:
    """Return what stands along an axis: names where they are few, numbers otherwise."""
    labels = [literal(name) for name in names] if len(names) <= MOST_NAMED else []
    title = f"{len(names):,} {one if len(names) == 1 else several}"
    return AxisEntries(title, len(names), np.arange(len(labels) + 1), labels, grouped=False)


class CoverageSum:
    """Gathers pairs into a `Coverage`, in memory bounded by the cells of the picture.

    Parameters
    ----------
    rows, columns : AxisEntries
        Stimuli and neurons.
    """

    def __init__(self, rows: AxisEntries, columns: AxisEntries) -> None:
        self._edges = [axis.cell_edges(most) for axis, most in zip((rows, columns), MOST_CELLS, strict=True)]
        self._cell_of = [np.repeat(np.arange(len(edges) - 1), np.diff(edges)) for edges in self._edges]
        self._cells = np.zeros((len(self._edges[0]) - 1, len(self._edges[1]) - 1), np.int32)
        self._per_stimulus = np.zeros(rows.length, np.int64)
        self._per_neuron = np.zeros(columns.length, np.int64)
        self._counts: set[int] = set()

    def add(self, block: PairBlock) -> None:
        """Take in pairs."""
        cells = self._cell_of[0][block.stimuli], self._cell_of[1][block.neurons]
        np.maximum.at(self._cells, cells, block.n_trials.astype(np.int32))
        self._per_stimulus += np.bincount(block.stimuli, minlength=len(self._per_stimulus))
        self._per_neuron += np.bincount(block.neurons, minlength=len(self._per_neuron))
        self._counts.update(np.unique(block.n_trials).tolist())

    def coverage(self, name: str) -> Coverage:
        """Return the sums, under a heading."""
        return Coverage(
            name=name,
            cells=self._cells,
            row_edges=self._edges[0],
            column_edges=self._edges[1],
            neurons_per_stimulus=self._per_stimulus,
            stimuli_per_neuron=self._per_neuron,
            trial_counts=sorted(self._counts),
            whole_grid=(len(self._per_stimulus), len(self._per_neuron)),
        )


def draw_cohort_coverage(
    coverage: Coverage, rows: AxisEntries, columns: AxisEntries, without_ratio: str | None
) -> DrawnPicture:
    """Draw who heard what.

    Parameters
    ----------
    coverage : Coverage
        Numbers.
    rows, columns : AxisEntries
        Stimuli and neurons.
    without_ratio : str, optional
        Why no neuron has a signal-to-noise ratio, where none has.
    """
    figure = draw_coverage(coverage, rows, columns)
    figure.set_dpi(DPI)
    stimuli, neurons = coverage.whole_grid
    pairs = int(coverage.neurons_per_stimulus.sum())
    low, high = coverage.trial_counts[0], coverage.trial_counts[-1]
    trials = f"{low:,} to {high:,} trials" if low < high else f"{low:,} trial{'s' * (low > 1)}"
    share = f"{pairs:,} of {stimuli * neurons:,} pairs ({100 * pairs / (stimuli * neurons):.3g} %), {trials} each"
    caption = f"Which neuron heard which stimulus, and in how many trials: {share}."
    if without_ratio is not None:
        caption += f" No neuron has a signal-to-noise ratio: {without_ratio}."
    return DrawnPicture(
        png_of(figure),
        caption,
        f"Matrix of {rows.title} by {columns.title}, coloured by number of trials: {share}. Beside it the "
        f"number of neurons per stimulus, {_span(coverage.neurons_per_stimulus)}, and above it the number of stimuli "
        f"per neuron, {_span(coverage.stimuli_per_neuron)}.",
    )


def _span(counts: NDArray[np.int64]) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
