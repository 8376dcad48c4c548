"""How clients get to the hosts of the loopback: names lead there, and names that are not there lead nowhere.

`reach` is for the test's own process; a child process gets `child_environment` and is started with `run`::

    subprocess.Popen([sys.executable, "-m", "tests.download.lab_hosts.run", "deepstrf_hf.cli", "download", ...],
                     env=child_environment(lab, home))
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from urllib3.util import connection as urllib3_connection

if TYPE_CHECKING:
    from .server import LabHosts

VARIABLE = "DEEPSTRF_TEST_LAB_HOSTS"
"""Of a child process: port and hosts, as JSON."""
FORGOTTEN = ("CRCNS_", "DEEPSTRF_OFFLINE", "HF_", "CURL_CA_BUNDLE", "PYTHON_KEYRING")


def connector(port: int, hosts: Callable[[], Set[str]]) -> Callable[..., socket.socket]:
    """Make a stand-in for urllib3's ``create_connection`` that knows these hosts, and only their port for https."""
    connect = urllib3_connection.create_connection

    def connect_to_loopback(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        host, wanted_port = address
        if host not in hosts() or wanted_port != 443:
            raise socket.gaierror(socket.EAI_NONAME, f"{host}:{wanted_port} is not a host of this test")
        return connect(("127.0.0.1", port), *args, **kwargs)

    return connect_to_loopback


def client_variables(ca_file: Path) -> dict[str, str]:
    """Return the environment of a client: this one without proxies, logins and other authorities."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(FORGOTTEN) and not name.upper().endswith("_PROXY")
    }
    return kept | {
        "NO_PROXY": "*",
        "REQUESTS_CA_BUNDLE": str(ca_file),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


@contextmanager
def reach(lab: LabHosts) -> Iterator[None]:
    """Lead all requests of this process to the loopback."""
    with (
        mock.patch.dict(os.environ, client_variables(lab.ca_file), clear=True),
        mock.patch.object(urllib3_connection, "create_connection", connector(lab.port, lambda: lab.hosts)),
    ):
        yield


def child_environment(lab: LabHosts, home: Path) -> dict[str, str]:
    """Make the environment of a child process that is started with ``python -m tests.download.lab_hosts.run``.

    Parameters
    ----------
    lab
        The hosts; everything must be published before.
    home
        Folder for caches and temporary files.
    """
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    variables = client_variables(lab.ca_file)
    path = [str(Path(__file__).parents[3]), *filter(None, [variables.get("PYTHONPATH")])]
    return variables | {
        VARIABLE: json.dumps({"port": lab.port, "hosts": sorted(lab.hosts)}),
        "PYTHONPATH": os.pathsep.join(path),
        "TMPDIR": str(temporary),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
    }


def reach_from_child() -> None:
    """Lead all requests of this process to the hosts that its environment names."""
    task = json.loads(os.environ[VARIABLE])
    hosts = frozenset(task["hosts"])
    urllib3_connection.create_connection = connector(task["port"], lambda: hosts)
