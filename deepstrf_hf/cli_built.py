"""Commands on what was built: ``deepstrf-hf inspect | illustrate | verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from deepstrf_hf.cli_options import AsJson, ConfigName, print_json
from deepstrf_hf.terminal import terminal


def inspect(
    directory: Annotated[str, typer.Argument(help="Built directory or Hub repository.")],
    config: ConfigName = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG to write.")] = None,
    neuron: Annotated[str | None, typer.Option(help="neuron_id to draw.")] = None,
    stim: Annotated[str | None, typer.Option(help="stim_id to draw.")] = None,
    as_json: AsJson = False,
) -> None:
    """Summarise a configuration and draw a neuron: spectrogram over raster and PSTH."""
    from deepstrf_hf.plots import inspect as inspect_config

    found = inspect_config(directory, config, output=output, neuron_id=neuron, stim_id=stim)
    if as_json:
        print_json(found.to_json())
        return
    table = Table(show_header=False)
    for name, value in found.summary.items():
        table.add_row(name, value)
    terminal().print(table)
    terminal().print(f"Drawn to {found.picture}", highlight=False)


def illustrate(
    directory: Annotated[Path, typer.Argument(help="What `build` wrote.")],
) -> None:
    """Draw a unit, the coverage and the response quality of every cohort into the card of a built directory."""
    from deepstrf_hf.illustrated_card import illustrate_card

    for picture in illustrate_card(directory):
        terminal().print(f"{directory / picture.path}", highlight=False, markup=False)


def verify(
    source: Annotated[str, typer.Argument(help="Built directory or Hub repository.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the Hub.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify that a built directory or a Hub repository is whole; exits with 1 if anything is wrong."""
    from deepstrf_hf.verification import verify as verify_source

    found = verify_source(source, revision=revision)
    if as_json:
        print_json(found.to_json())
    else:
        found.print(terminal())
    if not found.whole:
        raise typer.Exit(1)
