"""System checks: combinations of settings that cannot work, each with an id and a hint."""

import ipaddress
import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

LEAST_KEY_LENGTH = 32


@register
def check_settings(**_: Any) -> list[CheckMessage]:
    """All checks of this file; an empty list when everything fits together."""
    return [*check_telegram(), *check_access(), *check_folders(), *check_database()]


def check_telegram() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    public_api = settings.TELEGRAM_API_URL == "https://api.telegram.org"
    if settings.TELEGRAM_MODE == "webhook" and not settings.PUBLIC_URL:
        found.append(
            Error(
                "TELEGRAM_MODE is webhook, but PUBLIC_URL is not set.",
                hint="Set PUBLIC_URL to the address at which Telegram reaches this server, or TELEGRAM_MODE=polling.",
                id="agent_site.E001",
            )
        )
    elif settings.TELEGRAM_MODE == "webhook" and public_api and not settings.PUBLIC_URL.startswith("https://"):
        found.append(
            Error(
                "Telegram calls only https addresses, and PUBLIC_URL is not one.",
                hint="Put a proxy with a certificate in front, or set TELEGRAM_MODE=polling.",
                id="agent_site.E002",
            )
        )
    if settings.TELEGRAM_BOT_TOKEN and not re.fullmatch(r"\d+:[\w-]+", settings.TELEGRAM_BOT_TOKEN):
        found.append(
            Error(
                "TELEGRAM_BOT_TOKEN does not look like a bot token.",
                hint="Copy it from @BotFather as it is: digits, a colon, letters.",
                id="agent_site.E003",
            )
        )
    if not re.fullmatch(r"[\w-]{1,256}", settings.TELEGRAM_WEBHOOK_SECRET):
        found.append(
            Error(
                "TELEGRAM_WEBHOOK_SECRET may only have letters, digits, _ and -, at most 256.",
                hint="Leave it empty: one is made and kept.",
                id="agent_site.E004",
            )
        )
    return found


def check_access() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < LEAST_KEY_LENGTH:
        found.append(
            Error(
                "SECRET_KEY is too short to keep sessions safe.",
                hint="Leave it empty: one is made and kept.",
                id="agent_site.E005",
            )
        )
    if not _is_loopback(settings.BIND):
        if settings.ADMIN_PASSWORD and len(settings.ADMIN_PASSWORD) < 12:
            found.append(
                Error(
                    "BIND opens this server to the network with a short ADMIN_PASSWORD.",
                    hint="Take one of at least 12 characters, or leave it empty: one is made.",
                    id="agent_site.E006",
                )
            )
        if not settings.PUBLIC_URL.startswith("https://"):
            found.append(
                Warning(
                    "BIND opens this server to the network without https: passwords can be read on the way.",
                    hint="Put a proxy with a certificate in front and set PUBLIC_URL to its https address.",
                    id="agent_site.W001",
                )
            )
    return found


def check_folders() -> list[CheckMessage]:
    if not settings.DATA_DIR.resolve().is_relative_to(settings.WORKSPACE_DIR.resolve()):
        return []
    return [
        Error(
            "WORKSPACE_DIR contains DATA_DIR, so tools could read its secrets.",
            hint="Choose a folder of its own for WORKSPACE_DIR.",
            id="agent_site.E007",
        )
    ]


def check_database() -> list[CheckMessage]:
    if settings.DATABASES["default"]["ENGINE"] == "common.postgres":
        return []
    return [
        Error(
            "DATABASE_URL is not the address of a PostgreSQL server.",
            hint="It looks like postgres://user:password@host:5432/name. Leave it empty for the embedded server.",
            id="agent_site.E008",
        )
    ]


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
