"""Checksums as hosts publish them, and files measured against them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from deepstrf_hf.errors import ParameterError

READ_BYTES = 1 << 20
DIGEST_DIGITS = {"md5": 32, "sha256": 64, "git-blob": 40}
"""Kinds of checksum that are understood, and their hexadecimal digits; ``git-blob`` is git's object id of a file."""


def parse_checksum(checksum: str) -> tuple[str, str]:
    """Return the algorithm and the digest, lower case, of ``"<algorithm>:<hexadecimal digest>"``.

    Raises
    ------
    ParameterError
        It is not of that form, or of an unknown algorithm.
    """
    algorithm, _, digest = checksum.lower().partition(":")
    if len(digest) != DIGEST_DIGITS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digest):
        kinds = ", ".join(f"{name}:<{digits} hexadecimal digits>" for name, digits in DIGEST_DIGITS.items())
        raise ParameterError("Not a checksum", found=checksum, expected=f"one of: {kinds}")
    return algorithm, digest


def digests_of(path: Path, *algorithms: str) -> dict[str, str]:
    """Return digests of a file, hexadecimal, by algorithm; the file is read once.

    Parameters
    ----------
    path : Path
        A file.
    *algorithms : str
        Keys of `DIGEST_DIGITS`.
    """
    running = {name: _begin(name, path) for name in algorithms}
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            for digest in running.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in running.items()}


def _begin(algorithm: str, path: Path) -> Any:
    if algorithm == "git-blob":
        return hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    return hashlib.new(algorithm, usedforsecurity=False)
