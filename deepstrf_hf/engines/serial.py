"""Parts built one after the other in this process."""

from __future__ import annotations

from functools import partial

from deepstrf_hf.build_part import PartJob, build_part
from deepstrf_hf.engines.engine import Advance, Outcome


class SerialEngine:
    """Builds each part when it is waited for."""

    slots = 1

    def __init__(self) -> None:
        self._jobs: list[tuple[int, PartJob]] = []

    def __enter__(self) -> SerialEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self._jobs.clear()

    def prepare(self, n_parts: int) -> None:
        """Do nothing: there are no workers."""

    def submit(self, position: int, job: PartJob) -> None:
        """Remember a part."""
        self._jobs.append((position, job))

    def wait(self, advance: Advance) -> list[Outcome]:
        """Build the part."""
        position, job = self._jobs.pop()
        try:
            build_part(job, partial(advance, position))
        except Exception as error:  # noqa: BLE001  # raised by the caller, as for every engine
            return [Outcome(position, error)]
        return [Outcome(position)]
