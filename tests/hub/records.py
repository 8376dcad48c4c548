"""The log of requests that a test reads, and the faults that a test asks for."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SETTLE_SECONDS = 5.0


@dataclass
class RequestRecord:
    """One request as it went: what was asked, by whom, and what went over the wire."""

    method: str
    path: str
    query: str = ""
    range: str | None = None
    route: str | None = None
    fault: bool = False
    user: str | None = None
    status: int | None = None
    bytes_received: int = 0
    bytes_sent: int = 0


class RequestLog:
    """A thread-safe list of requests.

    Reading waits for requests that are still being answered, so that a test never counts too early.
    """

    def __init__(self) -> None:
        self._records: list[RequestRecord] = []
        self._condition = threading.Condition()
        self._answering: set[int] = set()

    @contextmanager
    def track(self, record: RequestRecord) -> Iterator[RequestRecord]:
        """Log a request; it counts as finished when the block ends."""
        thread = threading.get_ident()
        with self._condition:
            self._records.append(record)
            self._answering.add(thread)
        try:
            yield record
        finally:
            with self._condition:
                self._answering.discard(thread)
                self._condition.notify_all()

    def records(self, method: str | None = None, path: str = "", status: int | None = None) -> list[RequestRecord]:
        """List requests in order of arrival.

        Parameters
        ----------
        method
            Only this method.
        path
            Only paths (unquoted, without query) in which this regular expression is found.
        status
            Only answers with this status; a dropped connection has ``None``.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        with self._condition:
            while self._answering - {threading.get_ident()} and (left := deadline - time.monotonic()) > 0:
                self._condition.wait(left)
            return [
                record
                for record in self._records
                if method in (None, record.method) and re.search(path, record.path) and status in (None, record.status)
            ]

    def bytes_sent(self, method: str | None = None, path: str = "") -> int:
        """Sum the bytes of the bodies sent."""
        return sum(record.bytes_sent for record in self.records(method, path))

    def bytes_received(self, method: str | None = None, path: str = "") -> int:
        """Sum the bytes of the bodies received."""
        return sum(record.bytes_received for record in self.records(method, path))

    def unrouted(self) -> list[RequestRecord]:
        """List requests for paths that the Hub knows nothing of."""
        return [record for record in self.records() if record.route is None and not record.fault]

    def clear(self) -> None:
        """Forget all requests."""
        with self._condition:
            self._records.clear()

    def __iter__(self) -> Iterator[RequestRecord]:
        """Walk over a copy of the log."""
        return iter(self.records())

    def __len__(self) -> int:
        """Count the requests."""
        return len(self.records())


@dataclass
class Fault:
    """What goes wrong with the next requests that match."""

    method: str
    pattern: re.Pattern[str]
    status: int | None
    times: int
    close: bool
    after_bytes: int | None
    applied: bool
    message: str


class FaultPlan:
    """Faults that are still to come."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Plan a fault."""
        with self._lock:
            self._faults.append(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault that matches a request, and count it down."""
        with self._lock:
            for fault in self._faults:
                if fault.method == method and fault.pattern.search(path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
        return None

    def pending(self) -> int:
        """Count the requests that are still to fail."""
        with self._lock:
            return sum(fault.times for fault in self._faults)
