"""Ten faults at six kinds of host: what becomes of a download in each case. For the tests and for a script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.hosts import host_of
from deepstrf_hf.download.part_file import PartFile
from deepstrf_hf.download.transfer import Expected, fetch
from deepstrf_hf.errors import DownloadError

from .helpers import FullDisk, Waits, content, git_blob, names_in, session_for
from .lab_hosts.places_crcns import LOGIN_PAGE
from .lab_hosts.server import LabHosts
from .lab_hosts.wire import LabFile

SIZE = 1_000_000
CUT = 600_000
"""Bytes after which a transfer breaks off."""
PAUSE_S = 30
NEWER = content(SIZE, "newer")

HOSTS = {
    "CRCNS": "https://download.crcns.org/aa-4/BlaBro09xxF.tar.gz",
    "Zenodo": "https://zenodo.org/api/records/16175377/files/auditory_cortex_data.zip/content",
    "OSF": "https://osf.io/download/5nxga/",
    "figshare": "https://figshare.com/ndownloader/files/55083911",
    "DRUM": "https://drum.lib.umd.edu/bitstreams/24d4a3a9-1c5b-4d0e-9c5e-0b6f9a3c1d2e/download",
    "GitHub": "https://raw.githubusercontent.com/monzilur/DNet/9a1f0c3b5d7e9a1f0c3b5d7e9a1f0c3b5d7e9a1f/test_data_5ms.mat",
}
"""Kinds of host, and an address of each."""
RECORDS = {HOSTS["figshare"]: "29203457"}
"""What the host calls the record of an address that does not name it."""


def _truncated(lab: LabHosts, file: LabFile) -> None:
    lab.fail("truncated", file, after_bytes=CUT)


def _whole_for_a_range(lab: LabHosts, file: LabFile) -> None:
    lab.fail("truncated", file, after_bytes=CUT)
    lab.fail("no_ranges", file)


def _changed(lab: LabHosts, file: LabFile) -> None:
    lab.fail("truncated", file, after_bytes=CUT, then=lambda: file.replace(NEWER))


def _too_many_requests(lab: LabHosts, file: LabFile) -> None:
    lab.fail("answer", file, status=429, headers={"Retry-After": str(PAUSE_S)})


def _unavailable(lab: LabHosts, file: LabFile) -> None:
    lab.fail("answer", file, status=503, times=2)


def _login_page(lab: LabHosts, file: LabFile) -> None:
    lab.fail("answer", file, headers={"Content-Type": "text/html"}, content=LOGIN_PAGE.encode())


def _stall(lab: LabHosts, file: LabFile) -> None:
    lab.fail("stall", file, after_bytes=CUT)


def _wrong_length(lab: LabHosts, file: LabFile) -> None:
    lab.fail("content", file, content=file.content + b"one more line", times=None)


def _reset(lab: LabHosts, file: LabFile) -> None:
    lab.fail("reset", file, after_bytes=CUT)


def _nothing(lab: LabHosts, file: LabFile) -> None:
    """Ask for nothing: the disk is at fault, not the host."""


FAULTS: dict[str, Callable[[LabHosts, LabFile], None]] = {
    "truncated body": _truncated,
    "200 for a Range": _whole_for_a_range,
    "changed ETag": _changed,
    "429 with Retry-After": _too_many_requests,
    "503": _unavailable,
    "HTML login with 200": _login_page,
    "stall": _stall,
    "wrong length": _wrong_length,
    "connection reset": _reset,
    "disk full": _nothing,
}
"""Faults, each with what asks for it."""


@dataclass(frozen=True)
class Cell:
    """What became of one download.

    Attributes
    ----------
    error
        What it was refused with; ``None`` where it was taken.
    requests, resumed_from
        As in `Fetched`; 0 where it was refused.
    waited_s
        All waits together, s.
    bad
        Whether a file was taken that is not, byte for byte, the one that the host has.
    left
        Files that were there afterwards, by name.
    second_is_good
        Whether after the next download, without the fault, there was the file and nothing else.
    """

    error: DownloadError | None
    requests: int
    resumed_from: int
    waited_s: float
    bad: bool
    left: tuple[str, ...]
    second_is_good: bool

    def __str__(self) -> str:
        if self.error is not None:
            kept = " (part kept)" if any(name.endswith(".part") for name in self.left) else ""
            return f"refused: {self.error.problem.rstrip('.')}{kept}"
        how = f", continued at {self.resumed_from:,}" if self.resumed_from else ""
        waited = f", waited {self.waited_s:.0f} s" if self.waited_s else ""
        return f"whole after {self.requests} request{'s' * (self.requests > 1)}{how}{waited}"


def run_cell(lab: LabHosts, host: str, fault: str, directory: Path) -> Cell:
    """Download from a kind of host with a fault, then once more without it.

    Parameters
    ----------
    lab
        The hosts, led to by `reach`.
    host, fault
        Keys of `HOSTS` and `FAULTS`.
    directory
        Where to; nothing else is in it.
    """
    url = HOSTS[host]
    target = directory / "archive"
    file = lab.publish(url, content(SIZE, host))
    waits = Waits()
    with session_for(url, waits) as session:
        expected = (
            host_of(url).published(session, [Archive("archive", url, record=RECORDS.get(url))]).files.get("archive")
        )
        if expected is None:  # a Git host: what the corpus declares
            expected = Expected(None, git_blob(file.content))
        FAULTS[fault](lab, file)
        error = fetched = None
        append = PartFile.append
        full_disk = mock.patch.object(PartFile, "append", lambda part: FullDisk(append(part), CUT))
        try:
            if fault == "disk full":
                with full_disk:
                    fetched = fetch(session, url, target, expected)
            else:
                fetched = fetch(session, url, target, expected)
        except DownloadError as refused:
            error = refused
        bad = target.exists() and target.read_bytes() != file.content
        left = tuple(names_in(directory))
        lab.faults.clear()
        if error is not None:  # what is refused until the host has again what it published
            file.replace(content(SIZE, host))
        fetch(session, url, target, expected)
    return Cell(
        error,
        fetched.requests if fetched else 0,
        fetched.resumed_from if fetched else 0,
        sum(waits),
        bad,
        left,
        second_is_good=(target.read_bytes(), names_in(directory)) == (file.content, ["archive"]),
    )
