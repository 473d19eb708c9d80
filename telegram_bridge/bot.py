"""python-telegram-bot's `Bot`: one per process and token, and its errors sorted. Imported lazily, it costs 0.7 s."""

import logging
import os
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from telegram import Bot
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from common.errors import AgentError
from telegram_bridge.errors import TelegramConflict, TelegramPermanent, TelegramTransient, TelegramUnauthorized

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
CONNECTIONS = 64
# httpx's default of 5 s would cost a TLS handshake for nearly every message of a slow chat.
KEEPALIVE_SECONDS = 50.0
# No byte of the request can have been acted on when one of these was raised.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
WRONG_TOKEN = (
    "The bot's token was revoked or is wrong: put the one that @BotFather shows into TELEGRAM_BOT_TOKEN in .env, and "
    "restart"
)
# These write whole URLs, and the URL holds the token.
LOGGERS_THAT_WRITE_URLS = ("httpx", "httpcore", "telegram")

# PTB asks for this choice in the environment; without it each RetryAfter comes with a warning.
os.environ.setdefault("PTB_TIMEDELTA", "true")

_bots: dict[tuple[int, str, str], Bot] = {}


def bot_of_this_process(token: str, api_url: str) -> Bot:
    """The shared Bot; call it on the background loop only, so that no two are made at once.

    Keyed by pid: connections that a fork copied must not be used by both sides.
    """
    key = (os.getpid(), api_url, token)
    if key not in _bots:
        _bots[key] = _bot_make(token, api_url)
    return _bots[key]


def error_sort(error: TelegramError, token: str) -> AgentError:
    """Telegram's answer, or the lack of one, as our own error; the token never stands in it."""
    text = error.message.replace(token, "<token>")
    if isinstance(error, RetryAfter):
        return TelegramTransient(text, retry_after=_seconds(error.retry_after))
    if isinstance(error, ChatMigrated):
        return TelegramPermanent(text, migrated_to=error.new_chat_id)
    if isinstance(error, Conflict):
        return TelegramConflict(text)
    if isinstance(error, InvalidToken):
        return TelegramUnauthorized(f"{text}. {WRONG_TOKEN}")
    if isinstance(error, (BadRequest, Forbidden)) or text.startswith("Request Entity Too Large"):
        return TelegramPermanent(text)
    # What is left: no answer, an answer that is no JSON, 5xx, and a 429 that names no time.
    return TelegramTransient(text, unknown_outcome=not _never_acted_on(error), refused=_is_refusal(error))


def _seconds(wait: int | timedelta) -> float:
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def _never_acted_on(error: TelegramError) -> bool:
    return isinstance(error.__cause__, NEVER_SENT) or error.message.startswith("Too Many Requests")


def _is_refusal(error: TelegramError) -> bool:
    """A whole answer with an HTTP error: PTB chains a cut or a timeout, and an answer with no JSON in a 2xx."""
    cut = error.__cause__ is not None and not isinstance(error.__cause__, TelegramError)
    return not cut and error.message != "Invalid server response"


def _bot_make(token: str, api_url: str) -> Bot:
    for name in LOGGERS_THAT_WRITE_URLS:
        logging.getLogger(name).setLevel(logging.WARNING)
    tls = httpx.create_ssl_context()  # 25 ms of CPU each: shared by both clients
    # A proxy from the environment is for the world outside, never for a server on this machine.
    outside = urlsplit(api_url).hostname not in ("127.0.0.1", "localhost", "::1")
    clients = [_request_make({"verify": tls, "trust_env": outside}) for _ in range(2)]
    return Bot(
        token,
        base_url=f"{api_url}/bot",
        base_file_url=f"{api_url}/file/bot",
        request=clients[0],
        get_updates_request=clients[1],
    )


def _request_make(options: dict[str, Any]) -> HTTPXRequest:
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS)
    return HTTPXRequest(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        write_timeout=READ_SECONDS,
        pool_timeout=CONNECT_SECONDS,
        httpx_kwargs=options | {"limits": limits},
    )
