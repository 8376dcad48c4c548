"""Scaling curves as pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from scripts.benchmarks.growth import exponent
from scripts.benchmarks.section import Curve


def draw_curves(curves: Sequence[Curve], directory: Path) -> list[Path]:
    """Draw each curve into a PNG of its own: figures over data, both logarithmic, and growth in proportion.

    Returns
    -------
    list of Path
        The files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return [_draw(curve, directory / f"{curve.name}.png") for curve in curves]


def _draw(curve: Curve, path: Path) -> Path:
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    for library, figures in curve.figures.items():
        slope = exponent(curve.data, figures)
        label = library if slope is None else f"{library} (exponent {slope:.2f})"
        axes.plot(curve.data, figures, marker="o", label=label)
        proportional = [figures[0] * amount / curve.data[0] for amount in curve.data]
        axes.plot(curve.data, proportional, color="0.7", linestyle=":", zorder=0)
    axes.plot([], [], color="0.7", linestyle=":", label="in proportion to the data")
    axes.set(xscale="log", yscale="log", xlabel=curve.data_label, ylabel=curve.unit)
    axes.set_title(textwrap.fill(curve.title, 60), fontsize=10)
    axes.legend(fontsize="small", frameon=False)
    figure.savefig(path, dpi=120)
    return path
