"""A loopback Hub in a process of its own, that counts what goes over the wire between two questions."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from scripts.benchmarks.job import ROOT, JobFailedError

TOKEN = "hf_benchmark"
OWNER = "benchmark"
PARQUET = r"\.parquet$"


class HubProcess:
    """A loopback Hub with one user, stopped at the end of a ``with`` block.

    Attributes
    ----------
    endpoint
        Its address.
    """

    def __init__(self) -> None:
        self.endpoint = ""

    def __enter__(self) -> HubProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmarks.hub_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.endpoint = self._answer()["endpoint"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()  # it ends when it is asked nothing more
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def counted(self) -> dict[str, Any]:
        """Return what went over the wire since the last call, in the Hub's words: ``sent`` is what clients fetched.

        Returns
        -------
        dict
            ``requests``, ``sent`` and ``received`` (bytes of bodies), ``parquet_requests`` and ``parquet_sent`` of
            Parquet files alone.

        Raises
        ------
        JobFailedError
            The Hub failed, or met a request that it does not know.
        """
        if self._process.stdin is None:
            raise JobFailedError("The loopback Hub was not started")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counted = self._answer()
        if counted["faults"]:
            raise JobFailedError(f"The loopback Hub failed: {counted['faults']}")
        return counted

    def _answer(self) -> dict[str, Any]:
        line = "" if self._process.stdout is None else self._process.stdout.readline()
        if not line:
            raise JobFailedError("The loopback Hub ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> None:
    """Serve until standard input ends; answer each line of it with what was counted."""
    from tests.hub.server import LoopbackHub

    with LoopbackHub() as hub:
        hub.add_user(OWNER, TOKEN)
        _say({"endpoint": hub.endpoint})
        for _ in sys.stdin:
            files = hub.requests.records("GET", PARQUET)
            answer = {
                "requests": len(hub.requests),
                "sent": hub.requests.bytes_sent(),
                "received": hub.requests.bytes_received(),
                "parquet_requests": len(files),
                "parquet_sent": sum(record.bytes_sent for record in files),
                "faults": [*hub.internal_errors, *(record.path for record in hub.requests.unrouted())],
            }
            hub.requests.clear()  # before it is answered: who reads the answer may ask the Hub at once
            _say(answer)


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
