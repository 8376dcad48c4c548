"""deepSTRF's published tests of datasets, selection, concatenation, masks and quality, run on our classes."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.parity.differences import DIFFERENCES
from scripts.parity.environment import (
    ParityError,
    download_distribution,
    make_environment,
    run_in_peer,
    unpack_tests,
)
from scripts.parity.verdicts import Result, Verdict, as_json, judge, markdown

TEST_FILES = (
    "test_base_classes.py",
    "test_stim_selection.py",
    "test_concat.py",
    "test_nrn_masks_cache.py",
    "test_neuron_quality.py",
    "test_compute_neuron_quality_streaming.py",
    "test_fitter.py",
)
"""The last runs deepSTRF's fitter on batches of our `neural_collate`."""
RAN_TO_THE_END = (0, 1)
"""Exit codes of pytest: all passed, some failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the comparison needs to know."""
    add_environment_arguments(parser)
    parser.add_argument("--distribution", type=Path, help="deepSTRF's source distribution; downloaded if not given")
    parser.add_argument("--json", type=Path, help="write the verdicts there as well")
    parser.add_argument("--files", nargs="+", choices=TEST_FILES, default=TEST_FILES, help="run these test files only")


def add_environment_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where deepSTRF is."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--peer-python", help="Python of an environment with deepSTRF 0.1.0 and pytest")
    where.add_argument("--peer-environment", type=Path, help="environment to make, or made by this option before")


def python_of(chosen: argparse.Namespace, scratch: Path) -> str:
    """Return deepSTRF's Python: the one given, or that of an environment made now."""
    return chosen.peer_python or make_environment(chosen.peer_environment or scratch / "environment")


def compare(chosen: argparse.Namespace) -> int:
    """Run the tests, print the verdicts and return the exit code: 1 if any is not as stated."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        python = python_of(chosen, scratch)
        archive = chosen.distribution or download_distribution(python, scratch / "distribution")
        unpack_tests(archive, chosen.files, scratch / "published")
        theirs, ours = (run_tests(python, scratch, classes) for classes in ("deepSTRF", "ours"))
    verdicts = [one for one in judge(ours, theirs, DIFFERENCES) if one.test.partition("::")[0] in chosen.files]
    print(markdown(verdicts))
    if chosen.json:
        chosen.json.write_text(json.dumps(as_json(verdicts), indent=2) + "\n", encoding="utf-8")
    return exit_code(verdicts)


def run_tests(python: str, scratch: Path, classes: str) -> list[Result]:
    """Run the unpacked tests in deepSTRF's environment.

    Parameters
    ----------
    python : str
        Its Python.
    scratch : Path
        Holds the tests in ``published``.
    classes : str
        Whose classes they run on: deepSTRF or ours.

    Raises
    ------
    ParityError
        pytest did not run to the end.
    """
    results = scratch / f"{classes}.json"
    options = ["-m", "pytest", "-p", "scripts.parity.plugin", "-p", "no:cacheprovider", "--quiet", "--tb=no"]
    options += ["--continue-on-collection-errors", "--rootdir=published", "published"]
    options += [f"--parity-classes={classes}", f"--parity-results={results}"]
    done = run_in_peer(python, options, scratch)
    if not results.exists() or done.returncode not in RAN_TO_THE_END:
        raise ParityError(f"pytest did not run with the classes of {classes}:\n{done.stdout}{done.stderr}")
    return [Result(**result) for result in json.loads(results.read_text(encoding="utf-8"))]


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Return 0 if there are tests and all ended as stated, else 1."""
    return 0 if verdicts and all(verdict.as_stated for verdict in verdicts) else 1
