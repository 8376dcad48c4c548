"""Zenodo: a record lists its files with size and MD5."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.hosts.host import ApiHost, entries, entry, expected_of
from deepstrf_hf.download.transfer import Expected

FILE = re.compile(r"(?:/api)?/records?/(?P<record>\d+)/files/(?P<key>.+?)(?:/content)?")


class Zenodo(ApiHost):
    """``https://zenodo.org/api/records/<record>/files/<key>/content``, of ``/api/records/<record>``."""

    names = frozenset({"zenodo.org"})

    def api_url(self, archive: Archive) -> str | None:
        """Return the address of the record."""
        match = FILE.fullmatch(urlsplit(archive.url).path)
        return None if match is None else f"https://zenodo.org/api/records/{match['record']}"

    def read(self, record: Any, url: str) -> Expected:
        """Find the file by its key; ``checksum`` is ``"md5:<digest>"``."""
        match = FILE.fullmatch(urlsplit(url).path)
        key = None if match is None else unquote(match["key"])
        for file in entries(record, "files"):
            if entry(file, "key") == key:
                algorithm, _, digest = str(entry(file, "checksum")).partition(":")
                return expected_of(entry(file, "size"), (algorithm, digest))
        return Expected()
