"""Measure the library, where asked beside deepSTRF 0.1.0 on the same data: time, memory, growth with size.

    python scripts/benchmark.py grid [--size full] [--peer-python PEER_ENV/bin/python] [--json FILE] [--plots DIRECTORY]
    python scripts/benchmark.py hub [--size full] [--built DIRECTORY] [--json FILE]

PEER_ENV is an environment with deepSTRF 0.1.0 (``pip install deepSTRF==0.1.0`` and what it needs). deepSTRF is run,
never imported here; every job of each library is measured in a process of its own. Prints Markdown.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where `scripts` lies, when run as a file

from scripts.benchmarks.job import JobFailedError
from scripts.benchmarks.section import Request, environment_of

SECTIONS = {"grid": "scripts.benchmarks.grid", "hub": "scripts.benchmarks.hub"}
"""Sections and their modules; each has `DESCRIPTION`, `PARTS` and `run`, as `scripts.benchmarks.section` says."""


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = whole.add_subparsers(dest="section", required=True, metavar="SECTION")
    for name, module in SECTIONS.items():
        section = importlib.import_module(module)
        of_section = sections.add_parser(name, help=section.DESCRIPTION, description=section.DESCRIPTION)
        of_section.add_argument("--size", choices=["tiny", "full"], default="full", help="tiny: a check, in seconds")
        of_section.add_argument("--parts", nargs="+", choices=section.PARTS, default=section.PARTS, metavar="PART")
        of_section.add_argument("--peer-python", metavar="PYTHON", help="Python of an environment with deepSTRF 0.1.0")
        of_section.add_argument("--scratch", type=Path, metavar="DIRECTORY", help="keep made-up corpora there")
        of_section.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
        of_section.add_argument("--plots", type=Path, metavar="DIRECTORY", help="draw the scaling curves there")
        if hasattr(section, "add_arguments"):
            section.add_arguments(of_section)
    return whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a section and print its report."""
    chosen = parser().parse_args(arguments)
    section = importlib.import_module(SECTIONS[chosen.section])
    try:
        environment = environment_of(chosen.peer_python)
        built = getattr(chosen, "built", None)
        request = Request(chosen.size, tuple(chosen.parts), environment, chosen.scratch, built)
        report = section.run(request)
    except JobFailedError as error:
        raise SystemExit(str(error)) from error
    print(report.markdown)
    if report.faults:
        print("\n## Faults\n", *(f"- {fault}" for fault in report.faults), sep="\n")
    if chosen.json is not None:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        figures = {**report.figures, "faults": report.faults}
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if chosen.plots is not None:
        from scripts.benchmarks.plots import draw_curves  # matplotlib is needed for nothing else

        draw_curves(report.curves, chosen.plots)
    if report.faults:
        raise SystemExit(f"Not all of this can be trusted: {len(report.faults)} faults, listed above")


if __name__ == "__main__":
    main()
