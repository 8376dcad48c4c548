"""Compare this library with deepSTRF 0.1.0.

    python -m scripts.parity_with_deepstrf ns1 --data RAW --built DIRECTORY --peer-python PEER_ENV/bin/python
    python -m scripts.parity_with_deepstrf tests [--peer-python PEER_ENV/bin/python] [--json FILE]
    python -m scripts.parity_with_deepstrf fitters [--peer-python PEER_ENV/bin/python]
    python -m scripts.parity_with_deepstrf corpora [NAME ...] [--seeds 0-9] [--peer-python ...]

``ns1`` compares a built corpus with what deepSTRF makes of the same raw files: values, time, memory. ``tests`` runs
deepSTRF's published tests on our classes; its exit code is 0 if every test passes or fails as the list of deliberate
differences says (``docs/parity_with_deepstrf.md``). ``fitters`` fits deepSTRF's models with its fitter to our data set
and to its own with the same arrays, and wants the same losses and scores. ``corpora`` builds corpora from synthetic raw
trees and compares them, by name, with what deepSTRF's loaders make of the same trees. Time and memory are measured by
``scripts/benchmark.py``.

PEER_ENV is an environment with deepSTRF 0.1.0 (``pip install deepSTRF==0.1.0`` and what it needs); all but ``ns1`` make
one if it is not given. deepSTRF is run, never imported here. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scripts.parity import corpora, fitters, ns1, published_tests
from scripts.parity.environment import ParityError

SECTIONS = {"ns1": ns1, "tests": published_tests, "fitters": fitters, "corpora": corpora}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison chosen on the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = parser.add_subparsers(dest="section", required=True)
    for name, section in SECTIONS.items():
        section.add_arguments(sections.add_parser(name, help=(section.__doc__ or "").splitlines()[0]))
    chosen = parser.parse_args(arguments)
    try:
        return SECTIONS[chosen.section].compare(chosen)
    except ParityError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
