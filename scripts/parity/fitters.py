"""deepSTRF's metrics, models and fitters on our data set and on its own: equal losses and scores.

Selections, transforms, concatenation and quality of both are compared as well.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.parity.environment import ParityError, run_in_peer
from scripts.parity.published_tests import add_environment_arguments, python_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the comparison needs to know."""
    add_environment_arguments(parser)


def compare(chosen: argparse.Namespace) -> int:
    """Run the comparisons, print them and return the exit code: 1 if any is not equal."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        done = run_in_peer(python_of(chosen, scratch), ["-m", "scripts.parity.on_both"], scratch)
    if done.returncode:
        raise ParityError(f"deepSTRF did not run on its own data set:\n{done.stdout}{done.stderr}")
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    print(markdown(found))
    return 0 if found and all(equal(one) for one in found) else 1


def equal(one: Mapping[str, Any]) -> bool:
    """Say whether a comparison found the same numbers within its tolerance, some of them finite."""
    return "error" not in one and one["finite"] > 0 and one["largest_difference"] <= one["tolerance"]


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """Return comparisons as a Markdown table."""
    lines = ["| | numbers | finite | largest difference | allowed | |", "| --- | --- | --- | --- | --- | --- |"]
    for one in found:
        verdict = "equal" if equal(one) else "not equal"
        if "error" in one:
            lines.append(f"| {one['name']} | | | {str(one['error']).splitlines()[0]} | | {verdict} |")
        else:
            counts = f"{one['values']:,} | {one['finite']:,} | {one['largest_difference']:.2g} | {one['tolerance']:g}"
            lines.append(f"| {one['name']} | {counts} | {verdict} |")
    return "\n".join(lines)
