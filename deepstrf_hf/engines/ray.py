"""Parts built by Ray, on this machine or on the machines of a cluster."""

from __future__ import annotations

import logging
from typing import Any

from deepstrf_hf.build_part import PartJob, build_part
from deepstrf_hf.engines.engine import Advance, Outcome
from deepstrf_hf.errors import MissingDependencyError


class RayEngine:
    """Builds each part as a task of Ray.

    Where the program has connected to Ray, that connection is used and stays. Otherwise one is made, and ended.

    Parameters
    ----------
    num_proc : int, optional
        Parts at once; as many as the cluster has processors by default. A cluster on this machine is made for as many.
    address : str, optional
        Of a cluster; one on this machine is made by default.

    Raises
    ------
    MissingDependencyError
        Ray is not installed.
    """

    def __init__(self, num_proc: int | None, address: str | None) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingDependencyError(
                "Building with Ray needs Ray", field="engine", mend="pip install 'deepstrf-hf[ray]'"
            ) from error
        self._ray, self._num_proc, self._address = ray, num_proc, address
        self.slots = num_proc or 1
        self._connected = False
        self._tasks: dict[Any, int] = {}

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *error: object) -> None:
        for task in self._tasks:
            self._ray.cancel(task, force=True)
        if self._connected:
            self._ray.shutdown()

    def prepare(self, n_parts: int) -> None:
        """Connect to Ray."""
        if not self._ray.is_initialized():
            here = {"num_cpus": self._num_proc} if self._address is None else {"address": self._address}
            self._ray.init(**here, include_dashboard=False, logging_level=logging.WARNING)
            self._connected = True
        self.slots = self._num_proc or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        # Whatever is lost is begun again by `run_parts`, which counts how often.
        self._build = self._ray.remote(max_retries=0)(build_part)

    def submit(self, position: int, job: PartJob) -> None:
        """Begin a task."""
        self._tasks[self._build.remote(job)] = position

    def wait(self, advance: Advance) -> list[Outcome]:
        """Wait for a task. How far it is, is not known before it has ended."""
        ended, _ = self._ray.wait(list(self._tasks), num_returns=1)
        return [self._outcome(task) for task in ended]

    def _outcome(self, task: Any) -> Outcome:
        position = self._tasks.pop(task)
        try:
            self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:  # what the task raised
            return Outcome(position, error=error.cause or error)
        except self._ray.exceptions.RayError as error:
            return Outcome(position, lost=f"{type(error).__name__}: {error}")
        return Outcome(position)
