"""The proxy of the level net, over real sockets on loopback; only its name server is a stand-in."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.confinement import network
from tools.confinement.network import Refused


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.command} {self.path} {self.headers['host']} {self.headers.get('proxy-connection')}".encode()
        body += self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - named by the standard library

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def names(host: str, port: int) -> list[str]:
    """A name server for *.example; all else is judged for real."""
    return ["127.0.0.1"] if host.endswith(".example") else network.public_addresses(host, port)


@pytest.fixture
def proxy() -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=network.serve, args=(listener, names))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def curl(proxy: str, *arguments: str) -> str:
    if not shutil.which("curl"):
        pytest.skip("curl is needed to run this test")
    done = subprocess.run(["curl", "-sS", "-m", "10", "-x", proxy, *arguments], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_a_request_goes_to_the_address_that_was_checked(proxy: str, port: int) -> None:
    assert curl(proxy, f"http://site.example:{port}/a?b=1") == f"GET /a?b=1 site.example:{port} None"
    assert curl(proxy, "-d", "x=1", f"http://site.example:{port}/") == f"POST / site.example:{port} Nonex=1"


def test_a_tunnel_carries_both_ways(proxy: str, port: int) -> None:
    assert curl(proxy, "-p", f"http://site.example:{port}/a") == f"GET /a site.example:{port} None"


def test_each_address_is_judged_anew_on_the_same_connection(proxy: str, port: int) -> None:
    found = curl(proxy, f"http://site.example:{port}/a", f"http://127.0.0.1:{port}/b")
    assert f"GET /a site.example:{port}" in found
    assert "GET /b" not in found
    assert "127.0.0.1 is an address of this machine" in found


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "10.0.0.1", "169.254.169.254"])
def test_this_machine_and_its_network_are_refused(proxy: str, port: int, host: str) -> None:
    assert "of this machine" in curl(proxy, f"http://{host}:{port}/")
    assert "403" in curl(proxy, "-p", f"http://{host}:{port}/")


@pytest.mark.parametrize(
    "line", [b"GET /path HTTP/1.1", b"GET ftp://site.example/ HTTP/1.1", b"CONNECT site HTTP/1.1", b"?"]
)
def test_what_is_no_request_is_answered_in_words(proxy: str, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(proxy.rpartition(":")[2]))) as client:
        client.sendall(line + b"\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_server_that_is_not_there_is_said(proxy: str) -> None:
    assert "site.example does not answer on port 1." in curl(proxy, "http://site.example:1/")


def test_a_name_is_refused_when_any_of_its_addresses_is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    with pytest.raises(Refused, match="of its own network"):
        network.public_addresses("site.example", 80)


def test_an_address_of_this_machine_is_known_whatever_it_is() -> None:
    assert network.is_own("127.0.0.1")
    assert network.is_own("::1")
