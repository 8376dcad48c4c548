"""The command ``deepstrf-hf report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepstrf_hf.cli_completion import offer_configs
from deepstrf_hf.report_html import DEFAULT_MEGABYTES, DEFAULT_OUTPUT
from deepstrf_hf.terminal import terminal


def write_report(
    directory: Annotated[str, typer.Argument(help="Built directory or Hub repository.")],
    config: Annotated[
        str | None,
        typer.Argument(help="Configuration; all cohorts if not given.", autocompletion=offer_configs),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path(DEFAULT_OUTPUT),
    audio: Annotated[
        bool | None,
        typer.Option("--audio/--no-audio", help="Embed sounds, or not; by default where they may be handed on."),
    ] = None,
    baseline: Annotated[
        list[Path] | None, typer.Option(help="JSON file of `baseline`; repeat for more cohorts.")
    ] = None,
    max_megabytes: Annotated[float, typer.Option(help="Size that the page must not exceed.")] = DEFAULT_MEGABYTES,
) -> None:
    """Write one self-contained HTML page that shows what a built corpus holds."""
    from deepstrf_hf.report_html.page import report_page

    written = report_page(
        directory, config, output=output, audio=audio, baselines=baseline or (), max_megabytes=max_megabytes
    )
    for note in written.notes:
        terminal().print(note, highlight=False, markup=False)
    terminal().print(f"Written to {written.path} ({written.size_bytes / 1e6:.1f} MB)", highlight=False, markup=False)
