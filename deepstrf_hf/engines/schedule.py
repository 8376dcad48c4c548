"""The order in which parts are handed to an engine, and what happens when one fails or its worker is lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence

from deepstrf_hf.build_part import PartJob
from deepstrf_hf.engines.engine import Advance, Engine
from deepstrf_hf.errors import WorkerLostError

ATTEMPTS = 3
"""How often a part is begun before a build gives up, if its worker is lost each time."""


def run_parts(jobs: Sequence[PartJob], engine: Engine, advance: Advance) -> Iterator[int]:
    """Build parts.

    After an error no other part is begun; those that are being built are finished, so that a later build can go on
    from them, and so that it is always the error of the first part that is raised.

    Parameters
    ----------
    jobs : sequence of PartJob
        In the order in which they are begun.
    engine : Engine
        What builds them.
    advance : callable
        Told of progress.

    Yields
    ------
    int
        Position of a part that is finished, in any order.

    Raises
    ------
    WorkerLostError
        The worker of a part was lost `ATTEMPTS` times.
    Exception
        What building a part raised.
    """
    waiting, running, failed = deque(range(len(jobs))), set[int](), dict[int, Exception]()
    begun: Counter[int] = Counter()
    while running or (waiting and not failed):
        while waiting and not failed and len(running) < engine.slots:
            position = waiting.popleft()
            running.add(position)
            begun[position] += 1
            engine.submit(position, jobs[position])
        for outcome in engine.wait(advance):
            position, job = outcome.position, jobs[outcome.position]
            running.remove(position)
            if outcome.error is not None:
                failed[position] = outcome.error
            elif outcome.lost is None or job.finished() is not None:
                yield position
            elif begun[position] < ATTEMPTS:
                waiting.appendleft(position)
            else:
                failed[position] = WorkerLostError(
                    f"The worker that built part {job.part.name} was lost {ATTEMPTS} times",
                    field=f"part {job.part.name} of {job.provenance['corpus']}/{job.provenance['config']}",
                    found=outcome.lost,
                    mend="look for lack of memory, and build with fewer processes at once",
                )
    if failed:
        raise failed[min(failed)]
