"""Text and tables for the terminal."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_WIDTH = 240
"""Columns where the output is not a terminal; rich would cut tables at 80."""


def terminal() -> Console:
    """Return a console for the standard output, as wide as the terminal, or wide enough where there is none."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
