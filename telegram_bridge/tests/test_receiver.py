"""Receiving goes on whatever happens to it: Telegram, the database, somebody else with the token, a bug."""

from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection
from django.utils import timezone

from common import bus
from ops.models import Connection, Notice, Outage
from telegram_bridge.client import TelegramClient
from telegram_bridge.link import POLLING, TELEGRAM
from telegram_bridge.models import TelegramUpdate
from telegram_bridge.receiver import DOUBLED, HOOKED, Receiver, gap_look, receiver_lock
from telegram_bridge.tests.conftest import Noted
from tests.cast import OWNER_ID

pytestmark = pytest.mark.django_db
State = Connection.State


@pytest.fixture
def receiver(bot, door, stop):
    """One that polls, and has arranged that."""
    made = Receiver(door, stop)
    made.turn()
    return made


def row(name):
    return Connection.objects.get(name=name)


def taken():
    return TelegramUpdate.objects.count()


def test_a_turn_takes_what_waits_and_says_that_updates_come(bot, receiver):
    bot.user_says(OWNER_ID, "Hello")
    receiver.turn()
    assert taken() == 1
    assert row(POLLING).state == State.CONNECTED
    assert row(POLLING).last_ok_at is not None
    assert row(TELEGRAM).state == State.CONNECTED


def test_a_flood_limit_is_waited_out_for_as_long_as_it_says(bot, receiver, stop):
    bot.fail_next("getUpdates", 429, retry_after=33)
    receiver.turn()
    assert stop.waits == [33.0]
    assert row(TELEGRAM).state == State.CONNECTED  # Telegram does answer


@pytest.mark.parametrize("method", ["deleteWebhook", "setMyCommands"])
def test_so_it_is_while_the_mode_is_arranged(method, bot, door, stop):
    bot.fail_next(method, 429, retry_after=7)
    receiver = Receiver(door, stop)
    receiver.turn()
    assert (stop.waits, receiver.way) == ([7.0], None)
    receiver.turn()
    assert receiver.way == "polling"


def test_an_outage_is_waited_out_with_growing_pauses_below_twenty_seconds(bot, receiver, stop):
    bot.fail_next("getUpdates", 502, n=12)
    for _ in range(12):
        receiver.turn()
    assert len(stop.waits) == 12
    assert max(stop.waits) <= 20
    assert (row(TELEGRAM).state, row(TELEGRAM).next_try_at is not None) == (State.DOWN, True)
    bot.user_says(OWNER_ID, "Are you there?")
    receiver.turn()
    assert (taken(), row(TELEGRAM).state, receiver.failures) == (1, State.CONNECTED, 0)


def test_a_revoked_token_is_down_at_once_with_what_to_do_and_no_hot_loop(bot, receiver, stop):
    bot.fail_next("*", 401, n=2)
    receiver.turn()
    receiver.turn()
    assert stop.waits == [60.0, 60.0]
    assert row(TELEGRAM).state == State.DOWN
    assert "@BotFather" in row(TELEGRAM).last_error


def test_another_poller_is_told_in_words_and_waited_out(bot, receiver, stop):
    bot.fail_next("getUpdates", 409, description="Conflict: terminated by other getUpdates request")
    receiver.turn()
    assert row(POLLING).last_error == DOUBLED
    assert len(stop.waits) == 1
    receiver.poller.stop = lambda: True  # nothing waits: do not sit the poll out
    receiver.turn()
    assert bot.counters()["calls"]["getUpdates"] == 2


def test_a_webhook_in_the_way_is_taken_away_and_nothing_that_waits_is_lost(bot, receiver, door):
    bot.user_says(OWNER_ID, "Hello")
    door.set_webhook("http://127.0.0.1:9/somebody-elses")
    receiver.turn()
    assert row(POLLING).last_error == HOOKED
    assert door.webhook_info()["url"] == ""
    receiver.turn()
    assert taken() == 1
    assert row(POLLING).state == State.CONNECTED


class Surprising(TelegramClient):
    """A Telegram whose first answer nobody thought of."""

    surprises = 1

    def get_updates(self, *args, **options):
        if self.surprises:
            self.surprises -= 1
            return [{"no": "update_id"}]
        return super().get_updates(*args, **options)


@pytest.mark.django_db(transaction=True)  # it connects anew
def test_what_nobody_thought_of_is_waited_out_and_receiving_goes_on(bot, stop, caplog):
    bot.user_says(OWNER_ID, "Hello")
    receiver = Receiver(Surprising(bot.token, bot.url), stop)

    def enough() -> bool:
        if taken():
            stop.set()
        return stop.is_set()

    receiver.poller.stop = enough
    receiver.run()
    assert "receiving failed, and begins anew" in caplog.text
    assert taken() == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_session_that_is_killed_costs_no_update(bot, door):
    stop = Noted(most=1000)
    receiver = Receiver(door, stop)
    thread = Thread(target=receiver.run)
    thread.start()
    try:
        bot.user_says(OWNER_ID, "Before")
        bot.wait_for(lambda fake: fake.confirmed())
        kill_sessions()
        bot.user_says(OWNER_ID, "After")
        bot.wait_for(lambda fake: len(fake.confirmed()) == 2)
    finally:
        stop.set()
        thread.join(10)
    assert sorted(TelegramUpdate.objects.values_list("message__text", flat=True)) == ["After", "Before"]


def kill_sessions():
    """Ends every other session of the test database, as a restart of the server does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@pytest.mark.django_db(transaction=True)
def test_only_one_process_of_the_system_receives(bot, door):
    with receiver_lock() as mine, bus.connect() as other:
        assert mine
        held = other.execute("SELECT pg_try_advisory_lock(hashtext('receive:' || %s))", ["4242424242"]).fetchone()
        assert held == (False,)
    with bus.connect() as other:
        other.execute("SELECT pg_advisory_lock(hashtext('receive:' || %s))", ["4242424242"])
        stop = Noted(most=2)
        Receiver(door, stop).run()
        assert (stop.waits, bot.counters()["calls"]) == ([2.0, 2.0], {})


def reached_last(ago):
    Connection.objects.create(
        name=POLLING,
        since=timezone.now() - ago,
        seen_at=timezone.now() - ago,
        last_ok_at=timezone.now() - ago,
    )


def test_telegram_out_of_reach_for_more_than_a_day_is_told_as_a_possible_gap(bot, receiver):
    reached_last(timedelta(hours=30))
    bot.user_says(OWNER_ID, "Hello")
    receiver.turn()
    assert "(30 h)" in Notice.objects.get(kind="gap").text
    bot.user_says(OWNER_ID, "Hello again")
    receiver.turn()
    assert Notice.objects.filter(kind="gap").count() == 1


def test_an_outage_of_the_whole_system_is_not_told_a_second_time():
    reached_last(timedelta(hours=30))
    began = timezone.now() - timedelta(hours=30) + timedelta(seconds=20)
    Outage.objects.create(began_at=began, ended_at=timezone.now())
    gap_look()
    assert not Notice.objects.filter(kind="gap").exists()
