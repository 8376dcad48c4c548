"""Pictures of a report page, each as a data URI: units, coverage, response quality."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from deepstrf_hf.card_pictures_coverage import CoverageSum, axis_entries, draw_cohort_coverage
from deepstrf_hf.card_pictures_png import own_style, short_unit, shortened
from deepstrf_hf.card_pictures_quality import draw_histogram, has_ratio, without_ratio
from deepstrf_hf.card_pictures_reading import CohortFiles, Pair, Place, choose_neuron, finite, pair_blocks, read_unit
from deepstrf_hf.card_pictures_unit import draw_unit
from deepstrf_hf.drawing import new_figure
from deepstrf_hf.errors import MissingDependencyError, TableFormatError
from deepstrf_hf.report_html.values import rounded

try:
    from matplotlib import rc_context
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Figures need matplotlib", found=f"no {error.name}", mend="pip install 'deepstrf-hf[report]'"
    ) from error

SVG = {"svg.fonttype": "none", "svg.hashsalt": "deepstrf-hf", "font.family": "sans-serif"}
"""Text stays text; names of parts are the same every time."""
PIXELS = 96
"""In an inch of a web page."""
SQUARE_MICROVOLTS = 1e12
"""In a square volt."""


@dataclass(frozen=True)
class PagePicture:
    """A picture as a page shows it.

    Parameters
    ----------
    uri : str
        The picture itself.
    width, height : int
        Pixels.
    heading, caption, alternative_text : str
        Plain text for those who see it, and for those who do not.
    """

    uri: str
    width: int
    height: int
    heading: str
    caption: str
    alternative_text: str


def data_uri(content: bytes, media_type: str) -> str:
    """Return content as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def png_picture(png: bytes, heading: str, caption: str, alternative_text: str) -> PagePicture:
    """Return a PNG as a page shows it."""
    width, height = Image.open(io.BytesIO(png)).size
    return PagePicture(data_uri(png, "image/png"), width, height, heading, caption, alternative_text)


@dataclass(frozen=True)
class CohortPictures:
    """The pictures of a cohort.

    Parameters
    ----------
    units : list of PagePicture
        The clearest unit, and a typical one where there is one.
    coverage : PagePicture
        Who heard what.
    quality : list of PagePicture
        Histograms.
    without_ratio : str
        How many neurons have no signal-to-noise ratio, and why.
    """

    units: list[PagePicture]
    coverage: PagePicture
    quality: list[PagePicture]
    without_ratio: str


def draw_cohort(
    files: CohortFiles, facts: Mapping[str, Any], neurons: pa.Table, places: dict[str, Place]
) -> CohortPictures:
    """Draw all pictures of a cohort.

    Parameters
    ----------
    files : CohortFiles
        Where its rows are.
    facts : mapping
        What they say about the cohort.
    neurons : pyarrow.Table
        Its neurons table.
    places : dict of str to Place
        Where its stimuli are.

    Raises
    ------
    TableFormatError
        There is nothing to draw, or a file is broken.
    """
    if not len(neurons) or not places:
        raise TableFormatError("A cohort is empty", field=facts["config"], mend="build it again")
    stim_ids, neuron_ids = list(places), neurons.column("neuron_id").to_pylist()
    best, typical = choose_neuron(neurons), typical_neuron(neurons)
    rows, columns = axis_entries(stim_ids, "stimulus", "stimuli"), axis_entries(neuron_ids, "neuron", "neurons")
    coverage, heard = CoverageSum(rows, columns), []
    for block in pair_blocks(files, stim_ids, neuron_ids, best):
        coverage.add(block)
        heard += block.of_unit
    with own_style(), warnings.catch_warnings():
        # Letters that the font of figures lacks are drawn as boxes; captions have them.
        warnings.filterwarnings("ignore", "Glyph ")
        units = [_draw_unit(neurons, best, heard, places, facts, *_best(neurons, best))]
        if typical not in (None, best):
            blocks = pair_blocks(files, stim_ids, neuron_ids, typical)
            heard = [pair for block in blocks for pair in block.of_unit]
            why = f"the median signal-to-noise ratio, {rounded(neurons.column('snr')[typical].as_py())}"
            units.append(_draw_unit(neurons, typical, heard, places, facts, "A typical unit", why))
        drawn = draw_cohort_coverage(coverage.coverage(f"{facts['corpus']} / {facts['config']}"), rows, columns, None)
        return CohortPictures(
            units,
            png_picture(drawn.png, "Who heard what", drawn.caption, drawn.alternative_text),
            draw_quality(neurons, facts["response_unit"]),
            without_ratio(neurons),
        )


def typical_neuron(neurons: pa.Table) -> int | None:
    """Return the position of the neuron of median signal-to-noise ratio (the lower of two); None where none has one."""
    snr = finite(neurons, "snr")
    ascending = np.argsort(snr, kind="stable")[: int(np.isfinite(snr).sum())]  # NaN come last
    return int(ascending[(len(ascending) - 1) // 2]) if len(ascending) else None


def _best(neurons: pa.Table, best: int) -> tuple[str, str]:
    """Return how the best neuron is called, and why."""
    if has_ratio(neurons):
        ratio = rounded(neurons.column("snr")[best].as_py())
        return "The clearest unit", f"the highest signal-to-noise ratio, {ratio}"
    return "A unit", "the most trials, since none has a signal-to-noise ratio"


def _draw_unit(
    neurons: pa.Table,
    position: int,
    heard: list[Pair],
    places: dict[str, Place],
    facts: Mapping[str, Any],
    heading: str,
    why: str,
) -> PagePicture:
    unit = read_unit(neurons.slice(position, 1).to_pylist()[0], heard, places)
    drawn = draw_unit(unit, facts)
    n_trials = len(unit.response)
    times = "once" if n_trials == 1 else f"{n_trials:,} times"
    caption = (
        f"Of all neurons {unit.neuron_id} has {why}. It heard {unit.stim_id} {times}. "
        f"Spectrogram: {facts['spectrogram_unit']}; response: {facts['response_unit']}; bins of {facts['dt_ms']:g} ms."
    )
    return png_picture(drawn.png, heading, caption, drawn.alternative_text)


def draw_quality(neurons: pa.Table, response_unit: str) -> list[PagePicture]:
    """Draw histograms of signal-to-noise ratio, CCmax and noise power, of those that some neuron has.

    Parameters
    ----------
    neurons : pyarrow.Table
        Neurons table.
    response_unit : str
        Unit of a response.
    """
    noise, unit = finite(neurons, "noise_power"), short_unit(response_unit)
    if unit == "V":  # the EEG, of microvolts
        noise, unit = noise * SQUARE_MICROVOLTS, "µV"
    panels = [
        (finite(neurons, "snr"), None, "signal power / noise power", "SNR"),
        (finite(neurons, "ccmax"), (0.0, 1.0), "highest correlation that a model can reach", "CCmax"),
        (noise, None, f"noise power, ({shortened(unit, 24)})²", "Noise power"),
    ]
    return [
        histogram(values[np.isfinite(values)], span, label, name)
        for values, span, label, name in panels
        if np.isfinite(values).any()
    ]


def histogram(values: NDArray[np.float64], span: tuple[float, float] | None, label: str, name: str) -> PagePicture:
    """Draw how a number is spread over neurons, as SVG (arguments as in `draw_histogram`)."""
    with own_style(), rc_context(SVG):
        figure = new_figure(3.7, 2.7)
        axes = figure.add_axes((0.15, 0.19, 0.82, 0.77))
        draw_histogram(axes, values, span, label, name)
        axes.set_title("", loc="left")  # the caption says it, in letters that do not shrink
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    width, height = (int(side * PIXELS) for side in figure.get_size_inches())
    low, high, middle = (rounded(float(value)) for value in (values.min(), values.max(), np.median(values)))
    spread = f"from {low} to {high}, median {middle}"
    said = f"{name} of {len(values):,} neuron{'s' * (len(values) > 1)}: {spread}"
    uri = data_uri(buffer.getvalue(), "image/svg+xml")
    return PagePicture(uri, width, height, name, f"{said} (dashed).", f"Histogram. {said}.")
