"""The page of the command line, written by typer itself."""

from __future__ import annotations

import re
import subprocess
import sys


def command_line_page() -> str:
    """Return the reference of all commands and options, as Markdown."""
    command = [sys.executable, "-m", "typer", "deepstrf_hf.cli", "utils", "docs", "--name", "deepstrf-hf"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    _, _, body = done.stdout.partition("\n")
    body = re.sub(r"\*\*Commands\*\*:.*?(?=\n## )", "", body, count=1, flags=re.DOTALL)  # cuts their descriptions short
    return (
        "# Command line\n\nErrors are printed with what was found and how to mend it, and end with exit code 1; "
        f"`deepstrf-hf --traceback …` shows where they come from.\n{body}"
    )
