"""One bar for all files that are being fetched: bytes of the total, speed, time left; silent without a terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class DownloadStoppedError(Exception):
    """The user, or another file's failure that concerns all, stopped the download. Never leaves this package."""


class TotalProgress:
    """Progress of all files together; threads share it.

    Parameters
    ----------
    total_bytes : int or None
        Bytes of all files; None where a host does not tell the size of one.
    """

    def __init__(self, total_bytes: int | None) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("fetching", total=total_bytes)
        self._lock = threading.Lock()
        self._there: dict[str, int] = {}
        self._stopped = threading.Event()

    def __enter__(self) -> TotalProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stop(self) -> None:
        """Let every file stop at its next bytes; what is there of it is kept."""
        self._stopped.set()

    def of(self, name: str, what: str = "fetching", *, counts: bool = True) -> Callable[[int], None]:
        """Return what is called with the number of bytes that are there of a file.

        Parameters
        ----------
        name : str
            The file.
        what : str
            What is done with it.
        counts : bool
            Whether its bytes are among the total.

        Returns
        -------
        callable
            Raises `DownloadStoppedError` once `stop` was called.
        """

        def advance(n_bytes: int) -> None:
            if self._stopped.is_set():
                raise DownloadStoppedError
            with self._lock:
                if counts:
                    self._there[name] = n_bytes
                self._bar.update(self._task, completed=sum(self._there.values()), description=f"{what} {name}")

        return advance
