"""What hosts answer: the head, and the body as it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import TracebackType
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from deepstrf_hf.download.retries import PassingError
from deepstrf_hf.errors import DownloadError

BLOCK_BYTES = 1 << 17
"""Read at a time; no more than this is lost when a connection breaks."""
HEAD_BYTES = 4096
"""Looked at to tell a page from a file."""
PAGE_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|form)", re.IGNORECASE)


class Reply:
    """One answer of a host, whose body is read once, from its beginning.

    Parameters
    ----------
    response : requests.Response
        Made with ``stream=True``; its body has not been touched.
    url : str
        What answered, after all redirects.

    Attributes
    ----------
    status : int
        HTTP status.
    """

    def __init__(self, response: requests.Response, url: str) -> None:
        self._response = response
        self._ahead = b""
        self.url = url
        self.status = response.status_code

    def __enter__(self) -> Reply:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection, which is kept for the next request if the body was read to its end."""
        self._response.close()

    @property
    def host(self) -> str:
        """Name of the host that answered."""
        return urlsplit(self.url).netloc

    def header(self, name: str) -> str | None:
        """Return a header; None where there is none."""
        return self._response.headers.get(name)

    @property
    def length(self) -> int | None:
        """Length of the body, bytes; None where the host does not say."""
        text = (self.header("Content-Length") or "").strip()
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def is_chunked(self) -> bool:
        """Whether the end of the body is marked, so that a body which was cut short shows."""
        return "chunked" in (self.header("Transfer-Encoding") or "").lower()

    @property
    def strong_etag(self) -> str | None:
        """The ETag, where equal ones promise equal bytes (RFC 9110, section 8.8.1)."""
        etag = self.header("ETag")
        return etag if etag and etag.startswith('"') else None

    def is_page(self) -> bool:
        """Tell whether this is a page for people, where a file was expected."""
        if "html" in (self.header("Content-Type") or "").lower():
            return True
        # What begins in the middle of a file may look like anything.
        return self.status != requests.codes.partial_content and PAGE_BEGINS.match(self._head()) is not None

    def _head(self) -> bytes:
        """Return the first bytes of the body, which stay to be read."""
        while len(self._ahead) < HEAD_BYTES and (block := self._read()):
            self._ahead += block
        return self._ahead

    def blocks(self) -> Iterator[bytes]:
        """Yield the body.

        Raises
        ------
        PassingError
            The connection broke, nothing came for too long, or the body ended early.
        """
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            yield ahead
        while block := self._read():
            yield block

    def content(self, largest: int) -> bytes:
        """Return the whole body.

        Parameters
        ----------
        largest : int
            Bytes that it may have.

        Raises
        ------
        DownloadError
            It is larger.
        PassingError
            As in `blocks`.
        """
        body = b""
        for block in self.blocks():
            body += block
            if len(body) > largest:
                raise DownloadError(f"The answer of {self.host} is too long", expected=f"at most {largest:,} bytes")
        return body

    def _read(self) -> bytes:
        try:
            return self._response.raw.read(BLOCK_BYTES, decode_content=False)
        except ReadTimeoutError:
            reason = f"{self.host} sent nothing for too long"
        except (HTTPError, OSError) as error:
            reason = f"the connection to {self.host} broke in the middle of the file ({type(error).__name__})"
        raise PassingError(reason)  # outside: what was caught must not hang at it


def shown(url: str) -> str:
    """Return an address for people: without a user, a query or a fragment, which may hold what gives access."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"
