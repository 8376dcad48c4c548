"""Run jobs in fresh processes, so that none pays for, or profits from, what another one did."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
STDERR_LINES = 12
"""Lines shown of what a failed job had to say."""


class JobFailedError(RuntimeError):
    """A job ended with an error; the message has its last words."""


def run_jobs(python: str, jobs: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
    """Run functions one after the other in one fresh process and return what they return.

    Parameters
    ----------
    python : str
        Interpreter to run them with.
    jobs : sequence of (str, mapping)
        ``"module:function"`` and its keyword arguments. Functions take and return what JSON can say.

    Raises
    ------
    JobFailedError
        The process ended with an error or was killed.
    """
    with tempfile.TemporaryDirectory() as directory:
        answers = Path(directory) / "answers.json"
        done = subprocess.run(
            [python, "-m", "scripts.benchmarks.job", str(answers)],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        if done.returncode:
            words = "\n".join(done.stderr.splitlines()[-STDERR_LINES:])
            raise JobFailedError(
                f"{jobs[0][0]} {dict(jobs[0][1])}, or one of the {len(jobs) - 1} jobs that shared its process, failed "
                f"(exit code {done.returncode} of {python}):\n{words}"
            )
        results: list[Any] = json.loads(answers.read_text(encoding="utf-8"))
        return results


def run_job(python: str, job: str, **arguments: Any) -> Any:
    """Run one function in a process of its own, as `run_jobs` does."""
    return run_jobs(python, [(job, arguments)])[0]


def run_here(job: str, **arguments: Any) -> Any:
    """Run one function in this process, for a check that it works."""
    module, function = job.split(":")
    return getattr(importlib.import_module(module), function)(**arguments)


def main() -> None:
    """Run the jobs that standard input names; write their answers to the file that the command line names."""
    results = [run_here(job, **arguments) for job, arguments in json.load(sys.stdin)]
    Path(sys.argv[1]).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
