"""Axes that several figures share: spectrogram, raster, PSTH."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.errors import MissingDependencyError

try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Figures need matplotlib", found=f"no {error.name}", mend="pip install 'deepstrf-hf[plot]'"
    ) from error

Float = NDArray[np.float64]

MEASURED, PREDICTED = "#7c8591", "#d1411b"
STYLE = {"titlesize": 10.5, "labelsize": 9.5, "ticksize": 8.5}
_KILOHERTZ = np.array([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50])


def new_figure(width: float, height: float, dpi: int = 110) -> Figure:
    """Return an empty figure of so many inches that can be saved without a display."""
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def band_edges_khz(frequencies_hz: Float) -> Float:
    """Return the edges of bands halfway between their centres on a log axis, kHz, shape (bands + 1,)."""
    centres = np.log(frequencies_hz / 1000)
    inner = (centres[1:] + centres[:-1]) / 2
    outer = centres[0] * 2 - inner[0], centres[-1] * 2 - inner[-1]
    return np.asarray(np.exp(np.concatenate([outer[:1], inner, outer[1:]])))


def log_frequency_axis(axes: Axes, edges_khz: Float) -> None:
    """Make the vertical axis logarithmic in frequency, with round numbers of kHz."""
    axes.set_yscale("log")
    axes.set_ylim(edges_khz[0], edges_khz[-1])
    shown = _KILOHERTZ[(edges_khz[0] <= _KILOHERTZ) & (edges_khz[-1] >= _KILOHERTZ)]
    axes.yaxis.set_major_locator(FixedLocator(shown))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{value:g}" for value in shown]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=STYLE["ticksize"])


def draw_spectrogram(
    figure: Figure,
    axes: Axes,
    levels: Float,
    frequencies_hz: Float | None,
    dt_ms: float,
    unit: str,
    title: str = "Sound: spectrogram of one test clip",
) -> None:
    """Draw a spectrogram over time in s, with its colour bar outside on the right.

    Parameters
    ----------
    figure, axes : Figure, Axes
        Where.
    levels : ndarray, shape (bands, bins)
        Lowest band first.
    frequencies_hz : ndarray, shape (bands,), optional
        Centre frequencies, Hz; without them bands are numbered.
    dt_ms : float
        Bin width, ms.
    unit : str
        Label of the colour bar.
    title : str
        Heading.
    """
    times_s = np.arange(levels.shape[1] + 1) * dt_ms / 1000
    edges = np.arange(levels.shape[0] + 1) - 0.5 if frequencies_hz is None else band_edges_khz(frequencies_hz)
    low, high = np.nanpercentile(levels, (2, 99.7))
    norm = Normalize(low, high if high > low else low + 1)
    mesh = axes.pcolormesh(times_s, edges, levels, cmap="magma", norm=norm, rasterized=True)
    axes.set_xlim(0, times_s[-1])
    axes.tick_params(labelsize=STYLE["ticksize"])
    if frequencies_hz is None:
        axes.set_ylabel("frequency band", fontsize=STYLE["labelsize"])
    else:
        log_frequency_axis(axes, edges)
        axes.set_ylabel("frequency (kHz)", fontsize=STYLE["labelsize"])
    axes.set_title(title, fontsize=STYLE["titlesize"], loc="left")
    box = axes.get_position()
    bar = figure.colorbar(mesh, cax=figure.add_axes((box.x1 + 0.006, box.y0, 0.007, box.height)))
    bar.ax.tick_params(labelsize=STYLE["ticksize"] - 1, length=2, pad=1)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    bar.set_label(unit, fontsize=STYLE["ticksize"], labelpad=3)


def draw_raster(axes: Axes, counts: Float, dt_ms: float, unit_name: str = "") -> None:
    """Draw one row per trial and one tick per bin that holds a spike; `counts` has shape (trials, bins)."""
    centres_s = (np.arange(counts.shape[1]) + 0.5) * dt_ms / 1000
    spikes = [centres_s[np.nan_to_num(row) > 0] for row in counts]
    axes.eventplot(spikes, lineoffsets=range(1, len(spikes) + 1), linelengths=0.85, linewidths=0.9, colors="black")
    _trial_axis(axes, len(spikes), "Spikes" + (f" of {unit_name}" if unit_name else ""))


def draw_traces(axes: Axes, values: Float, dt_ms: float, unit_name: str = "") -> None:
    """Draw one coloured row per trial of a potential; `values` has shape (trials, bins)."""
    times_s = np.arange(values.shape[1] + 1) * dt_ms / 1000
    low, high = np.nanpercentile(values, (1, 99))
    norm = Normalize(low, high if high > low else low + 1)
    axes.pcolormesh(times_s, np.arange(len(values) + 1) + 0.5, values, cmap="gray", norm=norm, rasterized=True)
    _trial_axis(axes, len(values), "Responses" + (f" of {unit_name}" if unit_name else ""))


def _trial_axis(axes: Axes, n_trials: int, heading: str) -> None:
    axes.set_ylim(n_trials + 0.5, 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=STYLE["ticksize"])
    axes.set_ylabel("trial", fontsize=STYLE["labelsize"])
    plural = "s" if n_trials > 1 else ""
    axes.set_title(f"{heading} in {n_trials} trial{plural}", fontsize=STYLE["titlesize"], loc="left")


def draw_mean(axes: Axes, trials: Float, dt_ms: float, predicted: Float | None = None, unit: str | None = None) -> None:
    """Draw the mean over trials as an area, and a prediction as a line.

    Parameters
    ----------
    axes : Axes
        Where.
    trials : ndarray, shape (trials, bins)
        NaN where a sample is missing.
    dt_ms : float
        Bin width, ms.
    predicted : ndarray, shape (bins,), optional
        Prediction of the mean.
    unit : str, optional
        Unit of the values; None for spike counts, which are drawn as spikes/s.
    """
    scale = 1000 / dt_ms if unit is None else 1.0
    present = np.isfinite(trials).sum(axis=0)
    measured = np.where(present > 0, np.nansum(trials, axis=0) / np.maximum(present, 1), np.nan) * scale
    edges_s = np.arange(trials.shape[1] + 1) * dt_ms / 1000
    axes.stairs(measured, edges_s, fill=True, color=MEASURED, label="measured")
    lines = [measured]
    heading = f"PSTH: mean rate in bins of {dt_ms:g} ms" if unit is None else f"Mean in bins of {dt_ms:g} ms"
    if predicted is not None:
        axes.plot((edges_s[:-1] + edges_s[1:]) / 2, predicted * scale, color=PREDICTED, lw=1.2, label="predicted")
        axes.legend(loc="upper right", fontsize=STYLE["ticksize"], framealpha=0.85, edgecolor="none", ncols=2)
        lines.append(predicted * scale)
        heading += " and its linear prediction"
        valid = np.isfinite(measured) & np.isfinite(predicted)
        if np.std(measured[valid]) > 0 and np.std(predicted[valid]) > 0:
            heading += f" (cc = {np.corrcoef(measured[valid], predicted[valid])[0, 1]:.2f} in this clip)"
    axes.axhline(0, color="black", lw=0.6)
    low = min(0.0, *(float(np.nanmin(np.append(line, 0))) for line in lines))
    high = max(0.0, *(float(np.nanmax(np.append(line, 0))) for line in lines))
    axes.set_ylim(low * 1.05, (high if high > 0 else 1.0) * 1.18)
    axes.set_title(heading, fontsize=STYLE["titlesize"], loc="left")
    axes.set_ylabel("rate (spikes/s)" if unit is None else unit, fontsize=STYLE["labelsize"])
    axes.set_xlabel("time from sound onset (s)", fontsize=STYLE["labelsize"])
    axes.tick_params(labelsize=STYLE["ticksize"])
