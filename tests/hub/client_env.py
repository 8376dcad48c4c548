"""Runs unmodified clients against a loopback Hub, each in a process of its own.

The clients read ``HF_ENDPOINT``, ``HF_HOME`` and the rest when they are imported, so a new process is the one way
that holds for every call. In the test's own process only `HfApi` with an explicit endpoint is sound (fixture
``api_for``): ``load_dataset`` keeps addresses in names bound at import, falls back to the public Hub, which costs
23 s of retries where there is no network, and caches file listings across commits.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from .server import LoopbackHub

RUNTIME = Path(__file__).with_name("client_runtime.py")
FORGOTTEN = ("HF_", "HUGGING", "DATASETS_", "TRANSFORMERS_OFFLINE")


class ClientError(RuntimeError):
    """A client's process that failed, with what it wrote."""

    def __init__(self, status: int | None, stdout: str, stderr: str) -> None:
        ending = "took too long" if status is None else f"ended with status {status}"
        super().__init__(f"the client {ending}\n{stderr}\n{stdout}")
        self.status = status
        self.stdout = stdout
        self.stderr = stderr


def client_environment(
    hub: LoopbackHub,
    home: Path,
    token: str | None = None,
    offline: bool = False,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Make the environment of a client: this one, without any trace of another Hub, proxy or cache.

    Parameters
    ----------
    hub
        The Hub to talk to.
    home
        Folder for caches and temporary files; a fresh one is a client that has never seen the Hub.
    token
        Token in the environment, as a user would have it.
    offline
        Set ``HF_HUB_OFFLINE``.
    extra
        Further variables.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(FORGOTTEN) and not name.upper().endswith("_PROXY")
    }
    path = [str(Path(__file__).parents[2]), *filter(None, [kept.get("PYTHONPATH")])]
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    kept |= {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "NO_PROXY": "*",
        "PYTHONPATH": os.pathsep.join(path),
        "TMPDIR": str(temporary),
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    if token is not None:
        kept["HF_TOKEN"] = token
    if offline:
        kept["HF_HUB_OFFLINE"] = "1"
    return kept | dict(extra or {})


def run_client(
    hub: LoopbackHub,
    code: str,
    *,
    home: Path,
    token: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    offline: bool = False,
    extra: Mapping[str, str] | None = None,
    timeout: float = 120.0,
) -> Any:
    """Run a snippet in a new process and return what it reported.

    The snippet is ordinary Python. It calls ``report(value)`` once, with anything that JSON holds, and may use
    ``attempt(function, *args, **kwargs)``, which describes an exception instead of raising it.

    Parameters
    ----------
    hub
        The Hub to talk to.
    code
        The snippet; common indentation is removed.
    home
        Folder of the client, see `client_environment`; the process also runs there.
    token, offline, extra
        See `client_environment`.
    arguments
        Variables of the snippet, of types that JSON holds.
    timeout
        Seconds after which the client is killed.

    Returns
    -------
    Any
        The reported value, ``None`` if the snippet reported nothing.

    Raises
    ------
    ClientError
        If the snippet raised or took too long; the message holds its traceback.
    """
    environment = client_environment(hub, home, token, offline, extra)
    task = json.dumps({"code": textwrap.dedent(code), "arguments": dict(arguments or {})})
    command = [sys.executable, "-c", RUNTIME.read_text(encoding="utf-8")]
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(task.encode())
        stdin.seek(0)
        process = subprocess.Popen(
            command, env=environment, cwd=home, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
        try:
            status: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end_process_group(process)
        written, complaints = (_text(stream) for stream in (stdout, stderr))
    if status != 0:
        raise ClientError(status, written, complaints)
    lines = written.splitlines()
    return json.loads(lines[-1]) if lines else None


def end_process_group(process: subprocess.Popen[bytes]) -> None:
    """End a client and the workers it may have left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(stream: IO[bytes]) -> str:
    """Read all that a process wrote."""
    stream.seek(0)
    return stream.read().decode(errors="replace")
