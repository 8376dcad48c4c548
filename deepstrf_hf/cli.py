"""The command line: ``deepstrf-hf list | info | download | check | build | verify | baseline | report | push …``."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from deepstrf_hf._version import __version__
from deepstrf_hf.cli_baseline import baseline
from deepstrf_hf.cli_build import build
from deepstrf_hf.cli_built import illustrate, inspect, verify
from deepstrf_hf.cli_corpora import info, list_corpora
from deepstrf_hf.cli_download import check, download
from deepstrf_hf.cli_hub import push, push_card
from deepstrf_hf.cli_machine import cache, doctor
from deepstrf_hf.cli_report import write_report
from deepstrf_hf.errors import DeepstrfError
from deepstrf_hf.terminal import print_error


class _InterruptedError(Exception):
    """Somebody pressed Ctrl-C while a command was running."""


class _Program(TyperGroup):
    """All commands."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # typer would leave without a word
            raise _InterruptedError from None


app = typer.Typer(
    name="deepstrf-hf",
    cls=_Program,
    help="Public recordings of neurons listening to sound, as tables and as a grid.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
TRACEBACK = "--traceback"
INTERRUPTED = (
    "Interrupted; nothing half-written was left. Finished parts of a build are kept: run again, the command goes on "
    "from them."
)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    show_traceback: Annotated[bool, typer.Option(TRACEBACK, help="Show where an error came from.")] = False,
) -> None:
    """Public recordings of neurons listening to sound, as tables and as a grid."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


app.command("list")(list_corpora)
app.command()(info)
app.command()(download)
app.command()(check)
app.command()(build)
app.command()(inspect)
app.command()(cache)
app.command()(push)
app.command("push-card")(push_card)
app.command()(illustrate)
app.command()(verify)
app.command()(baseline)
app.command("report")(write_report)
app.command()(doctor)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0 on success only.

    Parameters
    ----------
    arguments : list of str, optional
        Instead of those of the process.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    wants_traceback = TRACEBACK in arguments
    if wants_traceback:  # taken anywhere on the line
        arguments = [TRACEBACK, *(argument for argument in arguments if argument != TRACEBACK)]
    try:
        app(arguments)
    except DeepstrfError as error:
        if wants_traceback:
            traceback.print_exc()
        print_error(error)
        raise SystemExit(1) from None
    except (_InterruptedError, KeyboardInterrupt):
        Console(stderr=True, soft_wrap=True).print(INTERRUPTED, style="red", highlight=False)
        raise SystemExit(130) from None
