"""The picture of response quality for a card: how signal-to-noise ratio and CCmax are spread over neurons."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepstrf_hf.card_pictures_png import DrawnPicture, literal, png_of, shortened
from deepstrf_hf.card_pictures_reading import finite
from deepstrf_hf.drawing import MEASURED, PREDICTED, STYLE, new_figure
from deepstrf_hf.errors import MissingDependencyError

try:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter, MaxNLocator
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Figures need matplotlib", found=f"no {error.name}", mend="pip install 'deepstrf-hf[plot]'"
    ) from error

BARS = 30
FAR = 3.0
"""How many times the 95th percentile the largest value is, from which the few beyond go into the last bar."""


def draw_quality(name: str, neurons: pa.Table) -> DrawnPicture:
    """Draw histograms of signal-to-noise ratio and CCmax of neurons of which one at least has the former.

    Parameters
    ----------
    name : str
        Corpus and configuration.
    neurons : pyarrow.Table
        Neurons table.

    Returns
    -------
    DrawnPicture
        Two panels.
    """
    snr, ccmax = finite(neurons, "snr"), finite(neurons, "ccmax")
    snr, ccmax = snr[np.isfinite(snr)], ccmax[np.isfinite(ccmax)]
    n_neurons = len(neurons)
    without = without_ratio(neurons)
    figure = new_figure(9, 3.5)
    heading = f"{shortened(name, 50)}: how repeatable the responses are"
    figure.suptitle(literal(heading), x=0.075, y=0.965, ha="left", fontsize=12.5, fontweight="bold")
    figure.text(0.075, 0.868, f"{_neurons(n_neurons)}; {without}", fontsize=STYLE["labelsize"], va="top")
    grid = figure.add_gridspec(1, 2, left=0.075, right=0.975, top=0.7, bottom=0.155, wspace=0.2)
    draw_histogram(figure.add_subplot(grid[0]), snr, None, "signal-to-noise ratio (signal power / noise power)", "SNR")
    axes = figure.add_subplot(grid[1])
    draw_histogram(axes, ccmax, (0.0, 1.0), "CCmax (highest possible correlation, no unit)", "CCmax")
    lacking = len(snr) - len(ccmax)
    caption = f"Signal-to-noise ratio and CCmax over {_neurons(n_neurons)}; {without}." + (
        f" {_neurons(lacking, capital=True)} with a ratio of 0 or below {'have' if lacking > 1 else 'has'} no CCmax."
        if lacking > 0
        else ""
    )
    spread = f"from {snr.min():.3g} to {snr.max():.3g}, median {np.median(snr):.3g}"
    best = f"CCmax has a median of {np.median(ccmax):.3g} over {len(ccmax):,}" if len(ccmax) else "none has a CCmax"
    return DrawnPicture(
        png_of(figure),
        caption,
        f"Two histograms. The signal-to-noise ratio of {_neurons(len(snr))} is {spread}; {best}. "
        f"Of {_neurons(n_neurons)} in all, {without}.",
    )


def has_ratio(neurons: pa.Table) -> bool:
    """Return whether any neuron has a signal-to-noise ratio."""
    return bool(np.isfinite(finite(neurons, "snr")).any())


def without_ratio(neurons: pa.Table) -> str:
    """Say how many neurons have no signal-to-noise ratio, and why."""
    lacking = ~np.isfinite(finite(neurons, "snr"))
    never_repeated = finite(neurons, "n_trials") <= finite(neurons, "n_stimuli")
    once, constant = int((lacking & never_repeated).sum()), int((lacking & ~never_repeated).sum())
    said = f"{once:,} without repeats"
    if constant:
        said += f", {constant:,} silent or the same in every trial"
    return said if once or constant else "none without repeats"


def _neurons(count: int, capital: bool = False) -> str:
    number = "One" if capital and count == 1 else f"{count:,}"
    return f"{number} neuron{'s' * (count != 1)}"


def draw_histogram(
    axes: Axes, values: NDArray[np.float64], span: tuple[float, float] | None, label: str, name: str
) -> None:
    """Draw how a number is spread over neurons, with its median.

    Parameters
    ----------
    axes : Axes
        Where.
    values : ndarray of float64, shape (neurons,)
        Finite.
    span : tuple of float, optional
        Ends of the axis; by default 0 and the largest value, but for a few that are far above the others.
    label, name : str
        What the numbers are, below the axis; and their short name, for the heading.
    """
    axes.set_xlabel(label, fontsize=STYLE["labelsize"])
    axes.set_ylabel("neurons", fontsize=STYLE["labelsize"])
    axes.tick_params(labelsize=STYLE["ticksize"])
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    heading = f"{name} of {_neurons(len(values))}"
    low, high = span or _span(values)
    if len(values):
        beyond = int((values > high).sum())
        edges = np.linspace(low, high, BARS + 1)
        counts = np.histogram(np.minimum(values, high), edges)[0]
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=MEASURED, edgecolor="white", lw=0.5)
        middle = float(np.median(values))
        axes.axvline(middle, color=PREDICTED, lw=1.5, ls="--")
        heading += f", median {middle:.3g} (dashed)" if len(values) > 1 else f": {middle:.3g} (dashed)"
        if beyond:
            axes.text(
                0.99, 0.97, f"last bar: with {beyond:,} beyond {high:.3g},\nup to {values.max():.3g}",
                transform=axes.transAxes, ha="right", va="top", fontsize=STYLE["ticksize"],
            )  # fmt: skip
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(value, 12):g}"))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.set_title(heading, fontsize=STYLE["titlesize"], loc="left")


def _span(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the axis: 0 and all values, but for a few that are far above the others."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    usual = float(np.percentile(values, 95))
    if usual > 0 and high > FAR * usual:
        high = 1.5 * usual
    return low, high if high > low else low + 1.0
