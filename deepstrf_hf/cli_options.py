"""Arguments and options that several commands take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from deepstrf_hf.cli_completion import offer_cohorts, offer_conditions, offer_configs, offer_corpora, offer_settings
from deepstrf_hf.errors import ParameterError
from deepstrf_hf.terminal import terminal

CorpusName = Annotated[str, typer.Argument(help="Name of the corpus.", autocompletion=offer_corpora)]
CohortNames = Annotated[
    list[str] | None, typer.Argument(help="Cohorts; all if none is named.", autocompletion=offer_cohorts)
]
ConfigName = Annotated[
    str | None, typer.Argument(help="Configuration; the default one if not given.", autocompletion=offer_configs)
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE of a parameter; see `info`.", autocompletion=offer_settings),
]
Where = Annotated[
    list[str] | None,
    typer.Option(help="COLUMN=VALUE, for example neuron.area=MLd; repeat for more.", autocompletion=offer_conditions),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


def print_json(content: dict[str, Any]) -> None:
    """Print what a command found as JSON, and nothing else, to the standard output."""
    terminal().print_json(data=content, allow_nan=False)


def pairs_of(texts: list[str] | None, option: str, expected: str) -> Iterator[tuple[str, str]]:
    """Divide texts at their first equals sign.

    Parameters
    ----------
    texts : list of str or None
        As they were given.
    option, expected : str
        Name of the option and form of its value, for the message.

    Raises
    ------
    ParameterError
        One has no equals sign.
    """
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"This option takes {expected}", field=option, found=text, expected=expected)
        yield name, value


def conditions_of(where: list[str] | None) -> dict[str, list[str]]:
    """Return the values that are allowed of each column (errors as in `pairs_of`)."""
    conditions: dict[str, list[str]] = {}
    for name, value in pairs_of(where, "--where", "COLUMN=VALUE"):
        conditions.setdefault(name, []).append(value)
    return conditions
