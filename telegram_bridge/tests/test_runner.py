"""The bridge's process ends itself when a part of it does not get on, so that a fresh one takes over."""

import contextlib
import json
from threading import Event, Thread

import pytest

from common.bus import notify
from ops.models import Connection, Heartbeat
from telegram_bridge import acks
from telegram_bridge.inbound import ACK_CHANNEL
from telegram_bridge.link import TELEGRAM
from telegram_bridge.runner import Bridge, BridgeStuck
from telegram_bridge.sender import Sender
from telegram_bridge.tests.test_receiver import kill_sessions
from tests.cast import OWNER_ID
from threads.services import say, thread_find_or_open

pytestmark = pytest.mark.django_db


@pytest.fixture
def bridge():
    made = Bridge(Event())
    yield made
    made.stop.set()


def test_its_beat_says_in_which_way_updates_come_and_how_telegram_is_reached(bridge, bot, door):
    bridge.start("receive", bridge.stop.wait)
    door.get_me()
    bridge.on_beat(True, way="polling")
    assert Heartbeat.objects.get(name="bridge").detail == {"way": "polling"}
    assert Connection.objects.get(name=TELEGRAM).state == "connected"
    bridge.stop.set()
    bridge.end()


def test_a_turn_beyond_its_limit_ends_the_process(bridge, caplog):
    bridge.pulse.expect(60)
    bridge.on_beat(True)
    assert not bridge.stop.is_set()
    bridge.pulse.expect(-1)
    bridge.on_beat(True)
    assert bridge.stop.is_set()
    with pytest.raises(BridgeStuck, match="Receiving is stuck"):
        bridge.end()


def test_a_thread_that_has_ended_ends_the_process(bridge):
    bridge.start("acks", lambda: None)
    bridge.threads[0].join(5)
    bridge.on_beat(True)
    with pytest.raises(BridgeStuck, match="The thread acks has ended"):
        bridge.end()


def test_a_stop_that_was_asked_for_is_no_trouble(bridge):
    bridge.stop.set()
    bridge.pulse.expect(-1)
    bridge.on_beat(True)
    bridge.end()


@pytest.fixture
def running():
    """Starts a thread's function; it is stopped at the end."""
    stop, threads = Event(), []

    def start(main):
        threads.append(Thread(target=main, args=(stop,)))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def answered(bot, callback_id):
    """Says that a press was decided until its answer is there: what is told while nobody listens is lost, as it may."""
    for _ in range(50):
        notify(ACK_CHANNEL, json.dumps({"id": callback_id, "text": "Started."}))
        with contextlib.suppress(TimeoutError):
            return bot.wait_for(lambda fake: callback_id in [answer.callback_id for answer in fake.answers()], 0.2)
    return False


@pytest.mark.django_db(transaction=True)
def test_button_answers_survive_nonsense_and_a_killed_database_session(bot, door, running):
    card = door.send_message(OWNER_ID, "Start?", buttons=[[("OK", "a:1:1:approve")]])
    presses = [bot.user_presses(OWNER_ID, card, label="OK")["callback_query"]["id"] for _ in range(3)]
    running(lambda stop: acks.serve(door, stop))
    assert answered(bot, presses[0])
    notify(ACK_CHANNEL, "no JSON")
    assert answered(bot, presses[1])
    kill_sessions()
    assert answered(bot, presses[2])


@pytest.mark.django_db(transaction=True)
def test_the_sender_survives_a_killed_database_session_and_sends_once(bot, running):
    thread = thread_find_or_open(channel="telegram", address=str(OWNER_ID), kind="private")
    running(lambda stop: Sender(stop=stop, wake_fd=None, on_beat=lambda worked: None).run())
    for text in ("Before.", "After."):
        say(thread=thread, text=text)
        bot.wait_for_sent(contains=text, timeout=10)
        kill_sessions()
    assert [message.text for message in bot.sent(OWNER_ID)] == ["Before.", "After."]
