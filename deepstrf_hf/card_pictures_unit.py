"""The picture of one neuron for a card: spectrogram above raster above PSTH, or above traces of a potential."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepstrf_hf.card_pictures_png import DrawnPicture, literal, png_of, short_unit, shortened
from deepstrf_hf.card_pictures_reading import Unit
from deepstrf_hf.drawing import MEASURED, STYLE, draw_mean, draw_raster, draw_spectrogram, new_figure
from deepstrf_hf.errors import MissingDependencyError
from deepstrf_hf.features.compression import COMPRESSIONS
from deepstrf_hf.preprocessing import steps_from_json

try:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Figures need matplotlib", found=f"no {error.name}", mend="pip install 'deepstrf-hf[plot]'"
    ) from error

Float = NDArray[np.float64]

LONGEST_S = 10.0
"""Time that is drawn at most, s: of more, single spikes would not be seen."""
MOST_ROWS = 60
"""Trials of a raster."""
MOST_TRACES = 12
"""Trials of a potential, one above the other."""
MOST_COLUMNS = 450
"""Bins of a spectrogram: every other pixel, so that noise does not make the file large."""
MOST_PSTH_BINS, SHORTEST_PSTH_BIN_MS = 400, 5.0
LEAST_BANDS = 2
"""Bands from which a frequency axis has edges halfway between them."""
TRACE_HEIGHT = 1.3
"""Rows that a trace reaches over, but for its extremes."""
SMALL_VOLTS = 1e-3
LONGEST_UNIT = 18
"""Characters of a unit beside an axis; a longer one stands above it."""


@dataclass(frozen=True)
class _Shown:
    """The part of a response that is drawn: `response` (trials, bins), `levels` (bands, bins), bins from `first` on."""

    response: Float
    levels: Float
    first: int
    dt_ms: float

    @property
    def start_s(self) -> float:
        return self.first * self.dt_ms / 1000

    @property
    def length_s(self) -> float:
        return self.response.shape[1] * self.dt_ms / 1000


def draw_unit(unit: Unit, facts: Mapping[str, Any]) -> DrawnPicture:
    """Draw a neuron's response to a stimulus.

    Parameters
    ----------
    unit : Unit
        What to draw.
    facts : mapping
        What the files say about the cohort.

    Returns
    -------
    DrawnPicture
        At most 10 s of it, those in which the mean response varies most.
    """
    levels, level_unit = _as_papers_show_it(unit.spectrogram, facts)
    shown = _part(unit.response, levels, facts["dt_ms"])
    spikes = facts["signal_type"] == "spikes" and _whole_numbers(unit.response)
    factor, value_unit = _readable(unit.response, short_unit(facts["response_unit"]))
    single = len(unit.response) == 1 and not spikes
    figure = new_figure(9, 4.4 if single else 6.2)
    quality = "" if unit.snr is None else f", SNR {unit.snr:.3g}"
    heading = f"{facts['corpus']} / {shortened(facts['config'], 24)}: {shortened(unit.neuron_id, 36)}{quality}"
    figure.suptitle(literal(heading), x=0.085, y=0.975, ha="left", fontsize=12.5, fontweight="bold")
    heights = [1.2, 1] if single else [1.1, 1, 1]
    edges = {"left": 0.085, "right": 0.885, "top": 0.85 if single else 0.88, "bottom": 0.13 if single else 0.09}
    grid = figure.add_gridspec(len(heights), 1, hspace=0.42 if single else 0.3, height_ratios=heights, **edges)
    panels = [figure.add_subplot(grid[0])]
    panels += [figure.add_subplot(grid[row], sharex=panels[0]) for row in range(1, len(heights))]
    sound, last = panels[0], panels[-1]
    _draw_sound(figure, sound, shown, unit.stim_id, facts["band_frequencies_hz"], level_unit)
    if single:
        _draw_mean_trace(last, shown, shown.response * factor, value_unit)
    elif spikes:
        _draw_raster(panels[1], shown)
        _draw_psth(last, shown)
    else:
        _draw_traces(panels[1], shown, shown.response * factor, value_unit)
        _draw_mean_trace(last, shown, shown.response * factor, value_unit)
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    for axes in panels[1:]:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    sound.set_xlim(0, shown.length_s)
    last.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(value + shown.start_s, 6):g}"))
    last.set_xlabel("time from the beginning of the stimulus (s)", fontsize=STYLE["labelsize"])
    figure.align_ylabels(panels)
    return DrawnPicture(png_of(figure), *_words(unit, shown, facts, spikes))


def _as_papers_show_it(spectrogram: NDArray[np.float32], facts: Mapping[str, Any]) -> tuple[Float, str]:
    """Return a spectrogram, a linear one compressed as its papers do, and the unit of its values."""
    unit = short_unit(facts["spectrogram_unit"])
    for step in steps_from_json(facts["preprocessing"]["published"]):
        if isinstance(step, COMPRESSIONS):
            spectrogram, unit = step.apply(spectrogram), f"compressed {unit}"
    return np.asarray(spectrogram, np.float64), unit


def _whole_numbers(response: Float) -> bool:
    present = response[np.isfinite(response)]
    return bool((present == np.rint(present)).all())


def _part(response: Float, levels: Float, dt_ms: float) -> _Shown:
    """Return what is drawn: of a long response the stretch in which its mean varies most."""
    n_bins = response.shape[1]
    length = max(1, min(n_bins, int(LONGEST_S * 1000 / dt_ms + 1e-9)))
    mean = _mean(response)
    departure = np.nan_to_num(mean - (np.nanmean(mean) if np.isfinite(mean).any() else 0.0)) ** 2
    starts = sorted({*range(0, n_bins - length + 1, length), n_bins - length})
    first = max(starts, key=lambda start: float(departure[start : start + length].sum()))
    return _Shown(response[:, first : first + length], levels[:, first : first + length], first, dt_ms)


def _mean(values: Float) -> Float:
    """Return the mean over the first axis where something is present, NaN elsewhere."""
    present = np.isfinite(values).sum(axis=0)
    return np.asarray(np.where(present > 0, np.nansum(values, axis=0) / np.maximum(present, 1), math.nan))


def _grouped(values: Float, factor: int) -> Float:
    """Return means of so many neighbouring bins each, shape (rows, ceil(bins / factor)); NaN where all are missing."""
    rows, bins = values.shape
    padded = np.full((rows, -(-bins // factor) * factor), math.nan)
    padded[:, :bins] = values
    return _mean(np.moveaxis(padded.reshape(rows, -1, factor), 2, 0))


def _draw_sound(
    figure: Any, axes: Axes, shown: _Shown, stim_id: str, frequencies_hz: list[float] | None, unit: str
) -> None:
    factor = -(-shown.levels.shape[1] // MOST_COLUMNS)
    known = frequencies_hz is not None and len(frequencies_hz) == len(shown.levels) >= LEAST_BANDS
    usable = np.array(frequencies_hz, np.float64) if known and min(frequencies_hz or [0]) > 0 else None
    title = literal(f"Sound: spectrogram of {shortened(stim_id, 70)}")
    wrapped = "\n".join(textwrap.wrap(unit, 24)[:3])
    draw_spectrogram(figure, axes, _grouped(shown.levels, factor), usable, shown.dt_ms * factor, wrapped, title)
    if usable is None:
        axes.yaxis.set_major_locator(_whole_ticks(0, len(shown.levels)))


def _whole_ticks(first: int, count: int) -> Any:
    """Return ticks for numbered bands or trials, without fractions where there is one alone."""
    return FixedLocator([first]) if count == 1 else MaxNLocator(5, integer=True)


def _draw_raster(axes: Axes, shown: _Shown) -> None:
    trials = len(shown.response)
    draw_raster(axes, shown.response[:MOST_ROWS], shown.dt_ms)
    axes.set_title(_trials("Spikes", trials, MOST_ROWS), fontsize=STYLE["titlesize"], loc="left")
    axes.yaxis.set_major_locator(_whole_ticks(1, trials))
    if not np.nansum(shown.response[:MOST_ROWS]):
        axes.text(0.5, 0.5, "no spikes", transform=axes.transAxes, ha="center", va="center", color=MEASURED)


def _trials(what: str, trials: int, most: int) -> str:
    if trials > most:
        return f"{what} in the first {most} of {trials:,} trials"
    return f"{what} in {trials} trial{'s' * (trials > 1)}"


def _draw_psth(axes: Axes, shown: _Shown) -> None:
    """Draw the mean rate in bins that are wide enough to be seen."""
    bins = shown.response.shape[1]
    factor = max(math.ceil(SHORTEST_PSTH_BIN_MS / shown.dt_ms - 1e-9), -(-bins // MOST_PSTH_BINS))
    draw_mean(axes, _grouped(shown.response, factor) * factor, shown.dt_ms * factor)
    if len(shown.response) > MOST_ROWS:
        heading = f"{axes.get_title(loc='left')}, over all {len(shown.response):,} trials"
        axes.set_title(heading, fontsize=STYLE["titlesize"], loc="left")


def _readable(response: Float, unit: str) -> tuple[float, str]:
    """Return factor and unit in which values are written without powers of ten: microvolts for the EEG."""
    present = response[np.isfinite(response)]
    if unit == "V" and present.size and np.percentile(np.abs(present), 99) < SMALL_VOLTS:
        return 1e6, "µV"
    return 1.0, unit


def _draw_traces(axes: Axes, shown: _Shown, values: Float, unit: str) -> None:
    """Draw trials one above the other, with a bar for scale."""
    trials = values[:MOST_TRACES]
    present = trials[np.isfinite(trials)]
    low, middle, high = np.percentile(present, (0.2, 50, 99.8)) if present.size else (0.0, 0.0, 1.0)
    row = (high - low) / TRACE_HEIGHT if high > low else 1.0
    times_s = (np.arange(trials.shape[1]) + 0.5) * shown.dt_ms / 1000
    for index, trial in enumerate(trials):
        axes.plot(times_s, index + 1 - (trial - middle) / row, color="black", lw=0.6)
    top = min(0.3, 1 - (high - middle) / row)
    axes.set_ylim(len(trials) + 0.9, top - 0.2)
    step = -(-len(trials) // 4)
    axes.yaxis.set_major_locator(FixedLocator(list(range(1, len(trials) + 1, step))))
    axes.tick_params(labelsize=STYLE["ticksize"])
    axes.set_ylabel("trial", fontsize=STYLE["labelsize"])
    heading = _trials("Traces", len(values), MOST_TRACES) + _above(unit)
    axes.set_title(literal(heading), fontsize=STYLE["titlesize"], loc="left")
    size = _round_size(row * len(trials) / 4)
    foot, across = len(trials) + 0.5, axes.get_yaxis_transform()
    axes.plot([1.012, 1.012], [foot, foot - size / row], transform=across, color="black", lw=2, clip_on=False)
    label = f"{size:g} {'' if _above(unit) else unit}".strip().replace(" ", "\n", 1)
    axes.text(1.022, foot, literal(label), transform=across, fontsize=STYLE["ticksize"], va="bottom")


def _above(unit: str) -> str:
    """Return what is added to the heading of a panel: a unit that is too long to stand beside an axis."""
    return f" ({shortened(unit, 60)})" if len(unit) > LONGEST_UNIT else ""


def _round_size(size: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above a size."""
    power = 10.0 ** math.floor(math.log10(size))
    return max((step * power for step in (1, 2, 5) if step * power <= size), default=power)


def _draw_mean_trace(axes: Axes, shown: _Shown, values: Float, unit: str) -> None:
    """Draw the mean over trials as a line, with its standard error; a single trial as it is."""
    times_s = (np.arange(values.shape[1]) + 0.5) * shown.dt_ms / 1000
    mean, trials = _mean(values), len(values)
    heading = "Response in 1 trial"
    if trials > 1:
        present = np.isfinite(values).sum(axis=0)
        squares = np.nansum((values - mean) ** 2, axis=0)
        # A bin that only one trial has is drawn without an error.
        error = np.sqrt(squares / np.maximum(present - 1, 1) / np.maximum(present, 1))
        axes.fill_between(times_s, mean - error, mean + error, color=MEASURED, alpha=0.5, lw=0)
        heading = f"Mean of {trials:,} trials ± standard error"
    axes.plot(times_s, mean, color="black", lw=0.8)
    axes.set_title(literal(heading + _above(unit)), fontsize=STYLE["titlesize"], loc="left")
    axes.set_ylabel("response" if _above(unit) else literal(unit), fontsize=STYLE["labelsize"])
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(value, 12):g}"))
    axes.tick_params(labelsize=STYLE["ticksize"])


def _words(unit: Unit, shown: _Shown, facts: Mapping[str, Any], spikes: bool) -> tuple[str, str]:
    """Return caption and alternative text."""
    trials, n_bins = unit.response.shape
    whole_s = n_bins * shown.dt_ms / 1000
    part = f" ({shown.length_s:g} of its {whole_s:g} s)" if shown.length_s < whole_s - 1e-9 else ""
    chosen = "of the most trials" if unit.snr is None else f"of the highest signal-to-noise ratio ({unit.snr:.3g})"
    times = "once" if trials == 1 else f"{trials:,} times"
    caption = (
        f"The neuron {chosen}, `{unit.neuron_id}`, at `{unit.stim_id}`{part}, which it heard {times}. "
        f"Spectrogram: {facts['spectrogram_unit']}; response: {facts['response_unit']}; bins of {shown.dt_ms:g} ms."
    )
    bands = len(shown.levels)
    kind = {"subthreshold": "the membrane potential", "eeg": "the EEG"}.get(facts["signal_type"], "the response")
    below = f"{'spikes' if spikes else kind} of {unit.neuron_id} in {trials:,} trial{'s' * (trials > 1)}"
    if spikes:
        total = int(np.nansum(shown.response))
        below = f"a raster of {below}, {total:,} spike{'s' * (total != 1)} in all, and the mean rate over trials"
    elif trials > 1:
        below = f"traces of {below}, and their mean"
    return caption, (
        f"Over {shown.length_s:g} s: the spectrogram of {unit.stim_id}, {bands} frequency band{'s' * (bands > 1)}; "
        f"below it {below}."
    )
