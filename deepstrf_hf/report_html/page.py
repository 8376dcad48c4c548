"""Write the report page of a built corpus."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepstrf_hf.corpus import Corpus, Redistribution
from deepstrf_hf.errors import MissingDependencyError, ParameterError
from deepstrf_hf.licence_gate import VERDICTS
from deepstrf_hf.registry import load_builder
from deepstrf_hf.report import BuildReport
from deepstrf_hf.report_html import DEFAULT_MEGABYTES, DEFAULT_OUTPUT
from deepstrf_hf.report_html.baseline import BaselineFile
from deepstrf_hf.report_html.cohorts import CohortSection, gather_cohort
from deepstrf_hf.report_html.stimuli import Room, add_pictures, add_sounds
from deepstrf_hf.repository import Repository
from deepstrf_hf.verification_sources import HubSource
from deepstrf_hf.whole_file import write_whole

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Report pages need Jinja2", found=f"no {error.name}", mend="pip install 'deepstrf-hf[report]'"
    ) from error

MEGABYTE = 1_000_000
NOTES_BYTES = 500
"""What a page says of what did not fit, for each cohort, at most."""


@dataclass(frozen=True)
class ReportPage:
    """A page that was written.

    Parameters
    ----------
    path : Path
        Where.
    size_bytes : int
        Its size.
    notes : tuple of str
        What is not in it, and what its owner must heed.
    """

    path: Path
    size_bytes: int
    notes: tuple[str, ...]


def report_page(
    source: str | Path,
    config: str | None = None,
    *,
    output: str | Path = DEFAULT_OUTPUT,
    audio: bool | None = None,
    baselines: Sequence[str | Path] = (),
    max_megabytes: float = DEFAULT_MEGABYTES,
) -> ReportPage:
    """Write one HTML page that shows what a built corpus holds, and needs no network and no other file.

    For each cohort: the clearest and a typical unit, response quality, coverage, all stimuli, all neurons, counts
    beside published ones, what was left out, parameters and provenance. The same build gives the same bytes.

    Parameters
    ----------
    source : str or Path
        Built directory or Hub repository.
    config : str, optional
        Configuration of a main table; all of them if not given.
    output : str or Path
        File to write; an earlier one is replaced once the new one is whole.
    audio : bool, optional
        Whether sounds are embedded. By default where the terms of the corpus allow them to be handed on, since pages
        are. True embeds them anyway, for oneself, and the page says so.
    baselines : sequence of str or Path
        JSON files of `deepstrf-hf baseline`, at most one for each cohort.
    max_megabytes : float
        Size of the page, 10^6 bytes. Pictures of stimuli, then sounds, are embedded as far as they fit; the page says
        what did not.

    Returns
    -------
    ReportPage
        Where it is, and what is not in it.

    Raises
    ------
    UnknownNameError
        No such configuration or corpus.
    ParameterError
        The page does not fit into the size even without pictures of stimuli; or a baseline of no cohort of the page.
    TableFormatError
        Not a whole build; or a baseline of other data.
    OutputDirectoryError
        The page cannot be written.
    HubError
        The Hub refused or could not be reached.
    MissingDependencyError
        No Jinja2 or matplotlib.
    """
    repository = Repository.open(source)
    report = BuildReport.read(repository.directory or HubSource(repository).root)
    corpus = load_builder(report.corpus).CORPUS
    configs = list(report.cohorts) if config is None else [repository.main_config(config)]
    fitted = _by_config(baselines, corpus, configs)
    sections = [gather_cohort(repository, report, name, corpus, audio, fitted.get(name)) for name in configs]
    page = PageTemplate(corpus, report, sections)
    smallest = len(page.render()) + NOTES_BYTES * len(sections)
    room = max_megabytes * MEGABYTE - smallest
    if room < 0:
        raise ParameterError(
            "The page is larger than it may be, even without pictures and sounds of stimuli",
            field="max_megabytes",
            found=max_megabytes,
            expected=f"at least {math.ceil(smallest / MEGABYTE * 10) / 10:g}",
        )
    _embed(sections, room)
    content = page.render()
    path = Path(output)
    write_whole(path, lambda unfinished: unfinished.write_bytes(content), "The page")
    return ReportPage(path, len(content), tuple(dict.fromkeys(page.notes())))


def _by_config(paths: Iterable[str | Path], corpus: Corpus, configs: Sequence[str]) -> dict[str, BaselineFile]:
    """Return baselines by the cohort that they are of."""
    found: dict[str, BaselineFile] = {}
    for path in paths:
        file = BaselineFile.read(path)
        if file.corpus != corpus.name or file.config not in configs or file.config in found:
            raise ParameterError(
                "A page shows one baseline for each of its cohorts",
                path=path,
                field="baselines",
                found=f"{file.config} of {file.corpus}" + (", twice" if file.config in found else ""),
                expected=f"{' or '.join(configs)} of {corpus.name}",
            )
        found[file.config] = file
    return found


def _embed(sections: Sequence[CohortSection], n_bytes: float) -> None:
    """Add pictures and sounds of stimuli; what a cohort does not need is left for those after it."""
    for add, wanted in (
        (add_pictures, sections),
        (add_sounds, [section for section in sections if section.sounds.embed]),
    ):
        for number, section in enumerate(wanted):
            share = Room(n_bytes / (len(wanted) - number))
            n_bytes -= share.left
            add(section.stimuli, share)
            n_bytes += share.left


class PageTemplate:
    """The template with all it needs.

    Parameters
    ----------
    corpus : Corpus
        Declaration.
    report : BuildReport
        Of the build.
    sections : sequence of CohortSection
        What is said of each cohort; pictures and sounds of stimuli may be added between two calls of `render`.
    """

    def __init__(self, corpus: Corpus, report: BuildReport, sections: Sequence[CohortSection]) -> None:
        environment = Environment(
            loader=PackageLoader("deepstrf_hf.report_html"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters["count_of"] = _count_of
        style, script = (_own_file(name) for name in ("style.css", "script.js"))
        self._template, self._sections = environment.get_template("page.html"), sections
        self._content: Mapping[str, Any] = {
            "corpus": corpus,
            "report": report,
            "sections": sections,
            "may_be_handed_on": _verdict(corpus),
            "style": Markup(style),  # ours, not of any corpus
            "script": Markup(script),
            "policy": _policy(style, script),
        }

    def render(self) -> bytes:
        """Return the page. Characters that UTF-8 cannot hold (undecodable names of files) are written as escapes."""
        return self._template.render(self._content, notes=self.notes()).encode("utf-8", "backslashreplace")

    def notes(self) -> list[str]:
        """Return what is not in the page, or must be heeded."""
        return [
            note
            for section in self._sections
            for note in ([section.sounds.note] if section.stimuli.n_sounds else []) + section.stimuli.notes
            if note
        ]


def _count_of(count: int, one: str, several: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def _own_file(name: str) -> str:
    return (importlib.resources.files("deepstrf_hf.report_html") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: this style and script, pictures and sounds inside, nothing else."""
    style_digest, script_digest = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_digest}'; script-src 'sha256-{script_digest}'; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def _verdict(corpus: Corpus) -> str:
    if corpus.redistribution is Redistribution.PERMITTED:
        return "The licence allows the data to be handed on."
    verdict = VERDICTS[corpus.redistribution].format(what="the data")
    return f"{verdict[0].upper()}{verdict[1:]}."
