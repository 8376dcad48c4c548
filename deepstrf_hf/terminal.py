"""Text and tables for the terminal."""

from __future__ import annotations

import sys

from rich.console import Console

from deepstrf_hf.errors import DeepstrfError

PIPE_WIDTH = 240
"""Columns where the output is not a terminal; rich would cut tables at 80."""


def terminal() -> Console:
    """Return a console for the standard output, as wide as the terminal, or wide enough where there is none."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def print_error(error: DeepstrfError) -> None:
    """Print an error to the standard error, as one paragraph."""
    Console(stderr=True, soft_wrap=True).print(f"Error: {error}", style="red", markup=False, highlight=False)
