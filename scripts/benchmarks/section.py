"""What a section of the benchmark is asked and what it answers.

A section is a module with `DESCRIPTION` (one line), `PARTS` (names of what can be run alone),
``run(request: Request) -> Report`` and, where it can be asked more, ``add_arguments(parser)``.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.benchmarks.goals import Goal
from scripts.benchmarks.job import JobFailedError, run_job
from scripts.benchmarks.versions import installed

FRACTIONS = (0.25, 0.5, 1.0)
"""Sizes at which growth is measured, as a part of the whole."""
SHARED = ("torch", "numpy", "pyarrow")
"""Distributions whose versions bear on the figures."""


@dataclass(frozen=True)
class Environment:
    """The interpreters that jobs run with.

    Parameters
    ----------
    python : str
        Ours.
    peer_python : str or None
        deepSTRF's; None where it is not to be compared with.
    versions : dict
        What both are made of, for the report.
    """

    python: str
    peer_python: str | None
    versions: dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What a section is asked.

    Parameters
    ----------
    size : str
        ``"tiny"`` or ``"full"``.
    parts : tuple of str
        Which of its parts.
    environment : Environment
        Where jobs run.
    scratch : Path
        Where made-up corpora go; what is there already is used.
    corpora : tuple of str
        Corpora whose raw trees are measured, by their names in `scripts.parity.corpus_list`.
    built : Path or None
        A built corpus that is measured in place of a made-up one, where the section asks for one.
    known : dict
        What sections of one run have measured, for those that come after.
    """

    size: str
    parts: tuple[str, ...]
    environment: Environment
    scratch: Path
    corpora: tuple[str, ...] = ()
    built: Path | None = None
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def is_measurement(self) -> bool:
        """Whether figures mean anything; tiny is a check that everything runs."""
        return self.size != "tiny"


@dataclass(frozen=True)
class Curve:
    """How one figure grows with the data.

    Parameters
    ----------
    name : str
        For the file, for example ``"nat4-construct"``.
    title, data_label, unit : str
        For people.
    data : list of float
        Amount of data at each size, in `data_label`.
    figures : dict
        Figures at each size in `unit`, by library.
    """

    name: str
    title: str
    data_label: str
    unit: str
    data: list[float]
    figures: dict[str, list[float]]


@dataclass
class Report:
    """What a section answers.

    Parameters
    ----------
    markdown : str
        For people.
    figures : dict
        Everything measured, in plain data.
    curves : list of Curve
        What can be drawn.
    faults : list of str
        Jobs that failed, results that differ between libraries: reasons not to trust the figures.
    goals : list of Goal
        What was to be reached.
    """

    markdown: str
    figures: dict[str, Any]
    curves: list[Curve] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)


def environment_of(peer_python: str | None) -> Environment:
    """Look at the interpreter that runs this, and at the peer's.

    Raises
    ------
    JobFailedError
        The peer's does not exist or cannot import deepSTRF.
    """
    versions: dict[str, Any] = {
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        # What else ran when it began: it makes all times longer, and not all alike.
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "ours": installed(["deepstrf-hf", *SHARED]),
    }
    if peer_python is not None:
        if shutil.which(peer_python) is None:
            raise JobFailedError(f"There is no interpreter {peer_python}")
        versions["peer"] = run_job(
            peer_python, "scripts.benchmarks.versions:installed", distributions=["deepSTRF", *SHARED]
        )
        if versions["peer"]["deepSTRF"] is None:
            raise JobFailedError(f"{peer_python} has no deepSTRF: pip install deepSTRF==0.1.0 there")
    return Environment(sys.executable, peer_python, versions)
