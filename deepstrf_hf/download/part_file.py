"""The bytes of a file that is not whole yet, and what is remembered of where they came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from deepstrf_hf.download.origin import Origin


class PartFile:
    """The unfinished content of a file: ``<target>.part``, and its origin in ``<target>.part.json``.

    Parameters
    ----------
    target : Path
        The file when it is whole.

    Attributes
    ----------
    path, sidecar : Path
        The two files.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.sidecar = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self, url: str) -> Origin | None:
        """Return where the bytes came from, if it is this address and anything is there."""
        if self.size == 0 or not self.sidecar.exists():
            return None
        try:
            origin = Origin(**json.loads(self.sidecar.read_text(encoding="utf-8")))
        except (ValueError, TypeError):  # a process was killed while writing it
            return None
        return origin if origin.url == url else None

    def begin(self, origin: Origin) -> None:
        """Forget all bytes, then remember where the next ones come from."""
        # In this order: whenever it is killed, no byte is taken for one of another origin.
        with self.path.open("wb"):
            pass
        self.sidecar.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def append(self) -> BinaryIO:
        """Open it to write more."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Remove both files."""
        self.path.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)

    def become(self, target: Path) -> None:
        """Give the whole file its name."""
        self.path.replace(target)
        self.sidecar.unlink(missing_ok=True)
