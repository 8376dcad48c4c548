"""figshare: an article lists its files with size and MD5."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from deepstrf_hf.corpus import Archive
from deepstrf_hf.download.hosts.host import ApiHost, entries, entry, expected_of
from deepstrf_hf.download.transfer import Expected

FILE = re.compile(r"(?:/ndownloader)?/files/(?P<file>\d+)")


class Figshare(ApiHost):
    """``https://figshare.com/ndownloader/files/<file>``, of ``/v2/articles/<article>``; redirects to its storage.

    The address of a file does not name its article, which alone tells size and checksum: the archive declares it as
    `record`.
    """

    names = frozenset({"figshare.com", "ndownloader.figshare.com"})

    def api_url(self, archive: Archive) -> str | None:
        """Return the address of the article, where the archive names it."""
        return f"https://api.figshare.com/v2/articles/{archive.record}" if archive.record else None

    def read(self, record: Any, url: str) -> Expected:
        """Find the file by its number; the MD5 that figshare computed, else the one it was given."""
        match = FILE.fullmatch(urlsplit(url).path)
        number = None if match is None else int(match["file"])
        for file in entries(record, "files"):
            if entry(file, "id") == number:
                checksums = (("md5", entry(file, name)) for name in ("computed_md5", "supplied_md5"))
                return expected_of(entry(file, "size"), *checksums)
        return Expected()
