"""Whether a command that a page shows is one that the program takes."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from deepstrf_hf.cli import app
from tests.documentation.blocks import ROOT

GROUP: Any = typer.main.get_command(app)
COMMANDS = GROUP.commands
COMPLETION = {name for option in GROUP.params if option.callback is not None for name in option.opts}
UsageError: Any = typer.BadParameter.__base__
"""Of the click that this typer uses, which may be a copy of its own."""
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
"""Code within a line of Markdown."""


def parse(line: str) -> None:
    """Parse a command as the shell and the program do, and run nothing.

    Raises
    ------
    UsageError
        The program would not take it.
    LookupError
        There is no such target of make, or module.
    """
    words = shlex.split(line)
    while re.fullmatch(r"\w+=.*", words[0]):  # variables of the environment
        words = words[1:]
    if words[0] == "deepstrf-hf":
        _parse_ours(words[1:])
    elif words[0] == "make":
        _parse_make(words[1:])
    elif words[:2] == ["python", "-m"] and importlib.util.find_spec(words[2]) is None:
        raise LookupError(f"no module {words[2]}")
    elif words[0] == "python" and words[1] != "-m" and not (ROOT / words[1]).is_file():
        raise LookupError(f"no file {words[1]}")


def _parse_ours(words: list[str]) -> None:
    if COMPLETION.intersection(words) == set(words):  # typer would carry these out while it parses
        return
    with GROUP.make_context("deepstrf-hf", list(words)) as context:
        name, command, rest = GROUP.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context(name, rest, parent=context).close()


def _parse_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words:
        variable, is_variable, _ = word.partition("=")
        known = rf"^{variable} \?=" if is_variable else rf"^{re.escape(word)}:"
        if not re.search(known, makefile, re.MULTILINE):
            raise LookupError(f"make does not know {word}")


def misspelt_in_text(page: Path) -> Iterator[str]:
    """Yield what is misspelt of commands and options within sentences, such as ``build --no-audio``.

    Commands may stand there without what they need, so that names alone are looked at.
    """
    for span in SPAN.findall(page.read_text(encoding="utf-8")):
        words = span.split()
        named = words[0] == "deepstrf-hf"
        words = words[named:]
        if not words or words[0].startswith("-") or not re.fullmatch(r"[a-z-]+", words[0]):
            continue
        if words[0] not in COMMANDS:
            if named:
                yield span
        elif any(word.startswith("--") for word in words):
            known = {name for option in COMMANDS[words[0]].params for name in (*option.opts, *option.secondary_opts)}
            yield from (span for word in words if word.startswith("--") and word.partition("=")[0] not in known)
