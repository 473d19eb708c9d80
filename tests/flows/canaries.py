"""Values that must be seen nowhere, planted wherever a secret lies, and the search for them."""

import base64
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse

from agent_site.logs import RedactingFormatter
from common.text import SECRET_SETTINGS
from llm.scripted import ScriptedModel
from telegram_bridge.fake import FakeTelegram

SHOWN_ROWS = 12
"""Of each table the newest have their pages looked at; the search of the tables themselves leaves out none."""


def canary(name: str) -> str:
    """A value for a secret, with what has to be written differently in an address, in JSON, in base64."""
    return f'{core(name)}/+"ä {name.lower()}'


def core(name: str) -> str:
    """The part by which it is known again, even where only a piece of it got out."""
    return "Zk" + base64.b32encode(name[::-1].ljust(15, "q")[:15].encode()).decode().rstrip("=")[:18]


def settings_planted() -> dict[str, str]:
    """A value for each setting that holds a secret."""
    planted = {name: canary(name) for name in SECRET_SETTINGS}
    planted["TELEGRAM_BOT_TOKEN"] = f"4242424242:AA{core('TELEGRAM_BOT_TOKEN')}-{'x' * 13}"
    planted["DEAD_MAN_URL"] = f"http://127.0.0.1:9/{core('DEAD_MAN_URL')}"
    planted["DATABASE_URL"] = f"postgres://agent:{core('DATABASE_URL')}@127.0.0.1:9/agent"
    # These go into headers.
    keys = ("ANTHROPIC_API_KEY", "HAIKU_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "TELEGRAM_WEBHOOK_SECRET")
    return planted | {name: f"{core(name)}-key" for name in keys}


FORMS = ("plain", "base64", "url", "hex", "reversed")


def needles(value: str) -> dict[str, set[str]]:
    """The forms that a value is searched in, in lower case."""
    raw, encoded = value.encode(), set()
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        encoded.add(text[(0, 2, 3)[before] : -1])
    forms = {
        "plain": {value},
        "base64": encoded | {text.translate(str.maketrans("+/", "-_")) for text in encoded},
        "url": {quote(value, safe=""), "".join(f"%{byte:02x}" for byte in raw)},
        "hex": {raw.hex()},
        "reversed": {value[::-1]},
    }
    return {form: {text.lower() for text in texts} for form, texts in forms.items()}


class Search:
    """Looks for values in everything that the product has written, shown, logged and sent."""

    def __init__(self, values: dict[str, str]) -> None:
        self.wanted = {(name, form): texts for name, value in values.items() for form, texts in needles(value).items()}

    def in_text(self, text: str) -> list[tuple[str, str]]:
        """Name and form of what is in it."""
        lowered = text.lower()
        return [what for what, texts in self.wanted.items() if any(each in lowered for each in texts)]

    def found(self, places: Iterator[tuple[str, str]]) -> list[tuple[str, str, str, str]]:
        """Place, name, form, and what stands around it."""
        return [
            (place, *what, _around(text, self.wanted[what])) for place, text in places for what in self.in_text(text)
        ]


def _around(text: str, texts: set[str]) -> str:
    at = next(found for found in map(text.lower().find, texts) if found >= 0)
    return text[max(at - 60, 0) : at + 60]


def tables() -> Iterator[tuple[str, str]]:
    """Every row of every table, all of its columns as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")
            yield from ((f"table {table}", row[0]) for row in cursor.fetchall())


def pages(client: Client) -> Iterator[tuple[str, str]]:
    """Every list and page of the admin, and what else the product serves."""
    addresses = [reverse("admin:index"), "/health", "/stats", "/metrics", "/chat/", "/chat/feed"]
    for model, page in admin.site._registry.items():
        name = f"admin:{page.opts.app_label}_{page.opts.model_name}"
        addresses.append(reverse(f"{name}_changelist"))
        rows = model._default_manager.order_by("-pk")[:SHOWN_ROWS]
        addresses += [reverse(f"{name}_change", args=[row.pk]) for row in rows]
    for address in addresses:
        response = client.get(address)
        assert response.status_code in (200, 503), (address, response.status_code)  # /health says what is down
        yield address, response.content.decode()


def telegram_traffic(telegram: FakeTelegram) -> Iterator[tuple[str, str]]:
    """What the bot has sent, edited and answered."""
    for message in telegram.sent():
        yield "Telegram", str(message.as_json())
    yield from (("Telegram", answer.text) for answer in telegram.answers())


def model_traffic(model: ScriptedModel) -> Iterator[tuple[str, str]]:
    """What models were told. The key belongs into the header that is left out here, and nowhere else."""
    for received in model.requests:
        yield "model", str(received.body)
        others = {name: value for name, value in received.headers.items() if not re.search("key|auth", name, re.I)}
        yield "model", str(others)


def files(*folders: Path) -> Iterator[tuple[str, str]]:
    """The names and contents of all files below."""
    for path in (each for folder in folders for each in folder.rglob("*") if each.is_file()):
        yield str(path), f"{path} {path.read_text(errors='replace')}"


class Log(logging.Handler):
    """Keeps each line as the product would write it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(RedactingFormatter())
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: Any) -> None:
        self.lines.append(("log", self.format(record)))
