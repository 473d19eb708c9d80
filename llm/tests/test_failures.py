"""Answers that no right server gives, over a raw socket."""

import socketserver
import threading
from collections.abc import Iterator

import pytest

from budget.models import LedgerEntry
from llm.errors import ModelUnavailable

pytestmark = pytest.mark.django_db
START = (
    'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant",'
    '"model":"claude-sonnet-5-5","content":[],"stop_reason":null,"usage":{"input_tokens":5,"output_tokens":1}}}\n\n'
)


@pytest.fixture
def raw(settings) -> Iterator[list[str]]:
    """A server that sends whatever text is in the list, as an event stream, and hangs up."""
    said = [""]

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = 0
            while (line := self.rfile.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            self.rfile.read(size)
            head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
            self.wfile.write((head + said[0]).encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        settings.ANTHROPIC_BASE_URL = f"http://127.0.0.1:{server.server_address[1]}"
        settings.ANTHROPIC_API_KEY = "key"
        yield said
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "stream",
    [
        "<html>a proxy's page</html>",
        "event: message_start\ndata: {not json\n\n",
        START + 'event: content_block_delta\ndata: {"type":"content_block_delta","index":7,'
        '"delta":{"type":"text_delta","text":"x"}}\n\n',
        START + "event: content_block_start\ndata: []\n\n",
        START + 'event: content_block_start\ndata: {"type":"content_block_start","index":0}\n\n',
        START,
    ],
)
def test_what_cannot_be_read_is_tried_again_and_charged(raw, ask, stream):
    raw[0] = stream
    with pytest.raises(ModelUnavailable):
        ask()
    assert LedgerEntry.objects.get().outcome == "unknown"
