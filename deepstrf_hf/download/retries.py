"""When a request is made again, after how long, and when to give up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TypeVar

from deepstrf_hf.errors import DownloadError

Result = TypeVar("Result")

PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})
"""Answers that may be another one in a while."""


class PassingError(Exception):
    """A failure that may not happen again: the connection broke, the host is busy. Never leaves this package.

    Parameters
    ----------
    reason : str
        What happened, for people.
    asked_wait_s : float
        How long the host asks to be left alone, s.
    """

    def __init__(self, reason: str, asked_wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.asked_wait_s = asked_wait_s


@dataclass(frozen=True)
class Retries:
    """How patient a session is.

    Parameters
    ----------
    tries : int
        Tries in a row that bring nothing new before giving up.
    first_wait_s, longest_wait_s : float
        Wait after the first failure, s; it doubles up to the longest.
    longest_asked_wait_s : float
        A host that asks for a longer pause than this is not waited for, s.
    total_wait_s : float
        All waits for one file together, s.
    sleep, now, jitter : callable
        ``time.sleep``, ``time.time``, and a number between 0 and 1; tests put their own here.
    """

    tries: int = 8
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0
    longest_asked_wait_s: float = 600.0
    total_wait_s: float = 3600.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random

    def run(self, what: str, attempt: Callable[[], Result]) -> Result:
        """Return what ``attempt`` returns, made again where it failed in passing.

        Parameters
        ----------
        what : str
            What is attempted, as the beginning of a sentence: ``"Fetching …"``.
        attempt : callable
            Raises `PassingError` where another try may help.

        Raises
        ------
        DownloadError
            It failed too often.
        """
        patience = Patience(self, what)
        while True:
            try:
                return attempt()
            except PassingError as error:
                patience.wait_after(error)


class Patience:
    """What is left of the patience for one file.

    Parameters
    ----------
    retries : Retries
        How much there is.
    what : str
        What is attempted, as the beginning of a sentence.
    """

    def __init__(self, retries: Retries, what: str) -> None:
        self._retries = retries
        self._what = what
        self._failures = 0
        self._waited_s = 0.0
        self._furthest = 0

    def wait_after(self, error: PassingError, position: int = 0) -> None:
        """Wait before the next try.

        Parameters
        ----------
        error : PassingError
            How the last one failed.
        position : int
            Bytes that are there; more than ever before means that the try was not in vain, and the count begins anew.

        Raises
        ------
        DownloadError
            It failed too often, waiting took too long, or the host asks for too long a pause.
        """
        retries = self._retries
        self._failures = 1 if position > self._furthest else self._failures + 1
        self._furthest = max(self._furthest, position)
        if error.asked_wait_s > retries.longest_asked_wait_s:
            raise self._given_up(
                error, f"the host asks for a pause of {error.asked_wait_s:.0f} s: wait that long, then"
            )
        backed_off = min(retries.first_wait_s * 2 ** (self._failures - 1), retries.longest_wait_s)
        # Half of it is drawn by lot, so that clients which failed together do not come back together.
        wait = max(backed_off * (0.5 + 0.5 * retries.jitter()), error.asked_wait_s)
        if self._failures >= retries.tries or self._waited_s + wait > retries.total_wait_s:
            raise self._given_up(error, "check the network and the host's page, then")
        self._waited_s += wait
        retries.sleep(wait)

    def _given_up(self, error: PassingError, mend: str) -> DownloadError:
        return DownloadError(
            f"{self._what} failed {self._failures} times in a row",
            found=str(error),
            mend=f"{mend} run it again; what has been fetched is kept and continued",
        )


def retry_after_s(value: str | None, now: float) -> float:
    """Return how long a host asks to be left alone, s; 0 where it does not say.

    Parameters
    ----------
    value : str or None
        A ``Retry-After`` header: seconds, or a date (RFC 9110, section 10.2.3).
    now : float
        Seconds since 1970.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max(0.0, date.timestamp() - now)
