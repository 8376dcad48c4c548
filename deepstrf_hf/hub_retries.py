"""Requests to the Hub that are made again where the network or the Hub failed in passing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

Result = TypeVar("Result")

WAITS_S = (0.5, 2.0)
"""Before the second and the third attempt."""
LONGEST_WAIT_S = 30.0
"""However long a server asks to be left alone."""
TOO_MANY_REQUESTS, SERVER_ERRORS = 429, 500


def with_retries(request: Callable[[], Result]) -> Result:
    """Make a request, and again after a while where that may help.

    Parameters
    ----------
    request : callable
        Changes nothing on the Hub; raises what its clients raise.

    Returns
    -------
    object
        What the request returned.
    """
    for wait in WAITS_S:
        try:
            return request()
        except (HTTPError, ConnectionError, LocalEntryNotFoundError) as error:
            asked = _may_pass(error)
            if asked is None:
                raise
            time.sleep(min(max(wait, asked), LONGEST_WAIT_S))
    return request()


def _may_pass(error: Exception) -> float | None:
    """Return how long to wait at least before trying again, s; None where it would not help."""
    if constants.HF_HUB_OFFLINE or isinstance(error, OfflineModeIsEnabled):
        return None
    if not isinstance(error, HfHubHTTPError):
        # Connections that broke; a client says LocalEntryNotFoundError where it has nothing cached instead.
        return None if "header value" in str(error) else 0.0
    response = error.response
    if response is None:
        return 0.0
    if response.status_code != TOO_MANY_REQUESTS and response.status_code < SERVER_ERRORS:
        return None
    asked = str(response.headers.get("Retry-After", ""))
    return float(asked) if asked.isdigit() else 0.0
