"""The pictures of a dataset card: for each cohort a good unit, who heard what, and how repeatable responses are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from deepstrf_hf.errors import OutputDirectoryError, TableFormatError
from deepstrf_hf.names import SUFFIX
from deepstrf_hf.report import BuildReport, CohortReport

if TYPE_CHECKING:
    from deepstrf_hf.card_pictures_png import DrawnPicture

FOLDER = "assets"
"""Where pictures lie beside the card."""
MARKUP = "\\[]*_`<>"
"""Characters that Markdown does not take as they are in the text of a link."""


@dataclass(frozen=True)
class CardPicture:
    """A picture that a card shows.

    Parameters
    ----------
    path : str
        Where it lies, below the directory of the card: ``assets/<config>-<what>.png``.
    caption : str
        What it shows, as Markdown, one or two sentences.
    alternative_text : str
        The same for those who do not see it, plain text.
    """

    path: str
    caption: str
    alternative_text: str


def draw_card_pictures(directory: Path, into: Path) -> list[CardPicture]:
    """Draw the pictures of all cohorts of a built directory.

    For each main configuration: the neuron of the highest signal-to-noise ratio (where there is none, of the most
    trials) at the clearest of its stimuli of most trials; who heard what, in how many trials; and histograms of
    signal-to-noise ratio and CCmax. Where nothing was heard twice the last is left out, and the caption of the second
    says so. The same tables give the same bytes.

    Parameters
    ----------
    directory : Path
        What `deepstrf_hf.build` wrote.
    into : Path
        Where ``assets/`` goes; made if missing. May be `directory`.

    Returns
    -------
    list of CardPicture
        In the order of the build report.

    Raises
    ------
    MissingDependencyError
        No matplotlib.
    TableFormatError
        Not a build, or a file of it is missing or broken.
    OutputDirectoryError
        The pictures cannot be written.
    """
    from deepstrf_hf.card_pictures_png import own_style  # pictures alone need matplotlib

    directory, into = Path(directory), Path(into)
    report = BuildReport.read(directory)
    pictures = []
    with own_style():
        for config, entry in report.cohorts.items():
            for what, drawn in _cohort_pictures(directory, config, entry):
                name = f"{FOLDER}/{config}-{what}.png"
                _write(into / name, drawn.png)
                pictures.append(CardPicture(name, drawn.caption, drawn.alternative_text))
    return pictures


def card_section(pictures: Sequence[CardPicture]) -> str:
    """Return the section of a card that shows pictures.

    Parameters
    ----------
    pictures : sequence of CardPicture
        What `draw_card_pictures` returned.

    Returns
    -------
    str
        Markdown that begins with ``## Pictures``, without a line end; empty without pictures.
    """
    if not pictures:
        return ""
    shown = [
        f"![{_one_line(picture.alternative_text, escape=True)}]({quote(picture.path)})\n\n{_one_line(picture.caption)}"
        for picture in pictures
    ]
    return "\n\n".join(["## Pictures", *shown])


def _one_line(text: str, escape: bool = False) -> str:
    """Return text without line ends; with what Markdown would take for markup in the text of a link escaped."""
    text = " ".join(text.split())
    if not escape:
        return text
    return "".join(f"\\{character}" if character in MARKUP else character for character in text)


def _cohort_pictures(directory: Path, config: str, entry: CohortReport) -> Iterator[tuple[str, DrawnPicture]]:
    """Draw the pictures of one cohort; each with what its file is named after."""
    from deepstrf_hf.card_pictures_coverage import CoverageSum, axis_entries, draw_cohort_coverage
    from deepstrf_hf.card_pictures_quality import draw_quality, has_ratio, without_ratio
    from deepstrf_hf.card_pictures_reading import (
        CohortFiles,
        choose_neuron,
        pair_blocks,
        read_facts,
        read_neurons,
        read_unit,
        stimulus_places,
    )
    from deepstrf_hf.card_pictures_unit import draw_unit

    files = CohortFiles(*(_files(directory, entry, config + SUFFIX[table]) for table in ("rows", "stimuli", "neurons")))
    facts, neurons, places = read_facts(files), read_neurons(files), stimulus_places(files)
    if not len(neurons) or not places:
        raise TableFormatError("A cohort is empty", path=directory, field=config, mend="build it again")
    neuron_ids, chosen = neurons.column("neuron_id").to_pylist(), choose_neuron(neurons)
    rows, columns = axis_entries(list(places), "stimulus", "stimuli"), axis_entries(neuron_ids, "neuron", "neurons")
    coverage, of_unit = CoverageSum(rows, columns), []
    for block in pair_blocks(files, list(places), neuron_ids, chosen):
        coverage.add(block)
        of_unit += block.of_unit
    name = f"{facts['corpus']} / {config}"
    yield "unit", draw_unit(read_unit(neurons.slice(chosen, 1).to_pylist()[0], of_unit, places), facts)
    lacking = None if has_ratio(neurons) else without_ratio(neurons)
    yield "coverage", draw_cohort_coverage(coverage.coverage(name), rows, columns, lacking)
    if lacking is None:
        yield "quality", draw_quality(name, neurons)


def _files(directory: Path, entry: CohortReport, config: str) -> list[Path]:
    """Return the files of a configuration, in the order of the report.

    Raises
    ------
    TableFormatError
        The report does not name them.
    """
    names = [name for split in entry.configs.get(config, {}).values() for name in split.files]
    if not names:
        raise TableFormatError(
            "The build report lacks a configuration",
            path=directory,
            field="configs",
            expected=config,
            mend="build again",
        )
    return [directory / name for name in names]


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise OutputDirectoryError(
            "A picture cannot be written", path=path, found=error, mend="make room, or allow writing, there"
        ) from error
