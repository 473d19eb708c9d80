"""The Messages API through the anthropic SDK 2.x, streamed, on the process's background event loop.

The SDK never retries here (it would obey a retry-after of any length): errors are sorted, and the caller decides.
It is imported where it is used, for that takes half a second, and most commands call no model.
"""

import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llm.errors import Cause, ModelUnavailable
from llm.routing import Route

if TYPE_CHECKING:
    import anthropic

CONNECT_SECONDS = 10.0
# Tokens of a subscription are taken only with this flag; the SDK adds it only to credentials that it made itself.
OAUTH_HEADERS = {"anthropic-beta": "oauth-2025-04-20"}

_clients: dict[tuple[int, str, str, str], "anthropic.AsyncAnthropic"] = {}
_clients_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A finished stream: content blocks without what the API would not take back, and the usage as it was counted."""

    content: list[dict[str, Any]]
    stop_reason: str
    model: str
    request_id: str
    usage: dict[str, Any]


def client_for(route: Route) -> "anthropic.AsyncAnthropic":
    """The client of this process for `route`: making one takes 25 ms, and none may be shared over a fork."""
    import anthropic

    key = _key(route)
    with _clients_lock:
        if key not in _clients:
            _clients[key] = anthropic.AsyncAnthropic(
                http_client=_http_client(direct=_is_local(route.base_url)),
                base_url=route.base_url,
                api_key=route.api_key or None,
                auth_token=route.auth_token or None,
                max_retries=0,
                default_headers=OAUTH_HEADERS if route.auth_token else None,
            )
        return _clients[key]


def forget(route: Route) -> None:
    """Drops this process's client for `route`; closing it is the caller's."""
    with _clients_lock:
        _clients.pop(_key(route), None)


async def stream(
    *, route: Route, body: dict[str, Any], silence_limit: float, on_text: Callable[[str], None] | None
) -> Answer:
    """Sends `body` and reads the stream to its end. `on_text` gets each piece of text, on the background thread.

    Raises ModelUnavailable or ModelRejected, with the call's fate.
    """
    import anthropic
    import httpx2

    from llm.providers import failures

    # The read timeout counts bytes, the provider's pings included; the SDK hands pings to nobody.
    limits = httpx2.Timeout(silence_limit, connect=CONNECT_SECONDS)
    try:
        async with client_for(route).messages.stream(**body, timeout=limits) as events:
            extra: dict[str, Any] = {}
            async for event in events:
                if event.type == "text" and on_text is not None:
                    on_text(event.text)
                elif event.type == "message_delta":
                    # What the SDK has no field for stays on the event (OpenRouter says there what it charged).
                    extra = event.usage.model_extra or {}
            if not _finished(events):
                told = "The model's answer broke off."
                raise ModelUnavailable(told, request_id=events.request_id or "", cause=Cause.CUT)
            return _answer(events.current_message_snapshot, events.request_id or "", extra)
    # A stream that is cut surfaces as httpx2's own error, everything else as the SDK's.
    except (anthropic.AnthropicError, httpx2.HTTPError, *failures.UNREADABLE) as error:
        raise failures.sort(error, model=route.model) from error


def _key(route: Route) -> tuple[int, str, str, str]:
    return os.getpid(), route.base_url, route.api_key, route.auth_token


def _http_client(*, direct: bool) -> "anthropic.DefaultAsyncHttpxClient":
    """`direct`: without the environment's proxy, which can't know what runs here. (The SDK's own client takes
    the proxies as mounts, whatever trust_env says; None at the same patterns takes them away.)"""
    import anthropic

    if direct:
        return anthropic.DefaultAsyncHttpxClient(verify=_tls(), mounts=dict.fromkeys(("http://", "https://", "all://")))
    return anthropic.DefaultAsyncHttpxClient(verify=_tls())


@cache
def _tls() -> ssl.SSLContext:
    """One for all clients, and for all processes: the warm-up makes it before the fork. It takes 20 ms and 2 MB."""
    import httpx2

    return httpx2.create_ssl_context()


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}


def _finished(events: "anthropic.AsyncMessageStream[Any]") -> bool:
    # A server or proxy that closes cleanly in the middle is no error to the SDK: only the stop reason tells.
    snapshot = events._current_snapshot_or_none()
    return snapshot is not None and snapshot.stop_reason is not None


def _answer(message: Any, request_id: str, extra: dict[str, Any]) -> Answer:
    return Answer(
        content=[_block(block) for block in message.content],
        stop_reason=message.stop_reason,
        model=message.model,
        request_id=request_id,
        usage=message.usage.to_dict(mode="json") | extra,
    )


def _block(block: Any) -> dict[str, Any]:
    # `parsed_output` is the SDK's own, and null fields come back as errors.
    fields = block.to_dict(mode="json")
    return {name: value for name, value in fields.items() if value is not None and name != "parsed_output"}
