"""A small HTTP/1.1 server on loopback: kept-alive connections, one thread each, no more overhead than needed.

`http.server` spends more time on a request's headers than this whole stand-in may on a call.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO

from telegram_bridge.fake.errors import ConnectionCut

LINE_BYTES = 65_536
BODY_BYTES = 64 * 1024 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST, as a network that breaks does.


@dataclass(frozen=True, kw_only=True)
class Request:
    verb: str
    path: str
    query: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Response:
    status: int
    body: bytes
    content_type: str = "application/json"


Handler = Callable[[Request], Response]


class WebServer:
    """Listens on `host:port` (0: any free port, kept over going offline); `handler` may raise ConnectionCut."""

    def __init__(self, handler: Handler, *, host: str, port: int) -> None:
        self._handler = handler
        self._address = (host, port)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._back: threading.Timer | None = None
        self.online = threading.Event()

    @property
    def port(self) -> int:
        return self._address[1]

    def start(self) -> None:
        with self._lock:
            listener = socket.create_server(self._address, backlog=256)
            self._address = listener.getsockname()[:2]
            self._listener = listener
        self.online.set()
        threading.Thread(target=self._accept, args=(listener,), name="fake-telegram", daemon=True).start()

    def stop(self) -> None:
        if self._back is not None:
            self._back.cancel()
        self._close()

    def offline(self, seconds: float) -> None:
        """For that long connections are refused, and those that stand are cut."""
        self.online.clear()
        self._close()
        self._back = threading.Timer(seconds, self.start)
        self._back.daemon = True
        self._back.start()

    def _close(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
            connections, self._connections = self._connections, set()
        if listener is not None:
            # Closing alone does not wake a thread that waits in accept().
            with contextlib.suppress(OSError), socket.create_connection(self._address, timeout=1):
                pass
            listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="fake-connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as incoming:
            while (request := _read(incoming, connection)) is not None:
                try:
                    response = self._handler(request)
                except ConnectionCut:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    break
                connection.sendall(_written(response))
                if request.headers.get("connection", "").lower() == "close":
                    break
        with self._lock:
            self._connections.discard(connection)


def _read(incoming: BinaryIO, connection: socket.socket) -> Request | None:
    """The next request of a connection, None at its end; ValueError for what is no HTTP."""
    first = incoming.readline(LINE_BYTES)
    if not first:
        return None
    verb, target, _ = first.decode("latin-1").split(maxsplit=2)
    headers = {}
    while (line := incoming.readline(LINE_BYTES)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    path, _, query = target.partition("?")
    return Request(verb=verb, path=path, query=query, headers=headers, body=_body(incoming, headers))


def _body(incoming: BinaryIO, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = int(headers.get("content-length", "0"))
        if length > BODY_BYTES:
            raise ValueError("The body is too large.")
        return incoming.read(length)
    body = b""
    while size := int(incoming.readline(LINE_BYTES).partition(b";")[0], 16):
        body += incoming.read(size)
        incoming.readline(LINE_BYTES)
    incoming.readline(LINE_BYTES)
    return body


def _written(response: Response) -> bytes:
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\nServer: nginx\r\n"
        f"Content-Type: {response.content_type}\r\nContent-Length: {len(response.body)}\r\n\r\n"
    )
    return head.encode() + response.body
