"""Small things done to text: shortened, measured as Telegram does, cleared of secrets."""

import re
from functools import lru_cache

from django.conf import settings

REDACTED = "[redacted]"

# The settings whose values must never be seen outside of the process that needs them.
SECRET_SETTINGS = (
    "SECRET_KEY",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_WEBHOOK_SECRET",
    "ANTHROPIC_API_KEY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "HAIKU_API_KEY",
    "ADMIN_PASSWORD",
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
    """`text` without the secrets of the settings and without anything that looks like a key."""
    for secret in _known_secrets():
        text = text.replace(secret, REDACTED)
    return KEY_FORMATS.sub(REDACTED, text)


@lru_cache(maxsize=1)
def _known_secrets() -> tuple[str, ...]:
    values = {str(getattr(settings, name, "")) for name in SECRET_SETTINGS}
    # A very short value would blank out ordinary words.
    return tuple(sorted((value for value in values if len(value) >= 8), key=len, reverse=True))
