"""The command that makes tables of raw files: ``deepstrf-hf build``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepstrf_hf.cli_download import announce
from deepstrf_hf.cli_options import CohortNames, CorpusName, Settings, Where, conditions_of, pairs_of
from deepstrf_hf.terminal import terminal


def build(
    corpus: CorpusName,
    cohorts: CohortNames = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Directory of the raw files; else where `download` puts them.")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="First fetch what the build needs and is not there.")
    ] = False,
    out: Annotated[str, typer.Option(help="Directory to write, or a URL that fsspec knows.")] = ...,  # type: ignore[assignment]
    num_proc: Annotated[
        int | None, typer.Option(min=1, help="Parts built at once; the result does not depend on it.")
    ] = None,
    engine: Annotated[str, typer.Option(help="processes of this machine, or ray.")] = "processes",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; a new one on this machine if not given.")
    ] = None,
    waveform: Annotated[bool, typer.Option("--waveform", help="Also write rows that carry the waveform.")] = False,
    stimulus: Annotated[
        str | None, typer.Option(help="inline or reference, instead of what the corpus declares.")
    ] = None,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Whether waveforms are stored.")] = True,
    on_error: Annotated[str, typer.Option(help="raise, or skip what cannot be used and report it.")] = "raise",
    settings: Settings = None,
    where: Where = None,
) -> None:
    """Build the tables of a corpus from its raw files."""
    from deepstrf_hf.building import build as build_corpus

    if download:
        from deepstrf_hf.download.downloading import download_corpus

        fetched = download_corpus(
            corpus,
            cohorts or None,
            dest=data_dir,
            where=conditions_of(where),
            waveforms=waveform,
            ask=True,
            announce=announce,
        )
        fetched.print(terminal())
    report = build_corpus(
        corpus,
        cohorts or None,
        data_dir=data_dir,
        out=out,
        parameters=dict(pairs_of(settings, "--set", "NAME=VALUE")),
        where=conditions_of(where),
        stimulus=stimulus,
        waveform=waveform,
        audio=audio,
        on_error=on_error,
        num_proc=num_proc,
        engine=engine,
        address=address,
    )
    from deepstrf_hf.report_table import print_report

    print_report(report, terminal())
    terminal().print(f"Written to {out}", highlight=False)
