"""Which file at a host some bytes belong to, and whether further ones belong to the same (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deepstrf_hf.download.replies import Reply

CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
NO_SUCH_RANGE = re.compile(r"bytes \*/(\d+)")


@dataclass(frozen=True)
class Origin:
    """What bytes of a file belong to.

    Parameters
    ----------
    url : str
        Address that was asked.
    etag, last_modified : str or None
        Of the file there; only an ETag that promises equal bytes.
    size_bytes : int or None
        Of the whole file, where the host says it.
    """

    url: str
    etag: str | None
    last_modified: str | None
    size_bytes: int | None

    @classmethod
    def of(cls, url: str, reply: Reply) -> Origin:
        """Make it from an answer that gives the file, or a part of it that says the size of the whole."""
        size = reply.length
        if reply.status == 206:
            match = CONTENT_RANGE.fullmatch(reply.header("Content-Range") or "")
            size = None if match is None else int(match[3])
        return cls(url, reply.strong_etag, reply.header("Last-Modified"), size)

    @property
    def validator(self) -> str | None:
        """What ``If-Range`` compares; None where nothing tells this file from a later one."""
        return self.etag or self.last_modified

    def asking_for(self, places: str) -> dict[str, str]:
        """Return the headers that ask for a part of this very file.

        Parameters
        ----------
        places : str
            First byte, hyphen, and last byte or nothing.
        """
        headers = {"Range": f"bytes={places}"}
        if self.validator is not None:
            headers["If-Range"] = self.validator
        return headers

    def continues_at(self, first: int, reply: Reply) -> bool:
        """Tell whether an answer gives bytes of this file, from byte number ``first`` on."""
        match = CONTENT_RANGE.fullmatch(reply.header("Content-Range") or "")
        return (
            reply.status == 206
            and match is not None
            and int(match[1]) == first
            and self.size_bytes in (None, int(match[3]))
            and (self.etag is None or reply.strong_etag in (None, self.etag))
        )

    def ends_at(self, size: int, reply: Reply) -> bool:
        """Tell whether an answer with status 416 says that the file has no more than ``size`` bytes."""
        match = NO_SUCH_RANGE.fullmatch(reply.header("Content-Range") or "")
        return match is not None and int(match[1]) == size
