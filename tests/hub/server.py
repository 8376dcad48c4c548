"""The loopback Hub itself: a server on 127.0.0.1 that tests start, inspect and make fail."""

from __future__ import annotations

import re
import socket
import threading
import traceback
from collections.abc import Callable, Iterable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from . import routes_content, routes_repositories, routes_uploads
from .accounts import Accounts, User
from .errors import HubError
from .records import Fault, FaultPlan, RequestLog, RequestRecord
from .storage import Repository
from .wire import Request, Response, Router, error_response, read_body

CHUNK_BYTES = 64 * 1024


class LoopbackHub:
    """A Hub for dataset repositories in the memory of the test's process.

    Parameters
    ----------
    page_size
        Entries per page of a listing; make it small to see that a client follows the pages.

    Attributes
    ----------
    endpoint
        What ``HF_ENDPOINT`` must be; known once the Hub is entered.
    repositories
        Repositories by identifier, to inspect and to change behind the clients' back.
    requests
        Log of every request.
    before_commit
        Function called once with the repository, just before the next commit is applied.
    internal_errors
        Tracebacks of faults of the Hub itself; a test should find none.
    """

    def __init__(self, page_size: int = 1000) -> None:
        self.page_size = page_size
        self.endpoint = ""
        self.repositories: dict[str, Repository] = {}
        self.accounts = Accounts()
        self.requests = RequestLog()
        self.faults = FaultPlan()
        self.tickets: dict[str, tuple[Repository, str]] = {}
        self.before_commit: Callable[[Repository], object] | None = None
        self.internal_errors: list[str] = []
        self.router = Router()
        for part in (routes_uploads, routes_content, routes_repositories):
            self.router.routes.extend(part.router.routes)
        self._server: _Server | None = None

    def __enter__(self) -> LoopbackHub:
        """Start to listen on a free port."""
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="loopback-hub", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to listen and drop every connection."""
        if self._server is not None:
            self._server.shutdown()
            self._server.drop_connections()
            self._server.server_close()
            self._server = None

    def add_user(self, name: str, token: str, orgs: Iterable[str] = (), role: str = "write") -> User:
        """Make a user known; ``role="read"`` gives a token that may not write."""
        return self.accounts.add(User(name, token, tuple(orgs), role))

    def add_repository(self, identifier: str, private: bool = False, gated: str | bool = False) -> Repository:
        """Make a repository without any request; fill it with ``commit``."""
        repository = Repository(identifier, private, gated)
        self.repositories[identifier] = repository
        return repository

    def fail_next(
        self,
        method: str,
        path_regex: str,
        status: int | None = None,
        times: int = 1,
        close: bool = False,
        after_bytes: int | None = None,
        applied: bool = False,
        message: str = "This fault was asked for",
    ) -> None:
        """Make the next requests fail that have this method and whose path (unquoted, no query) matches.

        Parameters
        ----------
        method
            ``"GET"``, ``"HEAD"``, ``"POST"``, ``"PUT"`` or ``"DELETE"``.
        path_regex
            Regular expression searched in the path.
        status
            Answer with this status.
        times
            How many requests fail.
        close
            Drop the connection without any answer.
        after_bytes
            Send this much of the true body, then drop the connection.
        applied
            Do what was asked, and only then fail: the answer is lost, the effect is not.
        message
            Text of the error.
        """
        if (status is not None) + close + (after_bytes is not None) != 1:
            raise ValueError("give exactly one of status, close and after_bytes")
        fault = Fault(method, re.compile(path_regex), status, times, close, after_bytes, applied, message)
        self.faults.add(fault)

    def run_before_commit(self, repository: Repository) -> None:
        """Call the hook, once."""
        hook, self.before_commit = self.before_commit, None
        if hook is not None:
            hook(repository)

    def respond(self, record: RequestRecord, method: str, target: str, headers: Message, body: bytes) -> Response:
        """Answer one request."""
        parts = urlsplit(target)
        try:
            match = self.router.find("GET" if method == "HEAD" else method, parts.path)
            if match is None:
                raise HubError(404, "Sorry, we can't find the page you are looking for.")
            route, parameters = match
            record.route = route.template
            user = self.accounts.authenticate(headers.get("Authorization"))
            record.user = None if user is None else user.name
            query = parse_qs(parts.query, keep_blank_values=True)
            return route.handler(Request(self, method, parts.path, query, headers, body, user), **parameters)
        except HubError as error:
            return error_response(error)
        except Exception as error:  # noqa: BLE001 - kept for the test, and answered like a crash of the real Hub
            self.internal_errors.append(traceback.format_exc())
            return error_response(HubError(500, f"{type(error).__name__}: {error}"))


class _Server(ThreadingHTTPServer):
    """A server that remembers its connections, so that it can drop them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.hub.internal_errors.append(traceback.format_exc())

    def drop_connections(self) -> None:
        """Drop the connections that clients keep alive."""
        with self._lock:
            for connection in self._connections:
                _drop(connection)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def handle(self) -> None:
        """Serve requests until the client leaves, however it leaves."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def serve(self) -> None:
        """Answer one request, or fail as planned."""
        hub = self.server.hub
        parts = urlsplit(self.path)
        record = RequestRecord(self.command, unquote(parts.path), unquote(parts.query), self.headers.get("Range"))
        with hub.requests.track(record):
            body = read_body(self.rfile, self.headers)
            record.bytes_received = len(body)
            fault = hub.faults.take(record.method, record.path)
            record.fault = fault is not None
            response = None
            if fault is None or fault.applied or fault.after_bytes is not None:
                response = hub.respond(record, self.command, self.path, self.headers, body)
            if fault is not None and fault.status is not None:
                response = error_response(HubError(fault.status, fault.message))
            if response is None or (fault is not None and fault.close):
                self.drop()
                return
            self.answer(record, response, None if fault is None else fault.after_bytes)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - names of the base class

    def answer(self, record: RequestRecord, response: Response, limit: int | None) -> None:
        """Send an answer, or only its first bytes."""
        body = memoryview(response.body)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        record.status = response.status
        body = body[: 0 if self.command == "HEAD" else limit]
        for start in range(0, len(body), CHUNK_BYTES):
            chunk = body[start : start + CHUNK_BYTES]
            self.wfile.write(chunk)
            record.bytes_sent += len(chunk)
        if limit is not None:
            self.drop()

    def drop(self) -> None:
        """Drop the connection."""
        self.close_connection = True
        _drop(self.connection)


def _drop(connection: socket.socket) -> None:
    """Shut a connection down, whatever state it is in."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()
