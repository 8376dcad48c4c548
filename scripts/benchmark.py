"""Measure the library, where asked beside deepSTRF 0.1.0 on the same data: time, memory, growth with size.

    python scripts/benchmark.py all [--peer-python PEER_ENV/bin/python] [--json FILE] [--plots DIRECTORY]
    python scripts/benchmark.py build|open|grid|batch|stream|push [--size tiny] [--parts PART ...]

PEER_ENV is an environment with deepSTRF 0.1.0 (``pip install deepSTRF==0.1.0`` and what it needs). deepSTRF is run,
never imported here; every job of each library is measured in a process of its own. Prints Markdown: the goals, then
the tables of each section.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where `scripts` lies, when run as a file

from scripts.benchmarks.goals import goal_table
from scripts.benchmarks.job import JobFailedError
from scripts.benchmarks.section import Environment, Report, Request, environment_of
from scripts.benchmarks.trees import DEFAULT_CORPORA

SECTIONS = {
    "build": "scripts.benchmarks.build",
    "open": "scripts.benchmarks.opening",
    "grid": "scripts.benchmarks.grid",
    "batch": "scripts.benchmarks.batch",
    "stream": "scripts.benchmarks.streaming",
    "push": "scripts.benchmarks.hub",
}
"""Sections and their modules; each has `DESCRIPTION`, `PARTS` and `run`, as `scripts.benchmarks.section` says."""
ALL = "all"


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = whole.add_subparsers(dest="section", required=True, metavar="SECTION")
    for name, module in SECTIONS.items():
        section = importlib.import_module(module)
        of_section = sections.add_parser(name, help=section.DESCRIPTION, description=section.DESCRIPTION)
        of_section.add_argument("--parts", nargs="+", choices=section.PARTS, default=section.PARTS, metavar="PART")
        _add_arguments(of_section)
        if hasattr(section, "add_arguments"):
            section.add_arguments(of_section)
    _add_arguments(sections.add_parser(ALL, help="everything", description="All sections, one after the other."))
    return whole


def _add_arguments(section: argparse.ArgumentParser) -> None:
    section.add_argument("--size", choices=["tiny", "full"], default="full", help="tiny: a check, in seconds")
    section.add_argument("--peer-python", metavar="PYTHON", help="Python of an environment with deepSTRF 0.1.0")
    section.add_argument("--scratch", type=Path, metavar="DIRECTORY", help="keep made-up raw files and corpora there")
    section.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    section.add_argument("--plots", type=Path, metavar="DIRECTORY", help="draw the scaling curves there")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a section, or all, and print the report."""
    chosen = parser().parse_args(arguments)
    reports: dict[str, Report] = {}
    faults: list[str] = []
    try:
        environment = environment_of(chosen.peer_python)
        with _directory(chosen.scratch) as scratch:
            try:
                reports.update(_run(chosen, environment, scratch))
            finally:  # what was measured is told even if a later section fails, perhaps after an hour
                faults += [fault for report in reports.values() for fault in report.faults]
                if reports:
                    _tell(chosen, environment, reports, faults)
    except JobFailedError as error:
        raise SystemExit(str(error)) from error
    if faults:
        raise SystemExit(f"Not all of this can be trusted: {len(faults)} faults, listed above")


def _tell(
    chosen: argparse.Namespace, environment: Environment, reports: Mapping[str, Report], faults: Sequence[str]
) -> None:
    """Print the report, and write what else is wanted."""
    print(_markdown(reports, environment, chosen.size))
    if faults:
        print("\n# Faults\n", *(f"- {fault}" for fault in faults), sep="\n")
    if chosen.json is not None:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        figures = _figures(reports, environment, chosen.size, faults)
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if chosen.plots is not None:
        from scripts.benchmarks.plots import draw_curves  # matplotlib is needed for nothing else

        draw_curves([curve for report in reports.values() for curve in report.curves], chosen.plots)


@contextmanager
def _directory(scratch: Path | None) -> Iterator[Path]:
    if scratch is not None:
        yield scratch.resolve()
        return
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def _run(chosen: argparse.Namespace, environment: Environment, scratch: Path) -> Iterator[tuple[str, Report]]:
    """Yield the name and the report of each section, when it is done."""
    known: dict[str, Any] = {}
    for name in SECTIONS if chosen.section == ALL else [chosen.section]:
        section = importlib.import_module(SECTIONS[name])
        parts = tuple(getattr(chosen, "parts", section.PARTS))
        corpora = tuple(getattr(chosen, "corpora", DEFAULT_CORPORA))
        built = getattr(chosen, "built", None)
        yield name, section.run(Request(chosen.size, parts, environment, scratch, corpora, built, known))


def _markdown(reports: Mapping[str, Report], environment: Environment, size: str) -> str:
    versions = environment.versions
    told = ", ".join(f"{name} {value}" for name, value in versions["ours"].items() if value is not None)
    preface = f"{versions['machine']}; {told}."
    if "peer" in versions:
        told = ", ".join(f"{name} {value}" for name, value in versions["peer"].items() if value is not None)
        preface += f" deepSTRF's environment: {told}."
    if versions["load"] is not None:
        preface += f" Load when it began: {versions['load']:.1f}."
    if size == "tiny":
        preface += " Size tiny is a check that everything runs: its figures mean nothing."
    goals = [goal for report in reports.values() for goal in report.goals]
    parts = [f"# Goals\n\n{goal_table(goals, size != 'tiny')}"] if goals else []
    return "\n\n".join([preface, *parts, *(report.markdown for report in reports.values())])


def _figures(
    reports: Mapping[str, Report], environment: Environment, size: str, faults: Sequence[str]
) -> dict[str, Any]:
    return {
        "size": size,
        "versions": environment.versions,
        "goals": [goal.as_json() for report in reports.values() for goal in report.goals],
        "sections": {name: report.figures for name, report in reports.items()},
        "faults": list(faults),
    }


if __name__ == "__main__":
    main()
