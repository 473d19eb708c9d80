"""The webhook is given up after three failed checks, tried again each hour, and nothing is lost or doubled by that."""

import json
import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from ops.models import AuditEvent, Connection, Notice
from ops.tasks import connections_tell
from telegram_bridge.fake.web import Response, WebServer
from telegram_bridge.link import WEBHOOK
from telegram_bridge.mode import SWITCH_AT_MOST_EACH, Mode, Way, arrange, mode_keep, mode_load, mode_switch, way_now
from telegram_bridge.models import TelegramUpdate
from telegram_bridge.receiver import Receiver
from telegram_bridge.settings import webhook_url
from telegram_bridge.watchdog import TRIAL_EACH, trial_is_due, trouble, webhook_check, webhook_try
from tests.cast import OWNER_ID

pytestmark = pytest.mark.django_db
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def nobody(settings):
    """A PUBLIC_URL at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.PUBLIC_URL = f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def somebody(settings):
    """A PUBLIC_URL that is alive."""
    server = WebServer(lambda request: Response(status=200, body=b'{"status": "ok"}'), host="127.0.0.1", port=0)
    server.start()
    settings.PUBLIC_URL = f"http://127.0.0.1:{server.port}"
    yield
    server.stop()


def switched(ago: timedelta) -> None:
    """The last switch is so long ago."""
    mode_keep(switched_at=timezone.now() - ago, tried_at=timezone.now() - ago)


def undeliverable(bot) -> None:
    """A message that Telegram has tried to deliver in vain."""
    bot.user_says(OWNER_ID, "Can you hear me?")
    bot.wait_for(lambda fake: fake.updates.webhook.last_error)


NOW = timezone.now()
CHECKED = Mode(checked_at=NOW - timedelta(minutes=1), error_at=100)


@pytest.mark.parametrize(
    ("info", "seen_ago", "wrong"),
    [
        ({}, 300, ""),
        ({"pending_update_count": 3}, 5, ""),
        ({"pending_update_count": 3}, 300, "3 updates wait at Telegram, and none has come"),
        ({"pending_update_count": 3}, None, "3 updates wait at Telegram, and none has come"),
        ({"pending_update_count": 0, "last_error_date": 130, "last_error_message": "Read timeout"}, 5, ""),
        ({"pending_update_count": 2, "last_error_date": 130, "last_error_message": "502"}, 5, "2 updates wait: 502"),
        ({"pending_update_count": 2, "last_error_date": 100, "last_error_message": "502"}, 5, ""),
        ({"url": ""}, 5, "no webhook"),
        ({"url": "https://elsewhere.example.org"}, 5, "another address"),
    ],
)
def test_what_counts_against_the_webhook(info, seen_ago, wrong, settings):
    settings.PUBLIC_URL = "https://agent.example.org"
    seen = None if seen_ago is None else NOW - timedelta(seconds=seen_ago)
    found = trouble({"url": webhook_url()} | info, CHECKED, seen_at=seen)
    assert wrong in found
    assert bool(found) == bool(wrong)


def test_after_three_failed_checks_updates_come_by_polling_and_none_is_lost(bot, door, nobody, stop):
    arrange(door, Way.WEBHOOK)
    undeliverable(bot)
    assert [bool(webhook_check(door)) for _ in range(3)] == [True, True, True]
    assert way_now() is Way.POLLING
    assert AuditEvent.objects.get(action="telegram polling").actor == "system"
    assert "nothing is lost" in Notice.objects.get(kind="telegram_mode").text
    receiver = Receiver(door, stop)
    receiver.turn()
    receiver.turn()
    assert TelegramUpdate.objects.get().message.text == "Can you hear me?"
    assert door.webhook_info()["url"] == ""


def test_two_failed_checks_and_a_good_one_change_nothing(bot, door, nobody):
    arrange(door, Way.WEBHOOK)
    undeliverable(bot)
    webhook_check(door)
    webhook_check(door)
    bot.updates.pending.clear()
    assert webhook_check(door) == ""
    assert (mode_load().failed, way_now()) == (0, Way.WEBHOOK)
    assert Connection.objects.get(name=WEBHOOK).state == "connected"


def test_a_telegram_that_does_not_answer_says_nothing_against_the_webhook(bot, door, nobody, stop):
    receiver = Receiver(door, stop)
    receiver.turn()
    bot.fail_next("getWebhookInfo", 502, n=5)
    for _ in range(5):
        receiver.turn()
    assert (mode_load().failed, way_now()) == (0, Way.WEBHOOK)


def test_a_restart_forgets_neither_the_mode_nor_the_failed_checks(bot, door, nobody, stop):
    arrange(door, Way.WEBHOOK)
    undeliverable(bot)
    webhook_check(door)
    arrange(door, Way.WEBHOOK)
    webhook_check(door)
    assert mode_load().failed == 2
    webhook_check(door)
    Receiver(door, stop).turn()
    assert door.webhook_info()["url"] == ""


def test_a_pinned_webhook_is_never_given_up_but_told(bot, door, nobody, settings):
    settings.TELEGRAM_MODE = "webhook"
    arrange(door, Way.WEBHOOK)
    undeliverable(bot)
    for _ in range(4):
        webhook_check(door)
    assert (way_now(), door.webhook_info()["url"]) == (Way.WEBHOOK, webhook_url())
    row = Connection.objects.get(name=WEBHOOK)
    assert (row.state, "wait" in row.last_error) == ("down", True)
    Connection.objects.update(since=timezone.now() - timedelta(minutes=2))
    connections_tell()
    assert "Telegram webhook" in Notice.objects.get(kind="connection_down").text


def test_pinned_polling_stays_polling(settings, somebody):
    settings.TELEGRAM_MODE = "polling"
    assert (way_now(), trial_is_due()) == (Way.POLLING, False)


def test_a_webhook_that_somebody_took_away_is_set_again(bot, door, nobody):
    arrange(door, Way.WEBHOOK)
    door.delete_webhook()
    assert "no webhook" in webhook_check(door)
    assert door.webhook_info()["url"] == webhook_url()


def test_there_is_at_most_one_switch_in_fifteen_minutes():
    assert mode_switch(to=Way.POLLING, reason="it failed")
    assert not mode_switch(to=Way.POLLING, reason="it failed")
    assert not mode_switch(to=Way.WEBHOOK, reason="it works")
    switched(SWITCH_AT_MOST_EACH)
    assert mode_switch(to=Way.WEBHOOK, reason="it works")
    assert Notice.objects.filter(kind="telegram_mode").count() == 2


def test_the_webhook_is_tried_again_once_an_hour(nobody):
    mode_switch(to=Way.POLLING, reason="it failed")
    assert not trial_is_due()
    switched(TRIAL_EACH)
    assert trial_is_due()


def test_it_comes_back_when_our_own_address_answers(bot, door, somebody, stop):
    mode_switch(to=Way.POLLING, reason="it failed")
    switched(TRIAL_EACH)
    receiver = Receiver(door, stop)
    receiver.turn()
    bot.user_says(OWNER_ID, "Hello")
    receiver.turn()  # the poll, then the trial
    receiver.turn()
    assert (way_now(), door.webhook_info()["url"]) == (Way.WEBHOOK, webhook_url())
    assert "by webhook again" in Notice.objects.latest("pk").text


def test_it_does_not_come_back_while_nobody_answers_at_our_address(bot, door, nobody):
    mode_switch(to=Way.POLLING, reason="it failed")
    switched(TRIAL_EACH)
    assert not webhook_try(door)
    assert (way_now(), trial_is_due()) == (Way.POLLING, False)
    assert "setWebhook" not in bot.counters()["calls"]
    assert "does not answer" in Connection.objects.get(name=WEBHOOK).last_error


def test_it_does_not_come_back_while_telegram_refuses_the_address(bot, door, somebody):
    mode_switch(to=Way.POLLING, reason="it failed")
    switched(TRIAL_EACH)
    bot.fail_next("setWebhook", 400, description="Bad Request: bad webhook: IP address is reserved")
    assert not webhook_try(door)
    assert way_now() is Way.POLLING


def test_an_address_that_telegram_refuses_at_the_start_means_polling(bot, door, nobody, stop):
    bot.fail_next("setWebhook", 400, description="Bad Request: bad webhook: IP address is reserved")
    receiver = Receiver(door, stop)
    receiver.turn()
    receiver.turn()
    assert (receiver.way, way_now()) == (Way.POLLING, Way.POLLING)


@pytest.mark.django_db(transaction=True)
def test_switching_to_and_fro_neither_loses_nor_doubles_an_update(bot, door, live_server, settings, stop):
    settings.PUBLIC_URL = live_server.url
    receiver = Receiver(door, stop)
    sent = []
    for way in (Way.WEBHOOK, Way.POLLING, Way.WEBHOOK, Way.POLLING):
        switched(AN_HOUR)
        mode_switch(to=way, reason="a test")
        sent += [bot.user_says(OWNER_ID, f"{way} {number}")["update_id"] for number in range(3)]
        receiver.turn()  # arranges it
        sent += [bot.user_says(OWNER_ID, f"{way} {number}")["update_id"] for number in range(3)]
        if way is Way.POLLING:
            receiver.turn()
            receiver.poller.stop = lambda: True  # nothing waits any more: confirm, and do not sit the poll out
            receiver.turn()
            receiver.poller.stop = stop.is_set
        bot.wait_for(lambda fake: not fake.updates.pending)
    assert sorted(TelegramUpdate.objects.values_list("update_id", flat=True)) == sorted(sent)


def test_what_a_newer_version_kept_can_be_read():
    mode_keep(way=Way.POLLING)
    row = Connection.objects.get(name=WEBHOOK)
    row.detail = json.loads(json.dumps(row.detail)) | {"way": "carrier pigeon", "more": 1}
    row.save()
    assert mode_load().way is Way.WEBHOOK
