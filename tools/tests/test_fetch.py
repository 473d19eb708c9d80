"""Over real HTTP on loopback; only the name server is a stand-in."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest

from common import background
from common.text import remember_secrets
from tools import addresses
from tools.builtin import fetch as fetching
from tools.builtin.fetch import Answer, Request, fetch, public_address
from tools.errors import AddressRefused, ToolProblem


class Server(BaseHTTPRequestHandler):
    seen: list[dict[str, Any]] = []

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        Server.seen.append(
            {"method": self.command, "path": self.path, "body": self.rfile.read(length)}
            | {name.lower(): value for name, value in self.headers.items()}
        )
        status, _, target = self.path.lstrip("/").partition("-")
        if self.path == "/loop":
            status, target = "302", "/loop"
        self.send_response(int(status) if status.isdigit() else 200)
        if target:
            self.send_header("location", target)
        self.send_header("content-type", "text/plain; charset=latin-1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"x" * (2 * 1024**2) if self.path == "/big" else b"gr\xfc\xdfe")

    do_POST = do_HEAD = do_GET  # noqa: N815 - named by the standard library

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Server.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


async def names(host: str, port: int) -> str:
    """A name server for *.example; all else is looked up for real."""
    return "127.0.0.1" if host.endswith(".example") else await public_address(host, port)


def get(url: str, method: str = "GET", **fields: Any) -> Answer:
    return background.run(fetch(Request(method=method, url=url, **fields), look_up=names), timeout=20)


def test_it_connects_to_the_checked_address_under_the_host_s_name(port: int) -> None:
    answer = get(f"http://site.example:{port}/hello?x=1", headers={"X-Mine": "1", "Host": "other"})
    assert (answer.status, answer.charset) == (200, "iso8859-1")
    assert answer.body.decode(answer.charset) == "grüße"
    assert Server.seen[0]["host"] == f"site.example:{port}"
    assert (Server.seen[0]["path"], Server.seen[0]["x-mine"]) == ("/hello?x=1", "1")


def test_it_sends_a_body(port: int) -> None:
    get(f"http://site.example:{port}/", "POST", body=b"data")
    assert Server.seen[0]["body"] == b"data"


def test_a_long_answer_is_cut(port: int) -> None:
    answer = get(f"http://site.example:{port}/big")
    assert (len(answer.body), answer.cut) == (1024**2, True)


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1/", "http://localhost:{port}/", "http://169.254.169.254/", "file:///etc/passwd"]
)
def test_a_redirect_to_this_machine_is_refused(port: int, target: str) -> None:
    with pytest.raises(AddressRefused):
        get(f"http://site.example:{port}/302-{target.format(port=port)}")
    assert len(Server.seen) == 1


def test_redirects_are_followed_and_credentials_stay_with_their_host(port: int) -> None:
    secret = {"Authorization": "Bearer x", "X-Mine": "1"}
    answer = get(f"http://site.example:{port}/302-http://other.example:{port}/end", headers=secret)
    assert answer.url == f"http://other.example:{port}/end"
    assert [("authorization" in each, each["x-mine"]) for each in Server.seen] == [(True, "1"), (False, "1")]


def test_who_may_not_follow_elsewhere_is_told_where_it_leads(port: int) -> None:
    fetching_here = fetch(
        Request(method="GET", url=f"http://site.example:{port}/302-http://other.example:{port}/?data=1"),
        look_up=names,
        elsewhere=False,
    )
    answer = background.run(fetching_here, timeout=20)
    assert (answer.status, answer.note) == (
        302,
        "[It redirects to other.example; the request was not sent on to another host.]",
    )
    assert len(Server.seen) == 1


def test_the_same_name_with_www_is_not_elsewhere(port: int) -> None:
    request = Request(method="GET", url=f"http://site.example:{port}/301-http://www.site.example:{port}/end")
    assert background.run(fetch(request, look_up=names, elsewhere=False), timeout=20).status == 200


@pytest.fixture
def secret() -> str:
    remember_secrets([value := "a-value/of the+owner"])
    return value


def test_a_secret_stays_with_its_host(port: int, secret: str) -> None:
    headers = {"X-Key": f"key {secret}", "X-Mine": "1"}
    get(f"http://site.example:{port}/302-http://other.example:{port}/end", headers=headers, body=secret.encode())
    assert [("x-key" in each, each["x-mine"], each["body"]) for each in Server.seen] == [
        (True, "1", secret.encode()),
        (False, "1", b""),
    ]


def test_a_redirect_that_carries_a_secret_elsewhere_is_not_followed(port: int, secret: str) -> None:
    target = f"http://other.example:{port}/?key={quote(secret, safe='')}"
    assert "not sent on" in get(f"http://site.example:{port}/302-{target}").note
    assert len(Server.seen) == 1


def test_what_is_sent_is_not_carried_on_to_another_host(port: int) -> None:
    answer = get(f"http://site.example:{port}/307-http://other.example:{port}/end", "POST", body=b"data")
    assert answer.status == 307
    assert "other.example" in answer.note
    assert len(Server.seen) == 1


def test_a_post_becomes_a_get_as_browsers_do(port: int) -> None:
    get(f"http://site.example:{port}/303-/end", "POST", body=b"data")
    assert [(each["method"], each["body"]) for each in Server.seen] == [("POST", b"data"), ("GET", b"")]


def test_redirects_in_a_circle_end(port: int) -> None:
    with pytest.raises(ToolProblem, match="redirects"):
        get(f"http://site.example:{port}/loop")
    assert len(Server.seen) <= fetching.MAX_HOPS


def test_a_failure_is_a_sentence() -> None:
    with pytest.raises(ToolProblem, match="failed"):
        get("http://site.example:1/")


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"], []])
def test_a_name_that_leads_anywhere_private_is_refused(found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up() -> None:
        async def getaddrinfo(*args: object, **kwargs: object) -> list[tuple[Any, ...]]:
            return [(0, 0, 0, "", (address, 80)) for address in found]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        with pytest.raises(AddressRefused):
            await public_address("site.example", 80)

    asyncio.run(look_up())


def test_public_addresses_are_public() -> None:
    assert addresses.is_public("93.184.216.34")
    assert addresses.is_public("2606:4700::1111")
