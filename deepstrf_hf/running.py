"""The parts of a build, run: those that an earlier build has finished are taken over, the others are built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deepstrf_hf.build_part import PartJob
from deepstrf_hf.engines import Engine, run_parts
from deepstrf_hf.errors import OutputDirectoryError
from deepstrf_hf.part_result import PartResult
from deepstrf_hf.progress import PartsProgress


def results_in_order(
    jobs: Sequence[PartJob], engine: Engine, progress: PartsProgress
) -> Iterator[tuple[PartResult, bool]]:
    """Build parts, and yield what they leave behind in their order, whichever is ready first.

    Parameters
    ----------
    jobs : sequence of PartJob
        All parts of the build.
    engine : Engine
        What builds those that are not finished.
    progress : PartsProgress
        Told of progress.

    Yields
    ------
    PartResult, bool
        What a part left behind, and whether an earlier build had finished it.

    Raises
    ------
    OutputDirectoryError
        Workers write to a place that this process does not see.
    Exception
        As `deepstrf_hf.engines.run_parts` does.
    """
    taken_over = {position for position, job in enumerate(jobs) if _is_there(job)}
    to_build = [position for position in range(len(jobs)) if position not in taken_over]
    built = run_parts(
        [jobs[position] for position in to_build],
        engine,
        lambda number, n_stimuli: progress.advance(to_build[number], n_stimuli),
    )
    ready: dict[int, PartResult] = {}

    def take(position: int) -> None:
        ready[position] = _result(jobs[position])
        progress.finish(position, ready[position].n_stimuli)

    for position in sorted(taken_over):
        take(position)
    for position in range(len(jobs)):
        while position not in ready:
            take(to_build[next(built)])
        yield ready.pop(position), position in taken_over


def _is_there(job: PartJob) -> bool:
    """Return whether an earlier build has finished a part; one that is not whole any more is removed."""
    result = job.finished()
    if result is not None and job.store.is_whole(job.number, result.files()):
        return True
    job.store.discard(job.number)
    return False


def _result(job: PartJob) -> PartResult:
    result = job.finished()
    if result is None:
        raise OutputDirectoryError(
            "A part that a worker has finished is not there",
            path=job.store.place,
            field=f"part {job.part.name}",
            mend="workers must write to a place that this machine sees too",
        )
    return result
