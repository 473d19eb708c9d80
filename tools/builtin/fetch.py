"""One HTTP request that can reach nothing but the public internet.

Each hop's name is looked up once, every address it has must be public, and the connection goes to the address that was
checked: a name server that answers differently the second time (rebinding) changes nothing.
"""

import asyncio
import codecs
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import httpx

from common.text import redact_known
from tools import addresses
from tools.confinement.network import is_own
from tools.errors import AddressRefused, ToolProblem

MAX_BYTES = 1024**2
MAX_HOPS = 5
REDIRECTS = (301, 302, 303, 307, 308)
SAFE = ("GET", "HEAD")
# Not carried to another host: they were meant for the first.
CREDENTIALS = frozenset(["authorization", "cookie", "proxy-authorization"])
# Ours to set: they decide where the request goes and how its end is found.
FRAMING = frozenset(["host", "content-length", "transfer-encoding", "connection", "accept-encoding"])

LookUp = Callable[[str, int], Awaitable[str]]


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`cut`: there was more than 1 MiB. `note`: a redirect that was not followed, in words."""

    status: int
    url: str
    headers: dict[str, str]
    body: bytes
    charset: str
    cut: bool = False
    note: str = ""


async def public_address(host: str, port: int) -> str:
    """The address to connect to; raises AddressRefused unless all that the name stands for is public."""
    refusal = addresses.refusal(host)
    if refusal is not None:
        raise AddressRefused(refusal)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ToolProblem(f"There is no address for {host}.") from error
    candidates = [str(info[4][0]) for info in found]
    if not candidates or not all(map(addresses.is_public, candidates)) or any(map(is_own, candidates)):
        raise AddressRefused(f"{host} leads to an address of this machine or of its own network.")
    return candidates[0]


async def fetch(request: Request, *, look_up: LookUp = public_address, elsewhere: bool = True) -> Answer:
    """Sends the request and follows its redirects, each hop checked anew. Raises ToolProblem or AddressRefused.

    `elsewhere`: whether it may follow one to another host. Who has permitted a host has not permitted where that leads.
    """
    try:
        for _ in range(MAX_HOPS):
            answer = await _one_hop(request, look_up)
            following = _following(request, answer, elsewhere)
            if isinstance(following, str):
                return replace(answer, note=following)
            request = following
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ToolProblem(f"The request to {request.url} failed: {type(error).__name__} {error}".strip()) from error
    raise ToolProblem(f"{request.url}: more than {MAX_HOPS} redirects.")


async def _one_hop(request: Request, look_up: LookUp) -> Answer:
    url = httpx.URL(request.url)
    if url.scheme not in ("http", "https") or not url.host:
        raise AddressRefused("Only addresses that begin with http:// or https:// can be called.")
    port = url.port or (443 if url.scheme == "https" else 80)
    pinned = url.copy_with(host=await look_up(url.host, port))
    headers = {name: value for name, value in request.headers.items() if name.lower() not in FRAMING}
    headers |= {"Host": url.netloc.decode(), "Accept-Encoding": "identity"}
    # The certificate is checked against the name, not the address. No proxy: it would look the name up anew.
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=httpx.Timeout(20.0)) as client,
        client.stream(
            request.method,
            pinned,
            headers=headers,
            content=request.body or None,
            extensions={"sni_hostname": url.host},
        ) as response,
    ):
        body, cut = await _body(response)
    return Answer(
        status=response.status_code,
        url=request.url,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=body,
        charset=_charset(response),
        cut=cut,
    )


async def _body(response: httpx.Response) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            return bytes(body[:MAX_BYTES]), True
    return bytes(body), False


def _charset(response: httpx.Response) -> str:
    try:
        name = response.charset_encoding or "utf-8"
        b"".decode(name)  # some codecs of Python's are no encodings of text
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"


def _following(request: Request, answer: Answer, elsewhere: bool) -> Request | str:
    """The request that the redirect asks for; a note (empty when there is no redirect) when the answer is the last."""
    if answer.status not in REDIRECTS or "location" not in answer.headers:
        return ""
    old, new = httpx.URL(request.url), httpx.URL(request.url).join(answer.headers["location"])
    changes_to_get = answer.status == 303 or (answer.status in (301, 302) and request.method == "POST")
    method = "GET" if changes_to_get and request.method != "HEAD" else request.method
    if (old.scheme, old.host, old.port) != (new.scheme, new.host, new.port):
        if method not in SAFE or _has_secret(str(new)) or not (elsewhere or _without_www(old) == _without_www(new)):
            return f"[It redirects to {new.host}; the request was not sent on to another host.]"
        headers = {name: value for name, value in request.headers.items() if not _is_meant_for_one(name, value)}
        return Request(method=method, url=str(new), headers=headers)
    return Request(
        method=method, url=str(new), headers=request.headers, body=b"" if method != request.method else request.body
    )


def _is_meant_for_one(name: str, value: str) -> bool:
    return name.lower() in CREDENTIALS or _has_secret(value)


def _has_secret(text: str) -> bool:
    return redact_known(text) != text


def _without_www(url: httpx.URL) -> str:
    return url.host.removeprefix("www.")
