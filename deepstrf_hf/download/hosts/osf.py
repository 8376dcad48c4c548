"""OSF: a file has a short id, and tells its size, MD5 and SHA-256."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.hosts.host import ApiHost, entry, expected_of
from deepstrf_hf.download.transfer import Expected

FILE = re.compile(r"/(?:download/)?(?P<guid>[a-z0-9]{5,24})(?:/download)?/?")


class Osf(ApiHost):
    """``https://osf.io/download/<id>/``, of ``https://api.osf.io/v2/files/<id>/``; redirects to its storage."""

    names = frozenset({"osf.io"})

    def api_url(self, archive: Archive) -> str | None:
        """Return the address of the file's record."""
        match = FILE.fullmatch(urlsplit(archive.url).path)
        return None if match is None else f"https://api.osf.io/v2/files/{match['guid']}/"

    def read(self, record: Any, url: str) -> Expected:
        """Read size and checksum: SHA-256 where there is one, else MD5."""
        hashes = entry(record, "data", "attributes", "extra", "hashes")
        checksums = ((name, entry(hashes, name)) for name in ("sha256", "md5"))
        return expected_of(entry(record, "data", "attributes", "size"), *checksums)
