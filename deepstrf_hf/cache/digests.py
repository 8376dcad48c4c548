"""Contents of files by their SHA-256, without reading a file again that stayed as it was."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deepstrf_hf.raw_tree import sha256_of

FINE_TICK_NS, COARSE_TICK_NS = 10**8, 2 * 10**9
"""How long after a change a second one may still get the same time stamp: file systems with fine and with whole-second
(FAT: two-second) stamps. Git calls such files racily clean."""


def state_of(path: Path) -> list[int]:
    """Return what changes when somebody writes to a file or puts another in its place."""
    found = path.stat()
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


class FileDigests:
    """SHA-256 of files, kept in a small index while the files stay as they are.

    Parameters
    ----------
    directory : Path
        Of the indexes; one for every list of files that was asked for.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, paths: Sequence[Path]) -> list[str]:
        """Return the SHA-256 of files, in order.

        Raises
        ------
        OSError
            A file cannot be read.
        """
        names = [str(path.absolute()) for path in paths]
        index = self._directory / f"{hashlib.sha256(json.dumps(names).encode()).hexdigest()}.json"
        known = _read(index)
        states = [state_of(path) for path in paths]
        digests = [
            known[name]["sha256"] if name in known and known[name]["state"] == state else None
            for name, state in zip(names, states, strict=True)
        ]
        unknown = [number for number, digest in enumerate(digests) if digest is None]
        if unknown:
            begun = time.time_ns()
            with ThreadPoolExecutor(max_workers=2) as pool:  # hashing leaves Python's lock
                found = pool.map(lambda number: sha256_of(paths[number]), unknown)
            for number, digest in zip(unknown, found, strict=True):
                digests[number] = digest
                if _settled(states[number], begun) and state_of(paths[number]) == states[number]:
                    known[names[number]] = {"state": states[number], "sha256": digest}
            _write(index, {name: known[name] for name in names if name in known})
        return [str(digest) for digest in digests]


def _settled(state: Sequence[int], now_ns: int) -> bool:
    """Return whether a later change of a file would show in its time stamps."""
    newest = max(state[-2:])
    tick = FINE_TICK_NS if newest % 10**9 else COARSE_TICK_NS
    return newest + tick < now_ns


def _read(index: Path) -> dict[str, Any]:
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        return {
            name: {"state": list(entry["state"]), "sha256": str(entry["sha256"])} for name, entry in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # absent or broken: hashes are taken again
        return {}


def _write(index: Path, content: dict[str, Any]) -> None:
    index.parent.mkdir(parents=True, exist_ok=True)
    own = index.with_name(f".{index.name}.{os.getpid()}.{time.time_ns()}")
    try:
        own.write_text(json.dumps(content), encoding="utf-8")
        own.replace(index)
    finally:
        own.unlink(missing_ok=True)
