"""One figure of receptive fields fitted to a corpus: a clip, its responses and prediction, STRFs, test scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from deepstrf_hf.drawing import (
    MEASURED,
    STYLE,
    band_edges_khz,
    draw_mean,
    draw_raster,
    draw_spectrogram,
    draw_traces,
    log_frequency_axis,
    new_figure,
)

Float = NDArray[np.float64]

MAX_STRFS = 6
"""Receptive fields drawn at most."""
SMALL = 1e-3
"""Responses below are labelled with a prefix of their unit."""
_CORRECTED = "#2a6f97"


def draw_strf_figure(
    path: Path,
    *,
    spectrogram: ArrayLike,
    frequencies_hz: ArrayLike | None,
    dt_ms: float,
    trials: ArrayLike,
    prediction: ArrayLike,
    strfs: Sequence[tuple[str, ArrayLike, float]],
    cc_raw: ArrayLike,
    cc_norm: ArrayLike,
    title: str = "Spectrotemporal receptive fields by ridge regression",
    unit_name: str = "",
    spectrogram_label: str = "level (dB)",
    response_label: str | None = None,
    spikes: ArrayLike | None = None,
) -> Path:
    """Draw one PNG of 1400 x 900 pixels: example clip on the left, receptive fields and test scores on the right.

    Parameters
    ----------
    path : Path
        File to write; its folder is made.
    spectrogram : array_like
        (F, T) of one test clip, lowest band first, in the unit of `spectrogram_label`.
    frequencies_hz : array_like
        (F,) centre frequencies in Hz, ascending, > 0; None where nobody knows them: bands are numbered.
    dt_ms : float
        Bin width in ms.
    trials : array_like
        (R, T) responses of one unit in that clip; NaN where a repeat or a sample is absent.
    prediction : array_like
        (T,) predicted response.
    strfs : sequence of (name, weights, cc)
        Receptive fields (F, n_lags), lag 0 first, with the test correlation of the unit; the first six are drawn,
        each on a colour scale of its own that is symmetric about 0.
    cc_raw, cc_norm : array_like
        (N,) test correlations of all units, plain and noise-corrected; NaN is left out and counted.
    title, unit_name, spectrogram_label : str
        Texts: over the figure, name of the example unit, unit of the spectrogram.
    response_label : str, optional
        Unit of responses that are no spike counts per bin; None for counts, whose mean is drawn as a rate.
    spikes : array_like, optional
        (R, T) counts to draw as ticks where `trials` are not the counts themselves.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        If shapes do not match, no receptive field is given or frequencies are not ascending and positive.
    """
    levels = np.asarray(spectrogram, np.float64)
    bands_hz = None if frequencies_hz is None else np.asarray(frequencies_hz, np.float64)
    counts, predicted = np.asarray(trials, np.float64), np.asarray(prediction, np.float64)
    ticks = counts if spikes is None and response_label is None else spikes
    fields = [(name, np.asarray(weights, np.float64), float(cc)) for name, weights, cc in strfs][:MAX_STRFS]
    raw, corrected = np.asarray(cc_raw, np.float64), np.asarray(cc_norm, np.float64)
    n_bins = levels.shape[1:]
    if levels.ndim != 2 or counts.ndim != 2 or predicted.shape != n_bins or counts.shape[1:] != n_bins:
        raise ValueError(f"spectrogram {levels.shape}, trials {counts.shape}, prediction {predicted.shape}: T differs")
    if bands_hz is not None and not _is_scale(bands_hz, len(levels)):
        raise ValueError(f"frequencies_hz {bands_hz.shape} must be ascending, positive, one per band of {levels.shape}")
    if not fields or any(weights.ndim != 2 or len(weights) != len(levels) for _, weights, _ in fields):
        shapes = [weights.shape for _, weights, _ in fields]
        raise ValueError(f"strfs {shapes}: need at least one, each (F, n_lags) with F={len(levels)}")
    if raw.shape != corrected.shape or raw.ndim != 1:
        raise ValueError(f"cc_raw {raw.shape} and cc_norm {corrected.shape} must both be (N,)")

    figure = new_figure(14, 9, dpi=100)
    figure.suptitle(title, x=0.065, y=0.972, ha="left", fontsize=14, fontweight="bold")
    left = figure.add_gridspec(3, 1, left=0.065, right=0.51, top=0.9, bottom=0.075, hspace=0.16,
                               height_ratios=(1.15, 1.0, 1.1))  # fmt: skip
    sound = figure.add_subplot(left[0])
    raster = figure.add_subplot(left[1], sharex=sound)
    rate = figure.add_subplot(left[2], sharex=sound)
    draw_spectrogram(figure, sound, levels, bands_hz, dt_ms, spectrogram_label)
    if ticks is None:
        draw_traces(raster, counts, dt_ms, unit_name)
    else:
        draw_raster(raster, np.asarray(ticks, np.float64), dt_ms, unit_name)
    draw_mean(rate, counts, dt_ms, predicted, response_label)
    if bands_hz is None:
        sound.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    if len(counts) == 1:
        raster.set_yticks([1])
    if response_label is not None and np.nanmax(np.abs(counts), initial=0.0) < SMALL:
        rate.yaxis.set_major_formatter(EngFormatter(sep=""))  # 5µ, where a factor of 1e-6 would stand in the title
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
            axes.set_ylabel("frequency band" if bands_hz is None else "frequency (kHz)", fontsize=STYLE["labelsize"])
        drawn.append(axes)
    figure.text(0.7675, drawn[-1].get_position().y0 - 0.045, "time before the response (ms)",
                fontsize=STYLE["labelsize"], ha="center")  # fmt: skip
    top, bottom = drawn[0].get_position().y1, drawn[-1].get_position().y0
    bar = figure.colorbar(drawn[0].collections[0], cax=figure.add_axes((0.947, bottom, 0.009, top - bottom)))
    bar.set_ticks([-1, 0, 1], labels=["−", "0", "+"])
    bar.set_label("weight / largest of the unit", fontsize=STYLE["labelsize"], labelpad=2)
    scores = figure.add_axes((0.6, 0.075, 0.335, 0.235 if n_rows == 2 else 0.36))
    _draw_scores(scores, raw, corrected)

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})
    return path


def _is_scale(bands_hz: Float, n_bands: int) -> bool:
    """Whether frequencies can be the bands of a logarithmic axis."""
    return bands_hz.shape == (n_bands,) and n_bands > 1 and bands_hz[0] > 0 and bool((np.diff(bands_hz) > 0).all())


def _draw_strf(axes: Axes, name: str, weights: Float, cc: float, frequencies_hz: Float | None, dt_ms: float) -> None:
    """Weights over time before the response (lag 0 on the right) and frequency, scaled to their largest magnitude."""
    numbers = np.arange(len(weights) + 1, dtype=np.float64) - 0.5
    edges = numbers if frequencies_hz is None else band_edges_khz(frequencies_hz)
    scale = float(np.max(np.abs(weights)))
    times_ms = np.arange(-weights.shape[1], 1) * dt_ms
    values = weights[:, ::-1] / (scale if scale > 0 else 1.0)
    axes.pcolormesh(times_ms, edges, values, cmap="RdBu_r", norm=Normalize(-1, 1), rasterized=True)
    axes.tick_params(labelsize=STYLE["ticksize"])
    if frequencies_hz is None:
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    else:
        log_frequency_axis(axes, edges)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, prune="lower"))
    axes.set_title(name if len(name) <= 20 else "…" + name[-19:], fontsize=STYLE["ticksize"], loc="left", pad=4)
    if np.isfinite(cc):
        axes.text(0.04, 0.04, f"cc {cc:.2f}", transform=axes.transAxes, fontsize=STYLE["ticksize"],
                  bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5})  # fmt: skip


def _draw_scores(axes: Axes, raw: Float, corrected: Float) -> None:
    """Histograms over units of both correlations, each with its median; values outside the axis go to its end bins."""
    values = [array[np.isfinite(array)] for array in (raw, corrected)]
    lowest = min((float(array.min()) for array in values if len(array)), default=0.0)
    edges = np.arange(-1.0 if lowest < -0.5 else -0.5 if lowest < -0.05 else -0.05, 1.051, 0.05)
    kinds = (("with the trial average", MEASURED, True), ("corrected for trial noise", _CORRECTED, False))
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
    axes.set_title(heading, fontsize=STYLE["titlesize"], loc="left")
    axes.set_xlabel("correlation of prediction and response, test clips", fontsize=STYLE["labelsize"])
    axes.set_ylabel("units", fontsize=STYLE["labelsize"])
    axes.tick_params(labelsize=STYLE["ticksize"])
    axes.legend(loc="upper left", fontsize=STYLE["ticksize"], frameon=False)
