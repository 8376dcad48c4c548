"""Whether files fetched from the Hub are what the Hub states: its client keeps each under the digest of its content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from deepstrf_hf.errors import HubError

SHA256 = re.compile(r"[0-9a-f]{64}")
FETCH_AGAIN = "remove the repository from the cache of the Hub's client (`hf cache rm`) and fetch it again"


def stated_sha256(path: Path) -> str | None:
    """Return the SHA-256 under which the Hub's client keeps a file.

    The client's cache is ``snapshots/<commit>/<name>``, links to ``blobs/<digest>``; of files in LFS, such as all our
    tables, the digest is the SHA-256 that the Hub states.

    Parameters
    ----------
    path : Path
        File in a snapshot.

    Returns
    -------
    str or None
        Hexadecimal; None where the cache holds copies instead of links (file systems without them).
    """
    blob = path.resolve()
    return blob.name if blob.parent.name == "blobs" and SHA256.fullmatch(blob.name) else None


def altered_files(digests: Mapping[Path, str]) -> list[Path]:
    """Return the files whose content is not what the Hub states.

    Parameters
    ----------
    digests : mapping of Path to str
        SHA-256 of the content of files in a snapshot.
    """
    return [path for path, digest in digests.items() if stated_sha256(path) not in (None, digest)]


def refuse_altered(digests: Mapping[Path, str]) -> None:
    """Refuse files whose content is not what the Hub states (arguments as in `altered_files`).

    Raises
    ------
    HubError
        Naming one.
    """
    for path in altered_files(digests):
        raise HubError(
            "A file that was fetched is not what the Hub states",
            path=path,
            field="SHA-256",
            found=digests[path],
            expected=stated_sha256(path),
            mend=FETCH_AGAIN,
        )
