"""A small HTTP client that posts prepared bodies over several kept connections at once, from one thread.

An own one, so that the bench needs nothing installed, knows what became of each body, and costs little CPU beside what
it measures.
"""

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Posted:
    """`milliseconds` of each answer in the order in which they came."""

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


class _Line:
    """One connection, with at most one request on it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = self._open()
        self.began, self.received, self.body = 0.0, b"", b""

    def _open(self) -> socket.socket:
        fresh = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return fresh

    def send(self, request: bytes) -> None:
        self.began, self.received, self.body = time.perf_counter(), b"", request
        self.socket.sendall(request)

    def receive(self) -> int:
        """The status once the answer is complete, 0 before. Raises ConnectionError when the server closed."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return 0
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head[9:12]) if len(rest) >= length else 0


def post_all(*, port: int, path: str, headers: dict[str, str], bodies: Iterator[bytes], connections: int) -> Posted:
    """Posts every body, each connection the next one as soon as it has its answer. Raises OSError."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{lines}"
    result, open_lines = Posted(), selectors.DefaultSelector()
    began = time.perf_counter()
    requests = (f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies)
    for _, request in zip(range(connections), requests, strict=False):
        line = _Line(port)
        open_lines.register(line.socket, selectors.EVENT_READ, line)
        line.send(request)
    while open_lines.get_map():
        for key, _ in open_lines.select(timeout=60):
            line = key.data
            if status := line.receive():
                result.milliseconds.append((time.perf_counter() - line.began) * 1000)
                result.statuses[status] += 1
                request = next(requests, b"")
                if request:
                    line.send(request)
                else:
                    open_lines.unregister(line.socket)
                    line.socket.close()
    result.seconds = time.perf_counter() - began
    return result
