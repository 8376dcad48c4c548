"""Requests, answers and files: the part of the hosts that knows nothing of any one of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qs

RANGE = re.compile(r"bytes=(\d+)-(\d*)")
LAST_MODIFIED = "Tue, 01 Mar 2022 10:00:00 GMT"


@dataclass
class LabFile:
    """A file that a lab published, and what its host says of it.

    Attributes
    ----------
    content
        What is served.
    name
        File name, for records of APIs.
    published_size, published_md5, published_sha256
        What APIs and lists tell; those of the first content, whatever is served later.
    etag
        Header; ``None`` for a host that sends none.
    last_modified
        Header; ``None`` for a host that sends none.
    """

    content: bytes
    name: str
    published_size: int = 0
    published_md5: str = ""
    published_sha256: str = ""
    etag: str | None = None
    last_modified: str | None = LAST_MODIFIED

    def __post_init__(self) -> None:
        self.published_size = len(self.content)
        self.published_md5 = hashlib.md5(self.content, usedforsecurity=False).hexdigest()
        self.published_sha256 = hashlib.sha256(self.content).hexdigest()
        self.etag = f'"{self.published_md5}"'

    def replace(self, content: bytes) -> None:
        """Serve other content, under another ETag; what was published of it stays."""
        self.content = content
        self.etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        self.last_modified = "Wed, 02 Mar 2022 10:00:00 GMT"


@dataclass(frozen=True)
class LabRequest:
    """One request, body read."""

    method: str
    host: str
    path: str
    headers: Message
    body: bytes = field(default=b"", repr=False)

    @property
    def form(self) -> dict[str, str]:
        """The form in the body."""
        return {name: values[-1] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    def cookie(self, name: str) -> str | None:
        """Return a cookie."""
        cookies = dict(pair.strip().split("=", 1) for pair in self.headers.get("Cookie", "").split(";") if "=" in pair)
        return cookies.get(name)


@dataclass(frozen=True)
class Answer:
    """One answer; ``file`` is the published file that it gives, if it gives one."""

    status: int = 200
    body: bytes | memoryview = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    file: LabFile | None = None


def json_answer(payload: Any) -> Answer:
    """Answer with JSON."""
    return Answer(200, json.dumps(payload).encode(), {"Content-Type": "application/json"})


def page(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a page for people."""
    body = f"<!DOCTYPE html>\n<html><body>{text}</body></html>".encode()
    return Answer(status, body, {"Content-Type": "text/html; charset=utf-8", **(headers or {})})


def redirect(location: str, status: int = 302) -> Answer:
    """Send the client on."""
    return Answer(status, b"", {"Location": location})


def not_found() -> Answer:
    """Answer that there is nothing."""
    return page("Not Found", 404)


def file_answer(file: LabFile, request: LabRequest, *, ranges: bool = True) -> Answer:
    """Give a file, or the part of it that was asked for if it is still the file that was meant."""
    headers = {"Content-Type": "application/octet-stream"}
    if file.etag is not None:
        headers["ETag"] = file.etag
    if file.last_modified is not None:
        headers["Last-Modified"] = file.last_modified
    if not ranges:
        return Answer(200, file.content, headers, file)
    headers["Accept-Ranges"] = "bytes"
    match = RANGE.fullmatch(request.headers.get("Range", ""))
    meant = request.headers.get("If-Range")
    if match is None or meant not in (None, file.etag, file.last_modified):
        return Answer(200, file.content, headers, file)
    size = len(file.content)
    first = int(match[1])
    stop = min(int(match[2]) + 1, size) if match[2] else size
    if first >= stop:
        return Answer(416, b"", {"Content-Range": f"bytes */{size}"}, file)
    headers["Content-Range"] = f"bytes {first}-{stop - 1}/{size}"
    return Answer(206, memoryview(file.content)[first:stop], headers, file)
