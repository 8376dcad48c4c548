"""What runs in a client's process: the snippet, kept on the loopback and ended without a crash at exit.

The text of this module is handed to ``python -c``; it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import linecache
import os
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

LOOPBACK = (None, "", "localhost", "127.0.0.1", "::1")


def stay_on_loopback() -> None:
    """Refuse to look up any other host at once, as a machine without network would do in the end."""
    look_up = socket.getaddrinfo

    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in LOOPBACK:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not the loopback")
        return look_up(host, *args, **kwargs)

    socket.getaddrinfo = guarded


def report(value: Any) -> None:
    """Hand a result to the test: one line of JSON, the last line that is written."""
    sys.stdout.write("\n" + json.dumps(value) + "\n")


def attempt(function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Call a function and describe the exception it raises, or give its value if JSON can hold it."""
    try:
        value = function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - describing any exception is the point
        response = getattr(error, "response", None)
        return {
            "error": type(error).__name__,
            "bases": [base.__name__ for base in type(error).__mro__],
            "status": getattr(response, "status_code", None),
            "cause": None if error.__cause__ is None else type(error.__cause__).__name__,
            "message": str(error),
        }
    try:
        json.dumps(value)
    except TypeError:
        value = repr(value)
    return {"error": None, "value": value}


def main() -> None:
    """Run the snippet that comes on standard input, and leave without running exit handlers.

    Streaming through pyarrow sometimes aborts while the interpreter shuts down; a snippet that came to its end
    has done its work, so nothing after it may turn it into a failure.
    """
    task = json.load(sys.stdin)
    stay_on_loopback()
    name = "<client>"
    linecache.cache[name] = (len(task["code"]), None, task["code"].splitlines(keepends=True), name)
    namespace = {"__name__": "__main__", "report": report, "attempt": attempt, **task["arguments"]}
    status = 0
    try:
        exec(compile(task["code"], name, "exec"), namespace)
    except BaseException:  # noqa: BLE001 - whatever happens, the process ends here
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
