"""What the shell offers for arguments and options, beside what typer offers for commands and names of options."""

from __future__ import annotations

import textwrap
from pathlib import Path

import typer

from deepstrf_hf.errors import DeepstrfError

Offers = list[tuple[str, str]]
"""(word, what it means); typer keeps those that begin as the user has begun."""
MEANING = 70
"""Characters of a meaning; typer breaks longer ones into lines, and shells take each line for a word."""


def offer_corpora(incomplete: str) -> list[str]:
    """Offer the names of all corpora."""
    from deepstrf_hf.registry import corpus_names

    return corpus_names()


def offer_cohorts(ctx: typer.Context, incomplete: str) -> Offers:
    """Offer the cohorts of the corpus that is on the line, but those that are there already."""
    named = ctx.params.get("cohorts") or ()
    return [offer for offer in _offers_of(ctx, "cohorts") if offer[0] not in named]


def offer_settings(ctx: typer.Context, incomplete: str) -> Offers:
    """Offer the parameters of the corpus that is on the line, with their values where only some are allowed."""
    return _offers_of(ctx, "settings")


def offer_conditions(ctx: typer.Context, incomplete: str) -> Offers:
    """Offer the columns of the corpus that is on the line."""
    return _offers_of(ctx, "conditions")


def offer_configs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the main configurations of the built directory that is on the line; the Hub is not asked."""
    directory = ctx.params.get("directory")
    if not directory or not Path(directory).expanduser().is_dir():
        return []
    from deepstrf_hf.repository import Repository

    try:
        return Repository.open(directory).main_configs
    except DeepstrfError:  # told when the command is run; here it would spoil the line
        return []


def _offers_of(ctx: typer.Context, kind: str) -> Offers:
    # Where the value of an option is wanted, arguments are parsed no further than into the list of all of them.
    corpus = ctx.params.get("corpus") or next(iter(ctx.args), None)
    if corpus is None:
        return []
    from deepstrf_hf.completion import words_of

    try:
        return [
            (word, textwrap.shorten(meaning, MEANING, placeholder=" …")) for word, meaning in words_of(corpus)[kind]
        ]
    except DeepstrfError:  # as above
        return []
