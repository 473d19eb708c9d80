"""What /health says of Telegram."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ops import connections
from ops.connections import connection_failed, connection_ok
from ops.heartbeats import beat
from ops.models import Connection
from telegram_bridge.health import telegram
from telegram_bridge.link import POLLING, TELEGRAM
from telegram_bridge.models import TelegramUpdate

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _bridge(settings):
    settings.TELEGRAM_BOT_TOKEN = "42:token"
    connections.forget()
    beat("bridge")
    yield
    connections.forget()


def test_it_says_in_which_way_updates_come(settings):
    assert (telegram().level, telegram().reason) == ("ok", "Updates come by polling.")
    settings.PUBLIC_URL = "https://agent.example.org"
    assert telegram().reason == "Updates come by webhook; none has come yet."
    TelegramUpdate.objects.create(bot_id=42, update_id=1, kind="message", payload={})
    assert f"the last one came at {timezone.now():%Y-%m-%d}" in telegram().reason


def test_it_says_since_when_telegram_is_down_and_why():
    for _ in range(3):
        connection_failed(TELEGRAM, "Bad Gateway", retry_in=15)
    found = telegram()
    assert found.level == "degraded"
    assert "“Telegram” on" in found.reason
    assert "is down since" in found.reason
    assert "Bad Gateway" in found.reason


def test_a_poll_that_does_not_come_back_is_told():
    connection_ok(POLLING, host="")
    assert telegram().level == "ok"
    Connection.objects.update(last_ok_at=timezone.now() - timedelta(minutes=2))
    assert (telegram().level, "The last poll" in telegram().reason) == ("degraded", True)
