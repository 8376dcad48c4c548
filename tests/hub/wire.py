"""Requests, answers and routes: the part of HTTP that knows nothing of repositories."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from io import BufferedIOBase
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlencode

from .errors import HubError

if TYPE_CHECKING:
    from .accounts import User
    from .server import LoopbackHub

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Request:
    """One request, body read and user known."""

    hub: LoopbackHub
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Message
    body: bytes = field(repr=False)
    user: User | None

    def parameter(self, name: str, default: str = "") -> str:
        """Return the last value of a query parameter."""
        return self.query.get(name, [default])[-1]

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter is set to something true."""
        return self.parameter(name).lower() in {"1", "true"}

    def json(self) -> dict[str, Any]:
        """Parse a body that must be a JSON object."""
        try:
            payload = json.loads(self.body or b"{}")
        except ValueError as error:
            raise HubError(400, f"Invalid JSON: {error}") from error
        if not isinstance(payload, dict):
            raise HubError(400, "Expected a JSON object")
        return payload

    def form(self) -> dict[str, list[str]]:
        """Parse a body that is a form or a JSON object, each field as a list."""
        if "json" in self.headers.get("Content-Type", ""):
            return {name: value if isinstance(value, list) else [value] for name, value in self.json().items()}
        return parse_qs(self.body.decode(), keep_blank_values=True)

    def link_to_next(self, cursor: int) -> dict[str, str]:
        """Make the ``Link`` header that leads to the page which begins at ``cursor``."""
        query = {**self.query, "cursor": [str(cursor)]}
        return {"Link": f'<{self.hub.endpoint}{self.path}?{urlencode(query, doseq=True)}>; rel="next"'}

    def page(self, items: list[Any], size: int) -> Response:
        """Answer one page of a list and, when there are more, the link to the next one."""
        start = int(self.parameter("cursor", "0"))
        more = start + size < len(items)
        return json_response(items[start : start + size], headers=self.link_to_next(start + size) if more else {})


@dataclass(frozen=True)
class Response:
    """One answer; ``body`` may be a view of a blob."""

    status: int = 200
    body: bytes | memoryview = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[..., Response]


@dataclass(frozen=True)
class Route:
    """A method, a path template, and the function that answers."""

    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler


class Router:
    """Routes in the order in which they are tried."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def add(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """Register a function for a template.

        ``{repository}`` matches ``namespace/name``, ``{path}`` everything that is left, any other name one segment.
        """
        expressions = {"repository": "[^/]+(?:/[^/]+)?", "path": ".+"}
        pieces = re.split(r"\{(\w+)\}", template)
        names = [f"(?P<{name}>{expressions.get(name, '[^/]+')})" for name in pieces[1::2]]
        pattern = "".join(map("".join, zip_longest(map(re.escape, pieces[::2]), names, fillvalue="")))

        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, template, re.compile(pattern), handler))
            return handler

        return register

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Find the route of a quoted path; the parameters come back unquoted."""
        for route in self.routes:
            if route.method == method and (match := route.pattern.fullmatch(path)):
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        return None


def json_response(payload: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    body = json.dumps(payload).encode()
    return Response(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def error_response(error: HubError) -> Response:
    """Answer with the status, the JSON and the headers of an error."""
    headers = {"X-Error-Message": error.message.encode("ascii", "replace").decode(), **error.headers}
    if error.code is not None:
        headers["X-Error-Code"] = error.code
    return json_response(error.payload, error.status, headers)


def content_response(content: bytes, requested: str | None, headers: Mapping[str, str]) -> Response:
    """Answer with some bytes, or with the one range of them that was asked for.

    Parameters
    ----------
    content
        The whole content.
    requested
        The ``Range`` header; anything but a single range of bytes is ignored, as the protocol allows.
    headers
        Further headers.
    """
    size = len(content)
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **headers}
    match = _RANGE.fullmatch((requested or "").replace(" ", ""))
    if match is None or not any(match.groups()):
        return Response(200, memoryview(content), headers)
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if start >= min(stop, size):
        raise HubError(416, "Range Not Satisfiable", headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Response(206, memoryview(content)[start:stop], headers)


def read_body(stream: BufferedIOBase, headers: Message) -> bytes:
    """Read the body of a request, sent with a length or in chunks."""
    if "chunked" not in headers.get("Transfer-Encoding", "").lower():
        expected = int(headers.get("Content-Length") or 0)
        body = stream.read(expected)
        if len(body) < expected:
            raise ConnectionError("the client left in the middle of a body")
        return body
    chunks = []
    while line := stream.readline().split(b";")[0].strip():
        size = int(line, 16)
        if size == 0:
            break
        chunks.append(stream.read(size))
        stream.readline()
    else:
        raise ConnectionError("the client left in the middle of a body")
    while stream.readline().strip():
        continue
    return b"".join(chunks)
