"""One https server on 127.0.0.1 that is all hosts at once, told apart by the ``Host`` header."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
import traceback
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import trustme

from tests.hub.records import RequestLog, RequestRecord
from tests.hub.wire import read_body

from .faults import Fault, Faults
from .places import DrumPlace, FigsharePlace, GitPlace, OsfPlace, Place, ZenodoPlace
from .places_crcns import CrcnsPlace, PortalPlace
from .wire import Answer, LabFile, LabRequest, file_answer, not_found

CHUNK_BYTES = 256 * 1024
SMALL_CHUNK_BYTES = 1000
"""In bodies that are sent in chunks, so that there are many."""


@dataclass
class LabRecord(RequestRecord):
    """A request in the log: also to which host, and what was sent; of a body only its length and field names."""

    host: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()


class LabHosts:
    """All hosts, in the memory of the test's process.

    Parameters
    ----------
    directory
        Where the certificate of its authority is written, for clients: ``ca.pem``.
    tls
        False for http without TLS, which the library never speaks; to measure what TLS costs.

    Attributes
    ----------
    port
        Of the loopback; known once it is entered.
    ca_file
        Certificate of the authority.
    requests
        Log of every request.
    faults
        What shall go wrong.
    crcns
        The place that has logins.
    internal_errors
        Tracebacks of faults of the server itself; a test should find none.
    """

    def __init__(self, directory: Path, *, tls: bool = True) -> None:
        self.tls = tls
        self._authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self.crcns = CrcnsPlace()
        self._plain = Place()
        self._places: list[Place] = [
            self.crcns, PortalPlace(), ZenodoPlace(), OsfPlace(), FigsharePlace(), DrumPlace(), GitPlace()
        ]  # fmt: skip
        self._plain_hosts: set[str] = set()
        self.port = 0
        self.requests = RequestLog()
        self.faults = Faults()
        self.internal_errors: list[str] = []
        self._server: _Server | None = None
        self._arrived: set[str] = set()
        self._arrival = threading.Condition()

    def __enter__(self) -> LabHosts:
        """Start to listen on a free port."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="lab-hosts", daemon=True).start()
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

    @property
    def hosts(self) -> frozenset[str]:
        """Names of all hosts that are here; there are no others."""
        return frozenset(self._plain_hosts).union(*(place.hosts for place in self._places))

    def publish(self, url: str, content: bytes) -> LabFile:
        """Give a file under the address that a corpus declares; a host that is not known yet gives plain files."""
        parts = urlsplit(url)
        place = self._place(parts.netloc)
        if place is self._plain:
            self._plain_hosts.add(parts.netloc)
        file = LabFile(content, unquote(parts.path.rstrip("/").removesuffix("/content").rpartition("/")[2]))
        place.publish(url, file)
        return file

    def withdraw(self, host: str, name: str) -> None:
        """Give the files of this name no longer."""
        files = self._place(host).files
        for place in [place for place, file in files.items() if place[0] == host and file.name == name]:
            del files[place]

    def fail(self, kind: str, file: LabFile | None = None, **details: Any) -> None:
        """Ask for a fault; see `Fault`."""
        self.faults.add(Fault(kind, file, **details))

    def respond(self, request: LabRequest) -> Answer:
        """Answer one request."""
        return self._place(request.host).answer(request) if request.host in self.hosts else not_found()

    def arrived(self, request: LabRequest) -> None:
        """Note that a request is here, before it is answered."""
        with self._arrival:
            self._arrived.add(request.path)
            self._arrival.notify_all()

    def wait_for_request(self, path: str, timeout_s: float = 60.0) -> None:
        """Wait until a path has been asked for."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: path in self._arrived, timeout_s):
                raise TimeoutError(f"nobody asked for {path}")

    def context_for(self, name: str) -> ssl.SSLContext:
        """Return what a host says for itself: a certificate in its name."""
        with self._lock:
            if name not in self._contexts:
                self._contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(name).configure_cert(self._contexts[name])
            return self._contexts[name]

    def _place(self, host: str) -> Place:
        return next((place for place in self._places if host in place.hosts), self._plain)


class _Server(ThreadingHTTPServer):
    """A server that remembers its connections, so that it can drop them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, lab: LabHosts) -> None:
        self.lab = lab
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.sni_callback = self._choose_certificate
        super().__init__(("127.0.0.1", 0), _Handler)

    def _choose_certificate(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self.lab.context_for(name or "localhost")

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if not self.lab.tls:
            return connection, address
        # The handshake is made by the thread of the connection, with its first byte.
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.lab.internal_errors.append(traceback.format_exc())

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
        except OSError:  # of TLS too
            self.close_connection = True

    def finish(self) -> None:
        """Let go of the connection, which may be gone."""
        try:
            super().finish()
        except OSError:
            self.close_connection = True

    def serve(self) -> None:
        """Answer one request, or fail as planned."""
        lab = self.server.lab
        parts = urlsplit(self.path)
        body = read_body(self.rfile, self.headers)
        host = self.headers.get("Host", "")
        request = LabRequest(self.command, host, unquote(parts.path), self.headers, body)
        record = LabRecord(
            self.command, request.path, parts.query, self.headers.get("Range"), bytes_received=len(body), host=host,
            headers=dict(self.headers), fields=tuple(request.form)
        )  # fmt: skip
        with lab.requests.track(record):
            lab.arrived(request)
            answer = lab.respond(request)
            fault = lab.faults.take(request, answer.file)
            record.fault = fault is not None
            if fault is None:
                self.send(record, answer)
                return
            self.send_faulty(record, request, answer, fault)
            if fault.then is not None:
                fault.then()

    do_GET = do_POST = serve  # noqa: N815 - names of the base class

    def send(self, record: LabRecord, answer: Answer, limit: int | None = None) -> None:
        """Send an answer, or only the first bytes of its body."""
        self.send_head(record, answer, {"Content-Length": str(len(answer.body))})
        self.send_blocks(record, answer, limit)

    def send_head(self, record: LabRecord, answer: Answer, more: dict[str, str]) -> None:
        """Send status and headers."""
        self.send_response(answer.status)
        for name, value in {**answer.headers, **more}.items():
            self.send_header(name, value)
        self.end_headers()
        record.status = answer.status

    def send_blocks(self, record: LabRecord, answer: Answer, limit: int | None = None) -> None:
        """Send a body as it is."""
        body = memoryview(answer.body)[:limit]
        for start in range(0, len(body), CHUNK_BYTES):
            block = body[start : start + CHUNK_BYTES]
            self.wfile.write(block)
            record.bytes_sent += len(block)

    def send_chunks(self, record: LabRecord, answer: Answer, limit: int | None = None) -> None:
        """Send a body in chunks, without the last one if there is a limit."""
        body = memoryview(answer.body)[:limit]
        for start in range(0, len(body), SMALL_CHUNK_BYTES):
            chunk = body[start : start + SMALL_CHUNK_BYTES]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            record.bytes_sent += len(chunk)
        if limit is None:
            self.wfile.write(b"0\r\n\r\n")

    def send_faulty(self, record: LabRecord, request: LabRequest, answer: Answer, fault: Fault) -> None:
        """Answer as a fault wants it."""
        if fault.kind == "answer":
            self.send(record, Answer(fault.status, fault.content, fault.headers or {}))
        elif fault.kind == "content":
            other = LabFile(fault.content, "")
            if answer.file is not None:
                other.etag, other.last_modified = answer.file.etag, answer.file.last_modified
            self.send(record, file_answer(other, request))
        elif fault.kind == "no_ranges":
            self.send(record, answer if answer.file is None else file_answer(answer.file, request, ranges=False))
        elif fault.kind == "chunked":
            self.send_head(record, answer, {"Transfer-Encoding": "chunked"})
            self.send_chunks(record, answer)
        elif fault.kind == "chunked_cut":
            self.send_head(record, answer, {"Transfer-Encoding": "chunked"})
            self.send_chunks(record, answer, fault.after_bytes or 0)
            self.drop()
        elif fault.kind == "no_end":
            self.send_head(record, answer, {"Connection": "close"})
            self.send_blocks(record, answer)
            self.drop()
        else:
            if fault.after_bytes is not None:
                self.send(record, answer, fault.after_bytes)
            if fault.kind == "stall":
                self.wait_until_the_client_leaves()
            self.drop(reset=fault.kind == "reset")

    def wait_until_the_client_leaves(self) -> None:
        """Send nothing, and wait."""
        try:
            self.connection.recv(1)
        except OSError:
            self.close_connection = True

    def drop(self, *, reset: bool = False) -> None:
        """Drop the connection, orderly or by a reset."""
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        else:
            _drop(self.connection)


def _drop(connection: socket.socket) -> None:
    """Shut a connection down, whatever state it is in."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()
