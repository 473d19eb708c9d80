"""The network of the sandbox's level net: a namespace of its own, whose one way out is this proxy.

The namespace has nothing but a loopback of its own, on which one port is open: this proxy's, which runs outside. So a
command inside reaches no port of this machine and no address of its network, whatever it tries; and the proxy speaks
for it only to addresses of the public internet. Each name is looked up once, out here; the connection goes to the
address that was checked.

Part of the launcher, and so free of the product's modules but `tools.addresses` and of packages.
"""

import contextlib
import fcntl
import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from tools import addresses

PORT = 3128
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SET_INTERFACE_FLAGS, INTERFACE_UP = 0x8914, 1  # SIOCSIFFLAGS, IFF_UP
CONNECTIONS = 64
HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 15.0
IDLE_SECONDS = 300.0
CHUNK = 64 * 1024

LookUp = Callable[[str, int], list[str]]


class Refused(Exception):
    """What this proxy does not do, as a sentence with a status of HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def variables() -> dict[str, str]:
    """What tells programs of the proxy. Not all ask: those that don't have no network."""
    address = f"http://127.0.0.1:{PORT}"
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {**dict.fromkeys(names, address), "no_proxy": "", "NO_PROXY": "", "NODE_USE_ENV_PROXY": "1"}


def enter_namespace(libc: object) -> socket.socket:
    """Moves this process into a user and network namespace of its own; the proxy's listening socket in it."""
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):  # type: ignore[attr-defined]
        raise OSError("This system gives no network namespace.")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    fcntl.ioctl(listener, SET_INTERFACE_FLAGS, struct.pack("16sH14x", b"lo", INTERFACE_UP))
    listener.bind(("127.0.0.1", PORT))
    listener.listen(CONNECTIONS)
    return listener


def is_own(address: str) -> bool:
    """Whether a public address is this machine's: what listens here would take the caller for a neighbour."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((address, 9))  # sends nothing; the system names the source that it would take
        return bool(probe.getsockname()[0] == address)
    return False


def public_addresses(host: str, port: int) -> list[str]:
    """The addresses to try; raises Refused unless all that the name stands for is public and not this machine's."""
    refusal = addresses.refusal(host)
    if refusal is not None:
        raise Refused(403, refusal)
    try:
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        raise Refused(502, f"There is no address for {host}.") from None
    if not found or not all(map(addresses.is_public, found)) or any(map(is_own, found)):
        raise Refused(403, f"{host} leads to an address of this machine or of its own network.")
    return found


def serve(listener: socket.socket, look_up: LookUp = public_addresses) -> None:
    """Answers until the listener is closed; each connection has a thread, and no more than 64 are open at a time."""
    room = threading.BoundedSemaphore(CONNECTIONS)

    def answer(client: socket.socket) -> None:
        try:
            with client, contextlib.suppress(OSError):
                _answer(client, look_up)
        finally:
            room.release()

    while True:
        room.acquire()
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(client,), daemon=True).start()


def _answer(client: socket.socket, look_up: LookUp) -> None:
    client.settimeout(HEAD_SECONDS)
    try:
        head, rest = _head(client)
        host, port, first = _target(head)
        server = _connect(look_up(host, port), host, port)
    except Refused as refused:
        text = f"{refused}\n".encode()
        client.sendall(
            b"HTTP/1.1 %d Refused\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n%b" % (refused.status, len(text), text)
        )
        return
    with server:
        if first:
            server.sendall(first + rest)
        else:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            server.sendall(rest)
        _splice(client, server)


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """The request's head without its empty line, and what came after it."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        chunk = client.recv(CHUNK)
        if not chunk or len(data) > HEAD_BYTES:
            raise Refused(400, "This is no request that a proxy understands.")
        data += chunk
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    return head, rest


def _target(head: bytes) -> tuple[str, int, bytes]:
    """Host, port, and the head as the server wants it; an empty one for a tunnel (CONNECT)."""
    first, *lines = head.split(b"\r\n")
    try:
        method, url, version = first.decode("ascii").split(" ")
        parts = urlsplit(f"//{url}" if method == "CONNECT" else url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused(400, "This is no request that a proxy understands.") from None
    if not host or (method == "CONNECT" and not port) or (method != "CONNECT" and parts.scheme != "http"):
        raise Refused(400, "Only http:// addresses and CONNECT to a host and a port are understood.")
    if method == "CONNECT":
        return host, port or 443, b""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # One request a connection: the next one might be for another host.
    kept = [line for line in lines if not line.lower().startswith((b"proxy-", b"connection:", b"host:"))]
    fresh = [f"{method} {path} {version}".encode(), b"Host: " + parts.netloc.rpartition("@")[2].encode()]
    return host, port or 80, b"\r\n".join([*fresh, *kept, b"Connection: close", b"", b""])


def _connect(found: list[str], host: str, port: int) -> socket.socket:
    for address in found:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    raise Refused(502, f"{host} does not answer on port {port}.")


def _splice(client: socket.socket, server: socket.socket) -> None:
    """Carries bytes both ways until both sides have ended, or nothing has come for five minutes."""
    open_ways = {client: server, server: client}
    while open_ways:
        ready, _, _ = select.select(list(open_ways), [], [], IDLE_SECONDS)
        if not ready:
            return
        for source in ready:
            data = source.recv(CHUNK)
            if data:
                open_ways[source].sendall(data)
            else:
                with contextlib.suppress(OSError):
                    open_ways[source].shutdown(socket.SHUT_WR)
                del open_ways[source]
