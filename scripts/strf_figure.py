"""One figure of receptive fields fitted to a corpus: a clip, its responses and prediction, STRFs, test scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

MAX_STRFS = 6
"""Receptive fields drawn at most."""
_MEASURED, _PREDICTED, _CORRECTED = "#7c8591", "#d1411b", "#2a6f97"
_KILOHERTZ = np.array([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50])
_STYLE = {"titlesize": 10.5, "labelsize": 9.5, "ticksize": 8.5}


def draw_strf_figure(
    path: Path,
    *,
    spectrogram: ArrayLike,
    frequencies_hz: ArrayLike,
    dt_ms: float,
    trials: ArrayLike,
    prediction: ArrayLike,
    strfs: Sequence[tuple[str, ArrayLike, float]],
    cc_raw: ArrayLike,
    cc_norm: ArrayLike,
    title: str = "Spectrotemporal receptive fields by ridge regression",
    unit_name: str = "",
    spectrogram_label: str = "level (dB)",
) -> Path:
    """Draw one PNG of 1400 x 900 pixels: example clip on the left, receptive fields and test scores on the right.

    Parameters
    ----------
    path : Path
        File to write; its folder is made.
    spectrogram : array_like
        (F, T) of one test clip, lowest band first, in the unit of `spectrogram_label`.
    frequencies_hz : array_like
        (F,) centre frequencies in Hz, ascending, > 0.
    dt_ms : float
        Bin width in ms.
    trials : array_like
        (R, T) spike counts per bin of one unit in that clip; NaN where a repeat is absent.
    prediction : array_like
        (T,) predicted spike count per bin.
    strfs : sequence of (name, weights, cc)
        Receptive fields (F, n_lags), lag 0 first, with the test correlation of the unit; the first six are drawn,
        each on a colour scale of its own that is symmetric about 0.
    cc_raw, cc_norm : array_like
        (N,) test correlations of all units, plain and noise-corrected; NaN is left out and counted.
    title, unit_name, spectrogram_label : str
        Texts: over the figure, name of the example unit, unit of the spectrogram.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        If shapes do not match, no receptive field is given or frequencies are not ascending and positive.
    """
    levels, bands_hz = np.asarray(spectrogram, np.float64), np.asarray(frequencies_hz, np.float64)
    counts, predicted = np.asarray(trials, np.float64), np.asarray(prediction, np.float64)
    fields = [(name, np.asarray(weights, np.float64), float(cc)) for name, weights, cc in strfs][:MAX_STRFS]
    raw, corrected = np.asarray(cc_raw, np.float64), np.asarray(cc_norm, np.float64)
    n_bins = levels.shape[1:]
    if levels.ndim != 2 or counts.ndim != 2 or predicted.shape != n_bins or counts.shape[1:] != n_bins:
        raise ValueError(f"spectrogram {levels.shape}, trials {counts.shape}, prediction {predicted.shape}: T differs")
    if bands_hz.shape != levels.shape[:1] or len(bands_hz) < 2 or bands_hz[0] <= 0 or np.any(np.diff(bands_hz) <= 0):
        raise ValueError(f"frequencies_hz {bands_hz.shape} must be ascending, positive, one per band of {levels.shape}")
    if not fields or any(weights.ndim != 2 or len(weights) != len(bands_hz) for _, weights, _ in fields):
        shapes = [weights.shape for _, weights, _ in fields]
        raise ValueError(f"strfs {shapes}: need at least one, each (F, n_lags) with F={len(bands_hz)}")
    if raw.shape != corrected.shape or raw.ndim != 1:
        raise ValueError(f"cc_raw {raw.shape} and cc_norm {corrected.shape} must both be (N,)")

    figure = Figure(figsize=(14, 9), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.065, y=0.972, ha="left", fontsize=14, fontweight="bold")
    left = figure.add_gridspec(3, 1, left=0.065, right=0.51, top=0.9, bottom=0.075, hspace=0.16,
                               height_ratios=(1.15, 1.0, 1.1))  # fmt: skip
    sound = figure.add_subplot(left[0])
    raster = figure.add_subplot(left[1], sharex=sound)
    rate = figure.add_subplot(left[2], sharex=sound)
    _draw_clip(figure, sound, levels, bands_hz, dt_ms, spectrogram_label)
    _draw_raster(raster, counts, dt_ms, unit_name)
    _draw_rate(rate, counts, predicted, dt_ms)
    for axes in (sound, raster):
        axes.tick_params(labelbottom=False)

    n_rows, n_columns = 1 + (len(fields) > 3), 2 if len(fields) == 4 else min(3, len(fields))
    grid = figure.add_gridspec(n_rows, n_columns, left=0.6, right=0.935, top=0.9, bottom=0.435 if n_rows == 2 else 0.62,
                               hspace=0.3, wspace=0.14)  # fmt: skip
    drawn: list[Axes] = []
    for index, (name, weights, cc) in enumerate(fields):
        axes = figure.add_subplot(grid[index // n_columns, index % n_columns])
        _draw_strf(axes, name, weights, cc, bands_hz, dt_ms)
        axes.tick_params(labelleft=index % n_columns == 0, labelbottom=index + n_columns >= len(fields))
        if index % n_columns == 0:
            axes.set_ylabel("frequency (kHz)", fontsize=_STYLE["labelsize"])
        drawn.append(axes)
    figure.text(0.7675, drawn[-1].get_position().y0 - 0.045, "time before the response (ms)",
                fontsize=_STYLE["labelsize"], ha="center")  # fmt: skip
    top, bottom = drawn[0].get_position().y1, drawn[-1].get_position().y0
    bar = figure.colorbar(drawn[0].collections[0], cax=figure.add_axes((0.947, bottom, 0.009, top - bottom)))
    bar.set_ticks([-1, 0, 1], labels=["−", "0", "+"])
    bar.set_label("weight / largest of the unit", fontsize=_STYLE["labelsize"], labelpad=2)
    scores = figure.add_axes((0.6, 0.075, 0.335, 0.235 if n_rows == 2 else 0.36))
    _draw_scores(scores, raw, corrected)

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})
    return path


def _edges_khz(frequencies_hz: Float) -> Float:
    """Edges (F + 1,) in kHz of bands, halfway between centres on a log axis."""
    centres = np.log(frequencies_hz / 1000)
    inner = (centres[1:] + centres[:-1]) / 2
    outer = centres[0] * 2 - inner[0], centres[-1] * 2 - inner[-1]
    return np.asarray(np.exp(np.concatenate([outer[:1], inner, outer[1:]])))


def _log_frequency_axis(axes: Axes, edges_khz: Float) -> None:
    axes.set_yscale("log")
    axes.set_ylim(edges_khz[0], edges_khz[-1])
    shown = _KILOHERTZ[(edges_khz[0] <= _KILOHERTZ) & (edges_khz[-1] >= _KILOHERTZ)]
    axes.yaxis.set_major_locator(FixedLocator(shown))
    axes.yaxis.set_major_formatter(FixedFormatter([f"{value:g}" for value in shown]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=_STYLE["ticksize"])


def _draw_clip(figure: Figure, axes: Axes, levels: Float, frequencies_hz: Float, dt_ms: float, label: str) -> None:
    """Spectrogram over time in s, with its colour bar outside on the right."""
    edges_khz = _edges_khz(frequencies_hz)
    times_s = np.arange(levels.shape[1] + 1) * dt_ms / 1000
    low, high = np.nanpercentile(levels, (2, 99.7))
    norm = Normalize(low, high if high > low else low + 1)
    mesh = axes.pcolormesh(times_s, edges_khz, levels, cmap="magma", norm=norm, rasterized=True)
    _log_frequency_axis(axes, edges_khz)
    axes.set_xlim(0, times_s[-1])
    axes.set_ylabel("frequency (kHz)", fontsize=_STYLE["labelsize"])
    axes.set_title("Sound: spectrogram of one test clip", fontsize=_STYLE["titlesize"], loc="left")
    box = axes.get_position()
    bar = figure.colorbar(mesh, cax=figure.add_axes((box.x1 + 0.006, box.y0, 0.007, box.height)))
    bar.ax.tick_params(labelsize=_STYLE["ticksize"] - 1, length=2, pad=1)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    bar.set_label(label, fontsize=_STYLE["ticksize"], labelpad=3)


def _draw_raster(axes: Axes, counts: Float, dt_ms: float, unit_name: str) -> None:
    """One row per repeat, one tick per bin that holds a spike."""
    centres_s = (np.arange(counts.shape[1]) + 0.5) * dt_ms / 1000
    spikes = [centres_s[np.nan_to_num(row) > 0] for row in counts]
    axes.eventplot(spikes, lineoffsets=range(1, len(spikes) + 1), linelengths=0.85, linewidths=0.9, colors="black")
    axes.set_ylim(len(spikes) + 0.5, 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=_STYLE["ticksize"])
    axes.set_ylabel("repeat", fontsize=_STYLE["labelsize"])
    heading = "Spikes" + (f" of {unit_name}" if unit_name else "") + f" in {len(spikes)} repeats"
    axes.set_title(heading, fontsize=_STYLE["titlesize"], loc="left")


def _draw_rate(axes: Axes, counts: Float, predicted: Float, dt_ms: float) -> None:
    """Trial average as an area and prediction as a line, in spikes/s."""
    per_second = 1000 / dt_ms
    present = np.isfinite(counts).sum(axis=0)
    measured = np.where(present > 0, np.nansum(counts, axis=0) / np.maximum(present, 1), np.nan) * per_second
    edges_s = np.arange(counts.shape[1] + 1) * dt_ms / 1000
    axes.stairs(measured, edges_s, fill=True, color=_MEASURED, label="measured")
    axes.plot((edges_s[:-1] + edges_s[1:]) / 2, predicted * per_second, color=_PREDICTED, lw=1.2, label="predicted")
    axes.axhline(0, color="black", lw=0.6)
    low = min(0.0, float(np.nanmin(predicted)) * per_second)
    high = max(float(np.nanmax(np.append(measured, 0))), float(np.nanmax(predicted)) * per_second)
    high = high if high > 0 else 1.0
    axes.set_ylim(low * 1.05, high * 1.18)
    valid = np.isfinite(measured) & np.isfinite(predicted)
    heading = f"Mean rate in bins of {dt_ms:g} ms and its linear prediction"
    if np.std(measured[valid]) > 0 and np.std(predicted[valid]) > 0:
        heading += f" (cc = {np.corrcoef(measured[valid], predicted[valid])[0, 1]:.2f} in this clip)"
    axes.set_title(heading, fontsize=_STYLE["titlesize"], loc="left")
    axes.set_ylabel("rate (spikes/s)", fontsize=_STYLE["labelsize"])
    axes.set_xlabel("time from sound onset (s)", fontsize=_STYLE["labelsize"])
    axes.tick_params(labelsize=_STYLE["ticksize"])
    axes.legend(loc="upper right", fontsize=_STYLE["ticksize"], framealpha=0.85, edgecolor="none", ncols=2)


def _draw_strf(axes: Axes, name: str, weights: Float, cc: float, frequencies_hz: Float, dt_ms: float) -> None:
    """Weights over time before the response (lag 0 on the right) and frequency, scaled to their largest magnitude."""
    edges_khz = _edges_khz(frequencies_hz)
    scale = float(np.max(np.abs(weights)))
    times_ms = np.arange(-weights.shape[1], 1) * dt_ms
    values = weights[:, ::-1] / (scale if scale > 0 else 1.0)
    axes.pcolormesh(times_ms, edges_khz, values, cmap="RdBu_r", norm=Normalize(-1, 1), rasterized=True)
    _log_frequency_axis(axes, edges_khz)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, prune="lower"))
    axes.set_title(name if len(name) <= 22 else "…" + name[-21:], fontsize=_STYLE["ticksize"], loc="left", pad=4)
    if np.isfinite(cc):
        axes.text(0.04, 0.04, f"cc {cc:.2f}", transform=axes.transAxes, fontsize=_STYLE["ticksize"],
                  bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5})  # fmt: skip


def _draw_scores(axes: Axes, raw: Float, corrected: Float) -> None:
    """Histograms over units of both correlations, each with its median; values outside the axis go to its end bins."""
    values = [array[np.isfinite(array)] for array in (raw, corrected)]
    lowest = min((float(array.min()) for array in values if len(array)), default=0.0)
    edges = np.arange(-1.0 if lowest < -0.5 else -0.5 if lowest < -0.05 else -0.05, 1.051, 0.05)
    kinds = (("with the trial average", _MEASURED, True), ("corrected for trial noise", _CORRECTED, False))
    heights = [np.histogram(np.clip(array, edges[0], edges[-1]), edges)[0] for array in values]
    tallest = max(1, *(int(height.max()) for height in heights))
    for array, height, (label, colour, filled) in zip(values, heights, kinds, strict=True):
        median = f", median {np.median(array):.2f}" if len(array) else ", none"
        steps = axes.stairs(height, edges, fill=filled, color=colour, label=label + median)
        steps.set(alpha=0.55 if filled else 1.0, linewidth=0.0 if filled else 1.8)
        if len(array):
            axes.vlines(float(np.median(array)), 0, tallest * 1.06, color=colour, linewidth=1.3, linestyle="--")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, tallest * 1.4)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    absent = int((~np.isfinite(corrected)).sum())
    heading = f"Test correlations of {len(raw)} units" + (f" ({absent} without a corrected value)" if absent else "")
    axes.set_title(heading, fontsize=_STYLE["titlesize"], loc="left")
    axes.set_xlabel("correlation of prediction and response, test clips", fontsize=_STYLE["labelsize"])
    axes.set_ylabel("units", fontsize=_STYLE["labelsize"])
    axes.tick_params(labelsize=_STYLE["ticksize"])
    axes.legend(loc="upper left", fontsize=_STYLE["ticksize"], frameon=False)
