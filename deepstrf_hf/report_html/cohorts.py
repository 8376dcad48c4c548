"""What a report page says of one cohort, gathered from its tables, the build report and the declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from deepstrf_hf.card_pictures_reading import CohortFiles, finite, read_facts, stimulus_places
from deepstrf_hf.corpus import Cohort, Corpus
from deepstrf_hf.data_fingerprint import data_fingerprint
from deepstrf_hf.errors import TableFormatError
from deepstrf_hf.names import SUFFIX
from deepstrf_hf.parquet import column_names, row_groups
from deepstrf_hf.raw_tree import sha256_of_list
from deepstrf_hf.report import BuildReport, CohortReport
from deepstrf_hf.report_html.baseline import BaselineFile, BaselineSection, baseline_section
from deepstrf_hf.report_html.neurons import NeuronList, list_neurons
from deepstrf_hf.report_html.pictures import CohortPictures, draw_cohort
from deepstrf_hf.report_html.sounds import SoundRule, sound_rule
from deepstrf_hf.report_html.stimuli import StimulusList, read_stimuli
from deepstrf_hf.report_html.values import Fact, in_words, rounded, shown, size_in_words
from deepstrf_hf.repository import Repository
from deepstrf_hf.where import describe_where

MOST_NAMES = 500
"""Things left out for one reason, or raw files, that a page names."""


@dataclass(frozen=True)
class Count:
    """A count, beside the published one where there is one."""

    name: str
    found: str
    published: str
    verdict: str


@dataclass(frozen=True)
class LeftOut:
    """Things that are not in the tables for one reason; nameless ones have no names."""

    what: str
    amount: int
    reason: str
    names: list[str]

    @property
    def beyond(self) -> int:
        """How many have a name that is not shown."""
        return self.amount - len(self.names) if self.names else 0


@dataclass(frozen=True)
class CohortSection:
    """All that a page says of a cohort.

    Parameters
    ----------
    config : str
        Name of its main table.
    cohort : Cohort
        Declaration.
    figures : list of (str, str)
        The few numbers that stand above all: value and name.
    part : str
        In words, which part of the cohort it is; empty for all of it.
    load : str
        Python that opens it.
    pictures : CohortPictures
        What is drawn.
    stimuli : StimulusList
        What was heard.
    sounds : SoundRule
        Whether it can be listened to.
    neurons : NeuronList
        Who heard it.
    counts : list of Count
        What was found, and what was published.
    left_out : list of LeftOut
        What is not in the tables.
    notes : list of str
        Of the build.
    parameters : list of (str, str, bool)
        Name, value, and whether it differs from the published one.
    files : list of (str, str, str)
        Configuration, rows, and size.
    raw_files : list of (str, str)
        The first `MOST_NAMES` files used, with their SHA-256.
    raw_total : int
        How many were used.
    raw_digest : str
        SHA-256 of the list of them all.
    baseline : BaselineSection or None
        Linear reference.
    """

    config: str
    cohort: Cohort
    figures: list[Fact]
    part: str
    load: str
    pictures: CohortPictures
    stimuli: StimulusList
    sounds: SoundRule
    neurons: NeuronList
    counts: list[Count]
    left_out: list[LeftOut]
    notes: list[str]
    parameters: list[tuple[str, str, bool]]
    files: list[tuple[str, str, str]]
    raw_files: list[Fact]
    raw_total: int
    raw_digest: str
    baseline: BaselineSection | None

    @property
    def differing(self) -> int:
        """How many counts differ from the published ones."""
        return sum(count.verdict == "differs" for count in self.counts)


def gather_cohort(
    repository: Repository,
    report: BuildReport,
    config: str,
    corpus: Corpus,
    audio: bool | None,
    baseline: BaselineFile | None,
) -> CohortSection:
    """Gather what a page says of a cohort, but for pictures and sounds of its stimuli.

    Parameters
    ----------
    repository : Repository
        Where its files are.
    report : BuildReport
        Of the build.
    config : str
        Name of its main table.
    corpus : Corpus
        Declaration.
    audio : bool, optional
        As in `report_page`.
    baseline : BaselineFile, optional
        Of this cohort.

    Raises
    ------
    TableFormatError
        A file is missing or broken, or report, card and tables do not fit together.
    """
    if config not in report.cohorts:
        raise TableFormatError(
            "The build report lacks a configuration of the card",
            path=repository.source,
            field="cohorts",
            found=", ".join(report.cohorts),
            expected=config,
            mend="build again",
        )
    entry = report.cohorts[config]
    cohort = corpus.cohort(entry.cohort)
    fitted = None if baseline is None else baseline_section(baseline, data_fingerprint(repository, config))
    files = CohortFiles(*(repository.files(config + SUFFIX[table]) for table in ("rows", "stimuli", "neurons")))
    facts = read_facts(files)
    neurons = pa.concat_tables(row_groups(files.neurons, column_names(files.neurons[0])))
    stimuli = read_stimuli(files.stimuli, corpus)
    return CohortSection(
        config=config,
        cohort=cohort,
        figures=_figures(entry, facts, neurons, stimuli),
        part=describe_where({name: tuple(values) for name, values in entry.where.items()}),
        load=_load(repository, corpus, config),
        pictures=draw_cohort(files, facts, neurons, stimulus_places(files)),
        stimuli=stimuli,
        sounds=sound_rule(corpus, cohort, audio),
        neurons=list_neurons(neurons, corpus, cohort),
        counts=_counts(entry),
        left_out=_left_out(entry),
        notes=entry.notes,
        parameters=[
            (name, shown(value, 12), name in entry.changed_parameters) for name, value in entry.parameters.items()
        ],
        files=[
            (
                name,
                ", ".join(f"{split} {part.rows:,}" for split, part in splits.items()),
                size_in_words(sum(part.bytes for part in splits.values())),
            )
            for name, splits in entry.configs.items()
        ],
        raw_files=sorted(entry.raw_sha256.items())[:MOST_NAMES],
        raw_total=len(entry.raw_sha256),
        raw_digest=sha256_of_list(entry.raw_sha256),
        baseline=fitted,
    )


def _figures(entry: CohortReport, facts: Mapping[str, Any], neurons: pa.Table, stimuli: StimulusList) -> list[Fact]:
    snr = finite(neurons, "snr")
    figures = [(f"{entry.counts[name]:,}", label) for name, label in _TOTALS.items() if name in entry.counts]
    figures.append((f"{rounded(stimuli.total_s)} s", "of sound"))
    figures.append((f"{facts['dt_ms']:g} ms", "bins"))
    if np.isfinite(snr).any():
        figures.append((rounded(float(np.nanmedian(snr))), "median SNR"))
    return figures


_TOTALS = {"neurons": "neurons", "stimuli": "stimuli", "rows": "pairs of both", "trials": "trials"}


def _load(repository: Repository, corpus: Corpus, config: str) -> str:
    # A path would tell where somebody keeps their files, and would differ between copies of a build.
    source = f"./{corpus.name}" if repository.directory is not None else repository.source
    return (
        "import deepstrf_hf\n"
        f'rows = deepstrf_hf.rows("{source}", "{config}", split="train")  # row by row\n'
        f'grid = deepstrf_hf.load("{source}", "{config}")  # (stimulus, neuron) grid for PyTorch'
    )


def _counts(entry: CohortReport) -> list[Count]:
    counts = []
    for name, found in entry.counts.items():
        published = entry.published.get(name)
        verdict = "" if published is None else "equal" if published == found else "differs"
        counts.append(Count(in_words(name), f"{found:,}", "" if published is None else f"{published:,}", verdict))
    return counts


def _left_out(entry: CohortReport) -> list[LeftOut]:
    """Return what was left out; named things of one kind and reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for kind, name, reason in entry.left_out:
        groups.setdefault((kind, reason), []).append(name)
    named = [LeftOut(kind, len(names), reason, names[:MOST_NAMES]) for (kind, reason), names in groups.items()]
    return named + [LeftOut(kind, amount, reason, []) for kind, reason, amount in entry.amounts]
