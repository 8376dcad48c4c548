"""The card of a corpus without its data ("bring your own archives"): what it is, how to get its files, how to build."""

from __future__ import annotations

from collections.abc import Mapping

from huggingface_hub import DatasetCardData

from deepstrf_hf.builder import CorpusBuilder
from deepstrf_hf.card import (
    COLUMN_HEADER,
    TABLE_MEANING,
    archives_table,
    citation_section,
    column_rows,
    common_fields,
    licence_section,
    markdown_table,
    parameter_rows,
    processing_lines,
    prose,
)
from deepstrf_hf.corpus import Corpus, Redistribution
from deepstrf_hf.names import SUFFIX, TABLES

BARE_TAG = "bring-your-own-archives"
"""Tag by which cards without data are found, and known."""
WHY = {
    Redistribution.PERMITTED: "It is built from the files that its authors publish.",
    Redistribution.UNVERIFIED: "Nobody has verified that the data may be handed on, so that they are not here.",
    Redistribution.FORBIDDEN: "Its terms do not allow the data to be handed on, so that they are not here.",
}


def bare_card(builder: type[CorpusBuilder]) -> str:
    """Return the text of a card without data: metadata block and body.

    Parameters
    ----------
    builder : type of CorpusBuilder
        Builder of the corpus, whose declaration says all that the card needs.
    """
    corpus = builder.CORPUS
    fields = common_fields(corpus)
    fields["tags"] = [*fields["tags"], BARE_TAG]
    data = DatasetCardData(**fields, viewer=False)
    sections = [
        f"# {corpus.title}",
        _first_lines(corpus),
        prose(corpus),
        _files(corpus),
        _build(corpus),
        _cohorts(corpus),
        "## Parameters\n\n`deepstrf-hf build --set NAME=VALUE` changes them; the defaults are the published ones.\n\n"
        + markdown_table(("parameter", "default", "unit", "meaning"), parameter_rows(builder.BUILDER_CONFIG_CLASS)),
        _columns(corpus),
        "## How the numbers are made\n\n"
        + "\n\n".join(f"### {cohort.name}\n\n" + "\n\n".join(processing_lines(cohort)) for cohort in corpus.cohorts),
        licence_section(corpus),
        citation_section(corpus),
    ]
    body = "\n\n".join(section for section in sections if section)
    return f"---\n{data.to_yaml()}\n---\n\n{body}\n"


def _first_lines(corpus: Corpus) -> str:
    return (
        f"**This repository holds no data.** {WHY[corpus.redistribution]} Whoever has the files builds the tables that "
        "this card describes with one command.\n\n"
        f"Species: {corpus.species}, {corpus.behavioural_state}; areas: {', '.join(corpus.areas)}."
    )


def _files(corpus: Corpus) -> str:
    size = f"; {corpus.download_size} in all" if corpus.download_size else ""
    text = f"## The files of the lab\n\nFrom <{corpus.homepage}>; access: {corpus.access}{size}."
    return f"{text}\n\n{archives_table(corpus)}" if corpus.archives else text


def _build(corpus: Corpus) -> str:
    first = corpus.cohorts[0].name
    return (
        f"## How to build it\n\n`RAW` is the directory of the files above, `{corpus.name}` the one to be written. "
        f"Builder version {corpus.version}.\n\n"
        f"```bash\npip install deepstrf-hf\ndeepstrf-hf info {corpus.name}\n"
        f"deepstrf-hf build {corpus.name} --data-dir RAW --out {corpus.name}\n```\n\n"
        "The directory is read like a repository:\n\n```python\n"
        "from datasets import load_dataset\n\n"
        f'rows = load_dataset("./{corpus.name}", "{first}", split="train")\n```\n\n'
        "As a (stimulus, neuron) grid for PyTorch, with `pip install deepstrf-hf[torch]`:\n\n```python\n"
        f'import deepstrf_hf\n\ngrid = deepstrf_hf.load("./{corpus.name}", "{first}")\n```\n\n'
        f"`deepstrf-hf push {corpus.name} OWNER/NAME --private` puts it into a repository of one's own."
    )


def _cohorts(corpus: Corpus) -> str:
    rows = [
        (
            f"`{cohort.name}`",
            cohort.description,
            cohort.signal_type,
            ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in cohort.counts.items()),
            ", ".join(cohort.splits.names),
        )
        for cohort in corpus.cohorts
    ]
    tables = [(f"`COHORT{SUFFIX[table]}`", TABLE_MEANING[table]) for table in TABLES]
    return (
        "## What is built\n\n"
        + markdown_table(("cohort", "content", "signal", "published counts", "splits"), rows)
        + "\n\nEvery build compares its counts with the published ones. Each cohort gives these configurations:\n\n"
        + markdown_table(("configuration", "content"), tables)
    )


def _columns(corpus: Corpus) -> str:
    """Describe the columns; cohorts with the same ones together."""
    tables: Mapping[str, str] = {f"COHORT{SUFFIX[table]}": table for table in TABLES}
    cohorts: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for cohort in corpus.cohorts:
        rows = tuple(column_rows(corpus, cohort, tables, cohort.stimulus))
        cohorts.setdefault(rows, []).append(f"`{cohort.name}`")
    parts = [(f"### {', '.join(names)}\n\n", markdown_table(COLUMN_HEADER, rows)) for rows, names in cohorts.items()]
    return "## Columns\n\n" + "\n\n".join((heading if len(parts) > 1 else "") + table for heading, table in parts)
