"""Section `push`: pushing to, streaming and loading from a loopback Hub: time, and bytes on the wire.

The Hub is a server in a process of its own on the same machine, every client one with an empty cache: no distance, no
proxies, and a server written in Python, so that times are bounds from below for requests and from above for bandwidth.
Bytes and requests are those of any Hub that stores files whole.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts.benchmarks.hub_corpus import REPORT, Built, made_up, with_one_site_changed
from scripts.benchmarks.hub_report import markdown_of
from scripts.benchmarks.hub_server import OWNER, TOKEN, HubProcess
from scripts.benchmarks.job import JobFailedError
from scripts.benchmarks.section import Report, Request

DESCRIPTION = "the Hub: push, stream, partial reads and load against a loopback Hub; time and bytes on the wire"
PARTS = ("push", "stream", "fetch", "load")
REPOSITORY = f"{OWNER}/corpus"
SMALL_READS = {"hf": {"block_size": 2**16}}
WORKERS = (0, 2)
TIMEOUT_S = 3600.0


def add_arguments(parser: ArgumentParser) -> None:
    """Add what this section alone can be asked."""
    parser.add_argument("--built", type=Path, metavar="DIRECTORY", help="a built corpus; a made-up one if not given")


def run(request: Request) -> Report:
    """Push a build, and read it back in every way."""
    report = Report("", {})
    if request.built is not None and not (request.built / REPORT).is_file():
        raise JobFailedError(f"{request.built} has no {REPORT}: it is not what deepstrf-hf build writes")
    with tempfile.TemporaryDirectory() as temporary, HubProcess() as hub:
        built = made_up(request.scratch, request.size) if request.built is None else Built.of(request.built.resolve())
        report.figures["built"] = built.amounts()
        try:
            _measure(_Clients(hub, Path(temporary)), built, request.parts, report.figures)
        except JobFailedError as error:
            report.faults.append(str(error))
    report.markdown = markdown_of(report.figures, request.is_measurement)
    return report


class _Clients:
    """Clients of a Hub, each in a process of its own.

    Parameters
    ----------
    hub : HubProcess
        The Hub.
    place : Path
        For their caches.
    """

    def __init__(self, hub: HubProcess, place: Path) -> None:
        self.place = place
        self._hub, self._number = hub, 0

    def run(self, job: str, home: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Run a function of `scripts.benchmarks.hub_jobs`; return what it returned, and what went over the wire.

        Parameters
        ----------
        job : str
            Name of the function.
        home : str, optional
            Name of the client's cache; a fresh one if not given.
        **arguments
            Of the function.

        Raises
        ------
        JobFailedError
            It failed.
        """
        from tests.hub.client_env import ClientError, run_client

        print(f"hub: {job} {_shown(arguments)}", file=sys.stderr, flush=True)
        self._number += 1
        own = self.place / (home or f"client{self._number}")
        own.mkdir(exist_ok=True)
        address: Any = SimpleNamespace(endpoint=self._hub.endpoint)
        self._hub.counted()
        try:
            answer = run_client(
                address,
                f"from scripts.benchmarks import hub_jobs\nreport(hub_jobs.{job}(**arguments))",
                home=own,
                token=TOKEN,
                arguments={"arguments": arguments},
                extra={"DEEPSTRF_CACHE_DIR": str(own / "grids")},
                timeout=TIMEOUT_S,
            )
        except ClientError as error:
            raise JobFailedError(f"{job} {arguments} failed: {error}") from error
        return {**answer, "wire": self._hub.counted()}


def _shown(arguments: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in arguments.items() if name not in ("repository", "directory"))


def _measure(clients: _Clients, built: Built, parts: tuple[str, ...], figures: dict[str, Any]) -> None:
    """Run all jobs; answers go into `figures`."""
    first = clients.run("push", directory=str(built.directory), repository=REPOSITORY)
    what = {"repository": REPOSITORY, "config": built.config}
    if "stream" in parts:
        figures["stream"] = streamed = {job: clients.run(job, **what) for job in ("first_row", "first_item")}
        for job in ("rows_of_datasets", "rows_of_ours"):
            streamed[job] = {str(workers): clients.run(job, **what, workers=workers) for workers in WORKERS}
    if "fetch" in parts:
        figures["fetch"] = {
            name: {**clients.run("fetch", **what, options=options), "options": options}
            for name, options in _ways(built).items()
        }
    if "load" in parts:
        figures["load"] = {name: clients.run("load", **what, home="loader") for name in ("cold", "warm")}
    if "push" in parts:  # last: what is read above is the first push
        figures["push"] = {"first": first}
        figures["push"]["repeated"] = clients.run("push", directory=str(built.directory), repository=REPOSITORY)
        changed, n_bytes = with_one_site_changed(built, clients.place / "changed")
        again = clients.run("push", directory=str(changed.directory), repository=REPOSITORY)
        figures["push"]["one site changed"] = {**again, "changed_file_bytes": n_bytes}


def _ways(built: Built) -> dict[str, dict[str, Any]]:
    """Return options of `load_dataset` by what they are called in the report."""
    ways: dict[str, dict[str, Any]] = {"whole": {}, 'columns=["response"]': {"columns": ["response"]}}
    place = built.rarest_place()
    if place is not None:
        ways[f"filters: {place[0]} == {place[1]}"] = {"filters": [[place[0], "==", place[1]]]}
    small = {f"{name}, small reads": {**options, "storage_options": SMALL_READS} for name, options in ways.items()}
    return {**ways, **small}
