"""What a test may ask to go wrong."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from .wire import LabFile, LabRequest

KINDS = frozenset({"answer", "truncated", "chunked", "chunked_cut", "no_end", "stall", "reset", "no_ranges", "content"})


@dataclass
class Fault:
    """Something that goes wrong, some times.

    Attributes
    ----------
    kind
        ``"answer"``: another answer (`status`, `headers`, `content`). ``"truncated"``: the true length is promised, and
        the connection ends after `after_bytes`. ``"chunked"``: sent in chunks, without a length. ``"chunked_cut"``: so,
        and cut. ``"no_end"``: neither length nor chunks. ``"stall"``: nothing more after `after_bytes`, until the
        client leaves. ``"reset"``: the connection is reset there. ``"no_ranges"``: the whole, whatever part was asked
        for. ``"content"``: `content` in place of the file's, with the ETag of the file.
    after_bytes
        Of the body, until something breaks; ``None``: before anything is answered.
    file, host, path
        Of a request to a file (however many hosts lead to it), to a host, to a path (a regular expression).
    times
        How often; ``None`` for always.
    then
        Called after the answer.
    """

    kind: str
    file: LabFile | None = None
    host: str | None = None
    path: str = ""
    times: int | None = 1
    after_bytes: int | None = None
    status: int = 200
    headers: dict[str, str] | None = None
    content: bytes = b""
    then: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault is named {self.kind}")

    def concerns(self, request: LabRequest, file: LabFile | None) -> bool:
        """Tell whether a request, and the file that would answer it, are meant."""
        return (
            self.times != 0
            and self.file in (None, file)
            and self.host in (None, request.host)
            and re.search(self.path, request.path) is not None
        )


class Faults:
    """Faults that are yet to happen, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Ask for a fault."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget all that has not happened yet."""
        with self._lock:
            self._faults.clear()

    def take(self, request: LabRequest, file: LabFile | None) -> Fault | None:
        """Return the fault that a request meets."""
        with self._lock:
            for fault in self._faults:
                if fault.concerns(request, file):
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
            return None
