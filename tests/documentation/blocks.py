"""The code blocks of the documentation: Python is run, command lines are parsed by the command line itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).resolve().parents[2]


def pages() -> list[Path]:
    """Return the README and all written pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def run_python(page: Path) -> tuple[dict[str, Any], int]:
    """Run the Python of a page from its first block to its last, in the working directory.

    Returns
    -------
    names : dict
        What the blocks leave behind.
    n_blocks : int
        How many there were.
    """
    document = Sybil([PythonCodeBlockParser()]).parse(page)
    return document.namespace, len([example.evaluate() for example in document.examples()])


def command_lines(page: Path) -> list[str]:
    """Return the commands of the blocks of bash of a page, comments taken off, continued lines put together."""
    found: list[str] = []

    def collect(example: Example) -> None:
        lines = example.parsed.replace("\\\n", " ").splitlines()
        found.extend(line.partition(" #")[0].strip() for line in lines)

    document: Document = Sybil([CodeBlockParser("bash", collect)]).parse(page)
    for example in document.examples():
        example.evaluate()
    return [line for line in found if line and not line.startswith("#")]
