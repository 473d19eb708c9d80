"""Small things done to text: shortened, measured as Telegram does, cleared of secrets."""

import base64
import html
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from django.conf import settings

REDACTED = "[redacted]"
LEAST_SECRET = 8
URL_ALPHABET = str.maketrans("+/", "-_")

# The settings whose values must never be seen outside of the process that needs them.
SECRET_SETTINGS = (
    "SECRET_KEY",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_WEBHOOK_SECRET",
    "ANTHROPIC_API_KEY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "HAIKU_API_KEY",
    "ADMIN_PASSWORD",
    "MONITORING_TOKEN",
    "DEAD_MAN_URL",
)

# Formats that give a key away wherever it stands: Anthropic and OpenRouter, GitHub, AWS, Telegram bots, private keys.
KEY_FORMATS = re.compile(
    r"sk-[A-Za-z0-9_-]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_[A-Za-z0-9_]{30,}"
    r"|AKIA[0-9A-Z]{16}"
    r"|(?:\b|(?<=/bot))\d{6,12}:[A-Za-z0-9_-]{30,}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)


def shorten(text: str, limit: int) -> str:
    """`text` on one line, at most `limit` characters, an ellipsis where something was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: max(limit - 1, 0)].rstrip() + "…"


def utf16_len(text: str) -> int:
    """The length that Telegram counts: UTF-16 code units (https://core.telegram.org/api/entities#entity-length)."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def split_utf16(text: str, limit: int) -> list[str]:
    """`text` in pieces of at most `limit` UTF-16 units, cut at a line end or a space where there is one.

    Nothing but the white space at the cuts is lost; an empty text gives no piece.
    """
    pieces = []
    rest = text
    while utf16_len(rest) > limit:
        head = _longest_head(rest, limit)
        at = max(head.rfind("\n"), head.rfind(" ") if "\n" not in head[limit // 2 :] else -1)
        at = at if at > limit // 2 else len(head)
        pieces.append(rest[:at].rstrip())
        rest = rest[at:].lstrip(" \n")
    return [piece for piece in [*pieces, rest] if piece.strip()]


def _longest_head(text: str, limit: int) -> str:
    """The longest beginning of `text` within `limit` units."""
    head = text[:limit]
    while (over := utf16_len(head) - limit) > 0:
        head = head[: len(head) - max(over // 2, 1)]
    return head


def redact(text: str) -> str:
    """`text` without the secrets that this process knows and without anything that looks like a key."""
    return KEY_FORMATS.sub(REDACTED, redact_known(text))


def redact_known(text: str) -> str:
    """`text` without the secrets of the settings and those that `remember_secrets` was told, plain or encoded."""
    known = _known_secrets()
    if not known or len(text) < len(known[-1][0]):
        return text
    lowered = text.lower()
    for secret, plain in known:
        if plain in lowered:
            text = re.sub(re.escape(secret), REDACTED, text, flags=re.IGNORECASE)
            lowered = text.lower()
    return text


def redact_within(value: Any) -> Any:
    """A value as JSON has it, with `redact_known` done to each text in it."""
    if isinstance(value, str):
        return redact_known(value)
    if isinstance(value, dict):
        return {redact_within(name): redact_within(each) for name, each in value.items()}
    return [redact_within(each) for each in value] if isinstance(value, list | tuple) else value


def remember_secrets(values: Iterable[str]) -> None:
    """Has these values redacted from now on, in this process."""
    if not _remembered.issuperset(wanted := set(values)):
        _remembered.update(wanted)
        _known_secrets.cache_clear()


_remembered: set[str] = set()


@lru_cache(maxsize=1)
def _known_secrets() -> tuple[tuple[str, str], ...]:
    """Each form of each secret, the longest first, with itself in lower case."""
    values = {str(getattr(settings, name, "")) for name in SECRET_SETTINGS} | _remembered
    values |= {_database_password(), str(settings.DATABASES["default"].get("PASSWORD") or "")}
    # A very short value would blank out ordinary words.
    shown = {form for value in values if len(value) >= LEAST_SECRET for form in _forms(value)}
    return tuple((form, form.lower()) for form in sorted(shown, key=len, reverse=True))


def _database_password() -> str:
    """That of DATABASE_URL as it is meant: in an address it stands encoded."""
    return unquote(urlsplit(settings.DATABASE_URL).password or "")


def _forms(value: str) -> set[str]:
    """The ways in which a value commonly stands in a text: as it is, in a page, an address, JSON, hex, base64."""
    in_json = {json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    in_address = {quote(value), quote(value, safe=""), quote_plus(value)}
    raw = value.encode()
    return {value, html.escape(value), raw.hex(), repr(value)[1:-1], *in_json, *in_address, *_base64_forms(raw)}


def _base64_forms(raw: bytes) -> set[str]:
    """What base64 makes of it wherever it begins in a longer text (`user:password`), in both alphabets: without the
    characters at its ends that its neighbours have a part in."""
    forms = set()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[before] : len(encoded) - (1 if (before + len(raw)) % 3 else 0)]
        forms |= {inner, inner.translate(URL_ALPHABET)}
    return forms
