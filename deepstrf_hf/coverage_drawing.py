"""The drawing of `plot_coverage`: a matrix with its margins, readable from a few pairs to millions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.coverage_axes import CHARACTER, POINTS, AxisEntries, Labels, fit_labels
from deepstrf_hf.drawing import MEASURED, STYLE, new_figure
from deepstrf_hf.errors import MissingDependencyError

try:
    from matplotlib import colormaps
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap, ListedColormap, LogNorm, Normalize
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Figures need matplotlib", found=f"no {error.name}", mend="pip install 'deepstrf-hf[plot]'"
    ) from error

NOT_RECORDED, BOUNDARY = "#f1f1f1", "#949494"
COLOURS = (0.05, 0.9)
"""Part of viridis that is used: told apart by the colour-blind and in grey; its pale end would not show on paper."""
MOST_DISCRETE = 8
"""Numbers of trials up to which each has its own colour."""
LONGEST_NAME = 60
"""Characters of the heading."""
DPI = 150
NAME_SIZE, LINE = 12, 0.2
"""Size of the heading in points, and of a line of text in inches."""
UNEVEN = 20
"""Largest number of pairs over the middle one from which marginal plots are logarithmic."""
MARGINAL, GAP = 0.75, 0.08
"""Size of the marginal plots and their distance from the matrix, inches."""


@dataclass(frozen=True)
class Coverage:
    """Numbers of trials, and sums over them.

    Parameters
    ----------
    name : str
        Heading.
    cells : ndarray of int32, shape (rows, columns)
        Most trials in each block of pairs.
    row_edges, column_edges : ndarray of int64
        Stimuli and neurons at which blocks begin and end.
    neurons_per_stimulus, stimuli_per_neuron : ndarray of int64
        Pairs with data.
    trial_counts : list of int
        All numbers of trials that occur, ascending.
    whole_grid : tuple of int
        Stimuli and neurons of the grid that this is a selection of.
    """

    name: str
    cells: NDArray[np.int32]
    row_edges: NDArray[np.int64]
    column_edges: NDArray[np.int64]
    neurons_per_stimulus: NDArray[np.int64]
    stimuli_per_neuron: NDArray[np.int64]
    trial_counts: list[int]
    whole_grid: tuple[int, int]


def draw_coverage(coverage: Coverage, rows: AxisEntries, columns: AxisEntries) -> Figure:
    """Draw the matrix, its marginal sums and its colours.

    Parameters
    ----------
    coverage : Coverage
        Numbers.
    rows, columns : AxisEntries
        Stimuli and neurons.

    Returns
    -------
    Figure
        Sized by its content.
    """
    width, height = float(np.clip(0.42 * columns.length, 2.6, 7.6)), float(np.clip(0.3 * rows.length, 1.8, 5.0))
    beside, below = fit_labels(rows, height * POINTS, upright=True), fit_labels(columns, width * POINTS, upright=False)
    left, bottom = 0.4 + beside.reach / POINTS, 0.55 + below.reach / POINTS
    right = GAP + MARGINAL + 1.0
    lines = _heading(coverage, rows.length, columns.length)
    widest = max(CHARACTER * size * len(line) for line, size in lines) / POINTS
    top = 0.2 + GAP + MARGINAL + LINE * (len(lines) + 0.6)
    total = max(left + width + right, left + widest), bottom + height + top
    figure = new_figure(*total, dpi=DPI)

    def place(x: float, y: float, w: float, h: float) -> Axes:
        return figure.add_axes((x / total[0], y / total[1], w / total[0], h / total[1]))

    matrix = place(left, bottom, width, height)
    per_neuron = place(left, bottom + height + GAP, width, MARGINAL)
    per_stimulus = place(left + width + GAP, bottom, MARGINAL, height)
    colours, norm = _colours(coverage.trial_counts)
    matrix.pcolormesh(
        columns.drawn(coverage.column_edges), rows.drawn(coverage.row_edges), np.ma.masked_equal(coverage.cells, 0),
        cmap=colours, norm=norm, rasterized=True,
    )  # fmt: skip
    matrix.set(xlim=(0, 1), ylim=(1, 0), facecolor=NOT_RECORDED)
    _dress(matrix.xaxis, columns, below, rotate=not below.along)
    _dress(matrix.yaxis, rows, beside, rotate=False)
    _boundaries(matrix, rows, columns)
    _marginals(per_neuron, per_stimulus, coverage, rows, columns)
    bar_height = min(height, 1.9 if isinstance(norm, LogNorm) else 0.26 * len(coverage.trial_counts))
    bar_axes = place(left + width + GAP + MARGINAL + 0.2, bottom + height - bar_height, 0.14, bar_height)
    _colour_bar(figure, bar_axes, colours, norm, coverage.trial_counts)
    for index, (line, size) in enumerate(lines):
        down = 0.1 if index == 0 else 0.1 + LINE * (index + 0.2)
        weight = "bold" if index == 0 else "normal"
        figure.text(left / total[0], 1 - down / total[1], line, va="top", fontsize=size, fontweight=weight)
    figure.text(0.995, 0.06 / total[1], _footnote(coverage, rows, columns), fontsize=6.5, color="#555555", ha="right")
    return figure


def _colours(trial_counts: list[int]) -> tuple[Colormap, Normalize]:
    """Return a colour for each number of trials, or a logarithmic scale where there are many."""
    part = colormaps["viridis"](np.linspace(*COLOURS, 256))
    if len(trial_counts) > MOST_DISCRETE:
        scale: Colormap = LinearSegmentedColormap.from_list("trials", part)
        norm: Normalize = LogNorm(trial_counts[0], trial_counts[-1])
    else:
        picked = np.linspace(0, 255, len(trial_counts)).astype(int) if len(trial_counts) > 1 else [80]
        scale = ListedColormap([tuple(part[index]) for index in picked])
        middles = [(low + high) / 2 for low, high in zip(trial_counts[:-1], trial_counts[1:], strict=True)]
        norm = BoundaryNorm([trial_counts[0] - 0.5, *middles, trial_counts[-1] + 0.5], scale.N)
    return scale, norm


def _colour_bar(figure: Figure, axes: Axes, colours: Colormap, norm: Normalize, trial_counts: list[int]) -> None:
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=axes, spacing="uniform")
    low, high = trial_counts[0], trial_counts[-1]
    if isinstance(norm, BoundaryNorm):
        ticks = [(first + last) / 2 for first, last in zip(norm.boundaries[:-1], norm.boundaries[1:], strict=True)]
        shown = trial_counts
    else:
        steps = [step * 10**power for power in range(6) for step in (1, 2, 5)]
        shown = [low, *(step for step in steps if 1.3 * low < step < high / 1.3), high]
        ticks = [float(count) for count in shown]
    bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
    bar.ax.yaxis.set_major_formatter(FixedFormatter([f"{count:,}" for count in shown]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.tick_params(labelsize=STYLE["ticksize"], length=2, pad=2)
    bar.set_label("trials", fontsize=STYLE["labelsize"], labelpad=4)


def _dress(axis: Axis, entries: AxisEntries, labels: Labels, rotate: bool) -> None:
    """Put labels, or numbers, and a title beside an axis."""
    axis.set_label_text(entries.title, fontsize=STYLE["labelsize"])
    if not labels.texts:
        numbers = np.asarray(MaxNLocator(6, integer=True).tick_values(0, entries.length - 1))
        numbers = numbers[(numbers >= 0) & (numbers < entries.length)].astype(int)
        axis.set_major_locator(FixedLocator(entries.drawn(numbers + 0.5).tolist()))
        axis.set_major_formatter(FixedFormatter([f"{number:,}" for number in numbers]))
        axis.set_tick_params(labelsize=labels.size)
        return
    axis.set_major_locator(FixedLocator(labels.places))
    axis.set_major_formatter(FixedFormatter(labels.texts))
    axis.set_tick_params(labelsize=labels.size, length=2, pad=2, labelrotation=90 if rotate else 0)


def _boundaries(axes: Axes, rows: AxisEntries, columns: AxisEntries) -> None:
    """Draw lines between the cells of a small matrix, and between groups."""
    small = rows.length * columns.length <= 1000
    for entries, draw in ((rows, axes.axhline), (columns, axes.axvline)):
        if small:
            for edge in entries.drawn(np.arange(1, entries.length)):
                draw(edge, color="white", lw=0.6)
        if entries.divided:
            for edge in entries.drawn(entries.edges[1:-1]):
                draw(edge, color=BOUNDARY, lw=0.7)
    for spine in axes.spines.values():  # around the outermost cells, not on them
        spine.set(zorder=0.5)


def _marginals(
    per_neuron: Axes, per_stimulus: Axes, coverage: Coverage, rows: AxisEntries, columns: AxisEntries
) -> None:
    """Draw how many stimuli each neuron heard, and how many neurons heard each stimulus."""
    for counts, axes, entries, title in (
        (coverage.stimuli_per_neuron, per_neuron, columns, "stimuli\nper neuron"),
        (coverage.neurons_per_stimulus, per_stimulus, rows, "neurons per\nstimulus"),
    ):
        sideways = axes is per_stimulus
        axis = axes.xaxis if sideways else axes.yaxis
        highest = int(counts.max())
        uneven = bool(highest > UNEVEN * np.median(counts[counts > 0]))
        low, high = (0.7, highest * 1.3) if uneven else (0.0, highest * 1.05)
        axes.stairs(
            np.maximum(counts, low), entries.drawn(np.arange(len(counts) + 1)), baseline=low, fill=True, color=MEASURED,
            orientation="horizontal" if sideways else "vertical",
        )  # fmt: skip
        if uneven:
            (axes.set_xscale if sideways else axes.set_yscale)("log")
        (axes.set_xlim if sideways else axes.set_ylim)(low, high)
        axis.set_label_text(f"{title} (log)" if uneven else title, fontsize=STYLE["ticksize"])
        shown = [1, highest] if uneven else [highest]
        axis.set_major_locator(FixedLocator(shown))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FixedFormatter([f"{count:,}" for count in shown]))
        axes.tick_params(labelsize=STYLE["ticksize"], length=2, pad=2)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    per_neuron.set_xlim(0, 1)
    per_stimulus.set_ylim(1, 0)
    per_neuron.xaxis.set_major_locator(NullLocator())
    per_stimulus.yaxis.set_major_locator(NullLocator())


def _heading(coverage: Coverage, n_stimuli: int, n_neurons: int) -> list[tuple[str, float]]:
    """Say in two or three lines what is drawn; with the size of each."""
    pairs = int(coverage.neurons_per_stimulus.sum())
    low, high = coverage.trial_counts[0], coverage.trial_counts[-1]
    spread = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    counts = (
        f"{_grid(n_stimuli, n_neurons)}: {pairs:,} pair{'s' * (pairs > 1)} "
        f"({100 * pairs / (n_stimuli * n_neurons):.3g} %) of {spread} trial{'s' * (high > 1)}"
    )
    name = coverage.name if len(coverage.name) <= LONGEST_NAME else coverage.name[: LONGEST_NAME - 1] + "…"
    lines = [(name, NAME_SIZE), (counts, STYLE["labelsize"])]
    if (n_stimuli, n_neurons) != coverage.whole_grid:
        lines.append((f"selected from {_grid(*coverage.whole_grid)}", STYLE["labelsize"]))
    return lines


def _grid(n_stimuli: int, n_neurons: int) -> str:
    return f"{n_neurons:,} neuron{'s' * (n_neurons != 1)} × {n_stimuli:,} stimul{'us' if n_stimuli == 1 else 'i'}"


def _footnote(coverage: Coverage, rows: AxisEntries, columns: AxisEntries) -> str:
    """Say what differs from a matrix of pairs."""
    notes = []
    stimuli, neurons = int(np.diff(coverage.row_edges).max()), int(np.diff(coverage.column_edges).max())
    if max(stimuli, neurons) > 1:
        notes.append(f"a point shows the most trials of a pair in a block of up to {stimuli} × {neurons}")
    if rows.enlarged or columns.enlarged:
        notes.append("small groups are drawn larger than they are")
    return "; ".join(notes)
