"""What a process's calls say of the way to Telegram."""

import pytest

from ops import connections
from ops.models import Connection
from telegram_bridge.errors import TelegramConflict, TelegramPermanent, TelegramTransient, TelegramUnauthorized
from telegram_bridge.link import Link

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process():
    connections.forget()
    yield
    connections.forget()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "connected"),
        (TelegramPermanent("Chat not found"), "connected"),
        (TelegramTransient("Too many requests", retry_after=3.0), "connected"),
        (TelegramConflict("terminated by other getUpdates request"), "connected"),
        (TelegramTransient("Bad Gateway"), "degraded"),
        (TelegramUnauthorized("Unauthorized"), "down"),
    ],
)
def test_an_answer_is_an_answer_also_when_it_refuses(error, state):
    link = Link()
    link.heard(error)
    link.tell()
    assert Connection.objects.get().state == state


def test_what_was_told_is_not_told_again():
    link = Link()
    link.heard(TelegramTransient("Bad Gateway"))
    link.tell()
    link.tell()
    assert Connection.objects.get().failures == 1


def test_nothing_heard_is_nothing_told(django_assert_num_queries):
    with django_assert_num_queries(0):
        Link().tell()
