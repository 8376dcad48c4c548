"""Parts built by several processes of this machine.

Each worker has a pipe of its own, so that it is known which part a worker had that was lost, and so that losing one
does not touch the others.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import traceback
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from deepstrf_hf.build_part import PartJob, build_part
from deepstrf_hf.engines.engine import Advance, Outcome
from deepstrf_hf.errors import DeepstrfError
from deepstrf_hf.threads import one_thread_each

SPAWN = multiprocessing.get_context("spawn")
"""Forking a process whose Arrow threads run can hang."""


class WorkerTraceback(Exception):  # noqa: N818  # never raised by itself
    """Where in a worker an error came from; the cause of that error in this process."""


class _Worker:
    """A process, and the part that it has."""

    def __init__(self) -> None:
        self.connection, theirs = SPAWN.Pipe()
        self.process: BaseProcess = SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        with one_thread_each():
            self.process.start()
        theirs.close()  # so that its end is seen here when the process ends
        self.position: int | None = None

    def give(self, position: int, job: PartJob) -> None:
        self.position = position
        with suppress(OSError):  # it has ended: `take` will say so
            self.connection.send(job)

    def take(self) -> tuple[str, Any]:
        """Return the next message, or ``("lost", how)``."""
        try:
            message: tuple[str, Any] = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return "lost", f"its process ended with code {self.process.exitcode}"
        return message

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.connection.close()


class ProcessEngine:
    """Builds parts in processes that are spawned.

    Parameters
    ----------
    num_proc : int
        How many.
    """

    def __init__(self, num_proc: int) -> None:
        self.slots = num_proc
        self._workers: list[_Worker] = []

    def __enter__(self) -> ProcessEngine:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.end()

    def prepare(self, n_parts: int) -> None:
        """Start as many processes as can be busy; importing takes them a second."""
        while len(self._workers) < min(self.slots, n_parts):
            self._workers.append(_Worker())

    def submit(self, position: int, job: PartJob) -> None:
        """Give a part to a process that has none."""
        idle = [worker for worker in self._workers if worker.position is None]
        if not idle:
            idle.append(_Worker())
            self._workers += idle
        idle[0].give(position, job)

    def wait(self, advance: Advance) -> list[Outcome]:
        """Listen to the processes that are busy until one has ended its part."""
        while True:
            busy = {worker.connection: worker for worker in self._workers if worker.position is not None}
            outcomes = []
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]  # what was waited for are connections
                kind, content = worker.take()
                position: int = worker.position  # type: ignore[assignment]  # it is busy
                if kind == "stimuli":
                    advance(position, content)
                    continue
                worker.position = None
                if kind == "lost":
                    self._workers.remove(worker)
                    worker.end()
                    outcomes.append(Outcome(position, lost=content))
                else:
                    outcomes.append(Outcome(position, error=content and _error(*content)))
            if outcomes:
                return outcomes


def _error(error: Exception, trace: str) -> Exception:
    error.__cause__ = WorkerTraceback(f"\n{trace}")
    return error


def _serve(connection: Connection) -> None:
    """Build the parts that come through a connection, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    while True:
        failure = None
        try:
            message = connection.recv_bytes()
        except EOFError:
            return
        try:
            build_part(pickle.loads(message), partial(_say, connection, "stimuli"))  # noqa: S301  # from the parent
        except Exception as error:  # noqa: BLE001  # goes to the parent, which raises it
            failure = _portable(error), traceback.format_exc()
        _say(connection, "ended", failure)


def _say(connection: Connection, kind: str, content: Any) -> None:
    try:
        connection.send((kind, content))
    except OSError:
        raise SystemExit from None  # the parent has ended; nobody waits for this part


def _portable(error: Exception) -> Exception:
    """Return an error that gets through a pipe: itself, or one that says the same."""
    try:
        pickle.dumps(error)
    except Exception:  # noqa: BLE001  # whatever its author's __reduce__ raises
        return DeepstrfError(f"{type(error).__name__}: {error}")
    return error
