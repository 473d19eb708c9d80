"""The stand-in's HTTP side: one thread a connection, keep-alive, an answer in one write unless it is to be slow."""

import contextlib
import itertools
import socket
import threading
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any

from llm.scripted.counting import PromptCache
from llm.scripted.faults import End, Fault, Faults
from llm.scripted.handler import Handler
from llm.scripted.replies import Received, Script

MODELS = ("claude-", "demo")


class ScriptedModel:
    """A Messages API whose answers come from `script`. `key`: the only one accepted, any when empty. `models`: the
    prefixes of the names it knows. `requests` holds what came, with the usage that was counted."""

    def __init__(
        self,
        script: Script,
        *,
        port: int = 0,
        key: str = "",
        models: tuple[str, ...] = MODELS,
        cache_minimum: int = 1024,
        keep: bool = True,
    ) -> None:
        self.script = script
        self.key = key
        self.models = models
        self.requests: list[Received] = []
        self.errors: list[Exception] = []
        self.faults = Faults()
        self.cache = PromptCache(minimum=cache_minimum)
        self.first_delay = 0.0
        self.pause = 0.0
        self.closing = threading.Event()
        self.numbers = itertools.count(1)
        self._keep = keep
        self._server = Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its address, for ANTHROPIC_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> "ScriptedModel":
        """Serves from a thread of its own."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stops serving and drops every connection."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.drop_all()

    def __enter__(self) -> "ScriptedModel":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fail_next(self, status: int, n: int = 1, retry_after: float | None = None) -> None:
        """The next `n` requests get this status."""
        self.faults.add(Fault(status=status, retry_after=retry_after), n)

    def cut_next(self, after_events: int, n: int = 1, end: End = End.CUT) -> None:
        """The next `n` streams end after so many events: dropped, silent, closed in good order, or with an error."""
        self.faults.add(Fault(end=end, after_events=after_events), n)

    def delay(self, seconds: float) -> None:
        """From now on each answer begins so much later."""
        self.first_delay = seconds

    def slow(self, seconds: float) -> None:
        """From now on so much time passes between the events of a stream."""
        self.pause = seconds

    def received(self, record: Received) -> None:
        """Remembers a request, unless it was told not to (a demo runs for weeks)."""
        if self._keep:
            self.requests.append(record)


class Server(ThreadingHTTPServer):
    """Threads that end with the process, and connections that end with the server."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], model: ScriptedModel) -> None:
        self.model = model
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""

    def drop_all(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
