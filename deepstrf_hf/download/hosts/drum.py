"""DRUM, the repository of the University of Maryland (DSpace 7): a bitstream tells its size and checksum."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.hosts.host import ApiHost, entry, expected_of
from deepstrf_hf.download.transfer import Expected

FILE = re.compile(r"/bitstreams/(?P<uuid>[0-9a-f-]{36})/download")


class Drum(ApiHost):
    """``https://drum.lib.umd.edu/bitstreams/<uuid>/download``, of ``/server/api/core/bitstreams/<uuid>``."""

    names = frozenset({"drum.lib.umd.edu"})

    def api_url(self, archive: Archive) -> str | None:
        """Return the address of the bitstream's record."""
        match = FILE.fullmatch(urlsplit(archive.url).path)
        return None if match is None else f"https://drum.lib.umd.edu/server/api/core/bitstreams/{match['uuid']}"

    def read(self, record: Any, url: str) -> Expected:
        """Read size and checksum; the algorithm is written as ``"MD5"``."""
        checksum = (entry(record, "checkSum", "checkSumAlgorithm"), entry(record, "checkSum", "value"))
        return expected_of(entry(record, "sizeBytes"), checksum)
