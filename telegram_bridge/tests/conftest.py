"""The bridge's surroundings: the Bot API stand-in that the settings point to, and waits that are only noted."""

from collections.abc import Iterator
from threading import Event

import pytest

from ops import connections
from telegram_bridge.client import TelegramClient
from telegram_bridge.fake import FakeTelegram
from tests.cast import OWNER_ID


class Noted(Event):
    """A stop switch whose waits take no time; `waits` are their seconds. It ends the work after `most` waits."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.most = most

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        if len(self.waits) >= self.most:
            self.set()
        return self.is_set()


@pytest.fixture
def stop() -> Noted:
    return Noted()


@pytest.fixture
def bot(settings) -> Iterator[FakeTelegram]:
    """Telegram, with the owner's chat open; webhooks may be plain http."""
    connections.forget()
    with FakeTelegram(flood=False, allow_http=True, retry_seconds=0.01) as fake:
        settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_API_URL = fake.token, fake.url
        settings.MASTER_CHAT_IDS = [OWNER_ID]
        fake.open_chat(OWNER_ID)
        yield fake
    connections.forget()


@pytest.fixture
def door(bot: FakeTelegram) -> TelegramClient:
    return TelegramClient(bot.token, bot.url)
