"""Commands on raw files: ``deepstrf-hf download | check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepstrf_hf.cli_options import AsJson, CohortNames, CorpusName, Where, conditions_of, print_json
from deepstrf_hf.terminal import terminal


def download(
    corpus: CorpusName,
    cohorts: CohortNames = None,
    dest: Annotated[
        Path | None,
        typer.Option(help="Directory of the raw files; else the corpus's folder in DEEPSTRF_DATA_DIR, or in a cache."),
    ] = None,
    where: Where = None,
    waveforms: Annotated[bool, typer.Option("--waveforms", help="With what is needed for waveforms only.")] = False,
    optional: Annotated[bool, typer.Option("--all", help="With everything that can be used.")] = False,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Keep archives beside what was unpacked from them.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Make no request; say what is missing.")] = False,
) -> None:
    """Fetch the raw files of a corpus: only what is needed and not there, checked and unpacked."""
    from deepstrf_hf.download.downloading import download_corpus

    fetched = download_corpus(
        corpus,
        cohorts or None,
        dest=dest,
        where=conditions_of(where),
        waveforms=waveforms,
        optional=optional,
        keep_archives=keep_archives,
        offline=offline,
        ask=True,
        announce=announce,
    )
    fetched.print(terminal())


def announce(terms: str) -> None:
    """Print the terms of a corpus, before its first download."""
    terminal().print(terms, highlight=False, markup=False, style="bold")


def check(
    corpus: CorpusName,
    directory: Annotated[Path, typer.Argument(help="Directory of the raw files, fetched or put together by hand.")],
    cohorts: CohortNames = None,
    where: Where = None,
    hashes: Annotated[
        bool, typer.Option("--hashes/--no-hashes", help="Whether to read all files through, for their digests.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Check that a directory holds what a build needs, whole; exits with 1 if it does not, and says how to mend it."""
    from deepstrf_hf.download.tree_check import check_tree

    found = check_tree(corpus, directory, cohorts or None, where=conditions_of(where), hashes=hashes)
    if as_json:
        print_json(found.to_json())
    else:
        found.print(terminal())
    if not found.complete:
        raise typer.Exit(1)
