"""An hour without Telegram: everything is delivered afterwards, in order, and nothing twice that did not arrive."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.models import Approval
from approvals.services import approval_ask
from telegram_bridge.channel import TelegramChannel
from telegram_bridge.errors import TelegramTransient
from telegram_bridge.fake import FakeTelegram
from telegram_bridge.settings import client
from threads import outbox
from threads.models import Delivery, Thread
from threads.services import say

pytestmark = pytest.mark.django_db
CHAT = 1000


class Clock:
    """Python's time as the product reads it; the database's own is not asked by the outbox."""

    def __init__(self, monkeypatch):
        self.began = self.now = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def minutes(self) -> float:
        return (self.now - self.began).total_seconds() / 60


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def telegram(settings):
    with FakeTelegram(allow_http=True) as standing_in:
        standing_in.flood(False)  # it counts real seconds
        standing_in.open_chat(CHAT)
        settings.TELEGRAM_API_URL, settings.TELEGRAM_BOT_TOKEN = standing_in.url, standing_in.token
        yield standing_in


@pytest.fixture
def thread(db) -> Thread:
    return Thread.objects.create(channel="telegram", address=str(CHAT))


@pytest.fixture
def tick(clock):
    """One tick, its outcome written down; then the clock stands where the next one is due."""
    channel = TelegramChannel()
    with ThreadPoolExecutor(2) as pool:

        def one() -> bool:
            done = outbox.tick(channel, pool)
            outbox._carrier(channel.name).drain()
            if not done.carried and done.next_in is not None:
                clock.move(done.next_in + 0.001)
            return bool(done.carried) or done.next_in is not None

        yield one


def card(thread: Thread) -> None:
    asked = approval_ask(
        kind=Approval.Kind.PLAN,
        subject="job:1",
        title="A plan",
        card={},
        choices=[("ok", "OK")],
        expires_in=timedelta(days=1),
    )
    say(thread=thread, text="card", approval=asked)


FAULTS = {
    "mixed": [
        lambda fake: fake.reset_before("sendMessage"),
        lambda fake: fake.fail_next("sendMessage", 502),
        lambda fake: fake.fail_next("sendMessage", 429, retry_after=30),
        lambda fake: fake.fail_next("sendMessage", 500),
        lambda fake: fake.fail_next("sendMessage", 504),
    ],
    "502": [lambda fake: fake.fail_next("sendMessage", 502)],
    "resets": [lambda fake: fake.reset_before("sendMessage")],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_after_an_hour_of_faults_all_is_delivered_in_order(telegram, thread, tick, clock, faults):
    for number in range(4):
        say(thread=thread, text=f"text {number}")
    card(thread)
    say(thread=thread, text="last")
    order = itertools.cycle(faults)
    while clock.minutes < 60:
        next(order)(telegram)
        assert tick(), "it has given up"
    assert telegram.sent() == []
    telegram.world.faults.ordered.clear()
    while tick():
        pass
    assert [message.text for message in telegram.sent()] == ["text 0", "text 1", "text 2", "text 3", "card", "last"]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    assert clock.minutes < 60 + 12


def test_a_wait_that_telegram_names_is_kept_to_the_second(telegram, thread, tick, clock):
    say(thread=thread, text="a")
    telegram.fail_next("sendMessage", 429, retry_after=77)
    tick()
    assert tick()
    assert (clock.now - clock.began).total_seconds() == pytest.approx(77, abs=1)
    tick()
    assert [message.text for message in telegram.sent()] == ["a"]


def test_a_reset_after_the_send_is_repeated_once_and_marked(telegram, thread, tick):
    say(thread=thread, text="a")
    telegram.reset_after("sendMessage")
    while tick():
        pass
    assert [message.text for message in telegram.sent()] == ["a", "a"]
    row = Delivery.objects.get()
    assert (row.state, row.repeated, row.unknown_sends) == ("sent", True, 1)


@pytest.mark.parametrize(
    ("fault", "unknown", "refused"),
    [
        (lambda fake: fake.fail_next("sendMessage", 502), True, True),
        (lambda fake: fake.fail_next("sendMessage", 500), True, True),
        (lambda fake: fake.reset_before("sendMessage"), True, False),
        (lambda fake: fake.fail_next("sendMessage", 429, retry_after=3), False, False),
    ],
    ids=["502", "500", "reset", "429"],
)
def test_a_whole_answer_is_told_from_a_cut(telegram, fault, unknown, refused):
    fault(telegram)
    with pytest.raises(TelegramTransient) as caught:
        client().send_message(CHAT, "a")
    assert (caught.value.unknown_outcome, caught.value.refused) == (unknown, refused)
