"""What an engine does: it takes parts, and says when they are finished."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from deepstrf_hf.build_part import PartJob
from deepstrf_hf.errors import ParameterError

ENGINES = ("processes", "ray")
Advance = Callable[[int, int], object]
"""Told the position of a part and how many of its stimuli have been done since; not all engines tell it."""


@dataclass(frozen=True)
class Outcome:
    """How building a part ended.

    Parameters
    ----------
    position : int
        Of the part among those of the build.
    error : Exception, optional
        What it raised; None if it is finished.
    lost : str, optional
        How the worker was lost that built it, if it was.
    """

    position: int
    error: Exception | None = None
    lost: str | None = None


class Engine(Protocol):
    """Builds parts side by side; made for one build, in a ``with`` block that ends its workers."""

    slots: int
    """How many parts it builds at once."""

    def prepare(self, n_parts: int) -> None:
        """Start workers, which takes a while, for so many parts."""

    def submit(self, position: int, job: PartJob) -> None:
        """Begin to build a part. Called for at most `slots` parts at once."""

    def wait(self, advance: Advance) -> list[Outcome]:
        """Wait until a part or more have ended."""


def open_engine(name: str, num_proc: int | None, address: str | None) -> AbstractContextManager[Engine]:
    """Return an engine.

    Parameters
    ----------
    name : str
        ``"processes"`` or ``"ray"``.
    num_proc : int, optional
        Parts at once; one by default, with Ray as many as there are processors.
    address : str, optional
        Of a Ray cluster; a new one on this machine by default.

    Raises
    ------
    ParameterError
        Another name, a number below 1, or an address without Ray.
    MissingDependencyError
        Ray is not installed.
    """
    if name not in ENGINES:
        raise ParameterError("No such engine", field="engine", found=name, expected=" or ".join(ENGINES))
    if num_proc is not None and num_proc < 1:
        raise ParameterError("The number of processes must be at least 1", field="num_proc", found=num_proc)
    if name == "ray":
        from deepstrf_hf.engines.ray import RayEngine

        return RayEngine(num_proc, address)
    if address is not None:
        raise ParameterError("Only Ray has an address", field="address", found=address, mend="set engine to 'ray'")
    if num_proc in (None, 1):
        from deepstrf_hf.engines.serial import SerialEngine

        return SerialEngine()
    from deepstrf_hf.engines.processes import ProcessEngine

    return ProcessEngine(num_proc)
