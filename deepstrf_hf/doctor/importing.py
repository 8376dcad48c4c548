"""Whether modules can be imported, found out in another process: a broken library may end the process that loads it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

SECONDS = 120
"""More than the slowest import from a slow disk takes."""
IMPORT_EACH = """
import importlib, json, os, sys
sys.path[:] = json.loads(sys.argv[1])
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what modules print does not mix with the answers
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
        problem = None
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"
    print(json.dumps([name, problem]), file=answers, flush=True)
"""


def import_problems(modules: Sequence[str]) -> dict[str, str | None]:
    """Import modules, all in one process as far as that survives.

    Parameters
    ----------
    modules : sequence of str
        Their names.

    Returns
    -------
    dict of str to (str or None)
        Why each cannot be imported; None where it can.
    """
    problems: dict[str, str | None] = {}
    left = list(modules)
    while left:
        status, answers = _import_in_child(left)
        problems.update(answers)
        left = left[len(answers) :]
        if left:  # the one that was being imported ended the process; the others get a new one
            problems[left.pop(0)] = f"to import it {status}"
    return problems


def _import_in_child(modules: Sequence[str]) -> tuple[str, dict[str, str | None]]:
    """Return how the process ended, in words, and its answers in order."""
    command = [sys.executable, "-c", IMPORT_EACH, json.dumps(sys.path), *modules]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False)
        status, output = f"ends the process with status {done.returncode}", done.stdout
    except subprocess.TimeoutExpired as error:
        status, output = f"takes more than {SECONDS} s", error.stdout or b""
    return status, dict(json.loads(line) for line in output.splitlines())
