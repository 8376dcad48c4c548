"""Show what becomes of downloads that meet faults, and how fast they are beside curl; all on this machine.

    python scripts/download_faults.py                     ten faults at six kinds of host, as a Markdown table
    python scripts/download_faults.py --throughput [--megabytes 512] [--directory DIRECTORY]

The hosts are those of ``tests/download/lab_hosts``. Waits between tries are counted, not made.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where `tests` lies, when run as a file

from urllib3.util import connection as urllib3_connection

from deepstrf_hf.download.sessions import HostSession
from deepstrf_hf.download.transfer import Expected, fetch
from tests.download.fault_table import FAULTS, HOSTS, Cell, run_cell
from tests.download.lab_hosts.reach import client_variables, connector, reach
from tests.download.lab_hosts.server import LabHosts

HOST = "lab.example"
TRIES = 3
"""Of which the best counts."""


def fault_table() -> int:
    """Print the table and return how many bad files were taken."""
    cells: dict[tuple[str, str], Cell] = {}
    for fault in FAULTS:
        for host in HOSTS:
            with tempfile.TemporaryDirectory() as directory:
                target = Path(directory) / "data"
                target.mkdir()
                with LabHosts(Path(directory)) as lab, reach(lab):
                    cells[fault, host] = run_cell(lab, host, fault, target)
    print(f"| fault | {' | '.join(HOSTS)} |")
    print("|---" * (len(HOSTS) + 1) + "|")
    for fault in FAULTS:
        print(f"| {fault} | {' | '.join(str(cells[fault, host]) for host in HOSTS)} |")
    bad = sum(cell.bad for cell in cells.values())
    left = sum(cell.error is not None and any(not name.startswith("archive.part") for name in cell.left)
               for cell in cells.values())  # fmt: skip
    good = sum(cell.second_is_good for cell in cells.values())
    print(f"\nBad files taken: {bad} of {len(cells)}. Refused, but something other than a part left: {left}.")
    print(f"Whole and alone in its directory after the next download without the fault: {good} of {len(cells)}.")
    return bad


def serve(directory: str, tls: bool, size: int, pipe: Connection) -> None:
    """Give one file, in a process of its own, until the other end says something."""
    with LabHosts(Path(directory), tls=tls) as lab:
        url = f"https://{HOST}/file" if tls else f"http://127.0.0.1:{lab.port}/file"
        lab.publish(url, hashlib.shake_256(b"throughput").digest(size))
        pipe.send((lab.port, str(lab.ca_file), url))
        pipe.recv()


class AnySession(HostSession):
    """A session that also takes http, to measure what TLS costs."""

    def see_that_it_may_be_asked(self, url: str) -> None:
        """Take it."""


def best(action: Callable[[], object], target: Path) -> float:
    """Return the shortest of some times, s, each from nothing."""
    times = []
    for _ in range(TRIES):
        target.unlink(missing_ok=True)
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return min(times)


def throughput(megabytes: int, directory: Path | None) -> None:
    """Print how fast one file comes, with curl and with ours."""
    size = megabytes * 1_000_000
    print(f"{megabytes} MB from a server in another process on the loopback, best of {TRIES}, MB/s:\n")
    print("| | https | http |\n|---|---|---|")
    rows: dict[str, list[str]] = {}
    for tls in (True, False):
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            target = Path(scratch) / "file"
            ours, theirs = multiprocessing.get_context("spawn").Pipe()
            server = multiprocessing.get_context("spawn").Process(target=serve, args=(scratch, tls, size, theirs))
            server.start()
            port, ca_file, url = ours.recv()
            for name, seconds in measured(port, Path(ca_file), url, target, size).items():
                rows.setdefault(name, []).append(f"{megabytes / seconds:.0f}")
            ours.send("enough")
            server.join()
    for name, speeds in rows.items():
        print(f"| {name} | {' | '.join(speeds)} |")


def measured(port: int, ca_file: Path, url: str, target: Path, size: int) -> dict[str, float]:
    """Return times, s, by what was measured."""
    curl = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--output", str(target)]
    curl += ["--cacert", str(ca_file), "--connect-to", f"{HOST}:443:127.0.0.1:{port}", url]
    last_byte: list[float] = []

    def run_curl() -> None:
        subprocess.run(curl, check=True)

    def run_curl_and_check() -> None:
        run_curl()
        subprocess.run(["sync", str(target)], check=True)
        subprocess.run(["sha256sum", str(target)], check=True, stdout=subprocess.DEVNULL)

    def run_ours() -> None:
        begin = time.perf_counter()
        ends: list[float] = []

        def progress(there: int) -> None:
            if there == size:
                ends.append(time.perf_counter() - begin)

        with AnySession() as session:
            fetch(session, url, target, Expected(size), progress=progress)
        last_byte.append(ends[0])

    connect = connector(port, lambda: {HOST}) if url.startswith("https") else urllib3_connection.create_connection
    with (
        mock.patch.dict(os.environ, client_variables(ca_file), clear=True),
        mock.patch.object(urllib3_connection, "create_connection", connect),
    ):
        whole = best(run_ours, target)
    return {
        "curl": best(run_curl, target),
        "ours, to the last byte": min(last_byte),
        "curl, then sync and sha256sum": best(run_curl_and_check, target),
        "ours, with fsync and SHA-256 read back": whole,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--throughput", action="store_true", help="measure against curl instead")
    parser.add_argument("--megabytes", type=int, default=512, help="size of the file")
    parser.add_argument("--directory", type=Path, help="where the file is written; the system's for temporary files")
    options = parser.parse_args(arguments)
    if options.throughput:
        throughput(options.megabytes, options.directory)
        return 0
    return min(fault_table(), 1)


if __name__ == "__main__":
    raise SystemExit(main())
