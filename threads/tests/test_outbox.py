"""In order per chat, within the rates, each outcome written down."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from threads import channels, outbox
from threads.channels import Outgoing, Rate
from threads.errors import DeliveryPermanent, DeliveryTransient
from threads.models import Delivery, Message, SendBucket, Thread
from threads.services import delivery_resend, say

pytestmark = pytest.mark.django_db


class Paper:
    """A channel that writes on paper, and fails when told to."""

    name = "paper"
    pulls = False
    text_limit = 10

    def __init__(self):
        self.written: list[Outgoing] = []
        self.faults: list[Exception] = []
        self.buckets: list[Rate] = []

    def send(self, outgoing: Outgoing) -> str:
        if self.faults:
            raise self.faults.pop(0)
        self.written.append(outgoing)
        return str(len(self.written))

    def edit(self, outgoing: Outgoing) -> None:
        self.send(outgoing)

    def rates(self, address: str) -> list[Rate]:
        return self.buckets


@pytest.fixture
def paper(monkeypatch) -> Paper:
    channel = Paper()
    monkeypatch.setitem(channels._channels, "paper", channel)
    return channel


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create(channel="paper", address="1")


@pytest.fixture
def other() -> Thread:
    return Thread.objects.create(channel="paper", address="2")


@pytest.fixture
def tick(paper):
    # One alone is sent on the calling thread, so that no second database connection is needed here.
    with ThreadPoolExecutor(2) as pool:
        yield lambda: outbox.tick(paper, pool)


def texts(paper: Paper) -> list[str]:
    return [outgoing.text for outgoing in paper.written]


def test_a_long_text_goes_out_in_parts_and_in_order(paper, thread, tick):
    say(thread=thread, text="one two three four")
    while tick().carried:
        pass
    assert texts(paper) == ["one two", "three four"]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_one_chat_does_not_wait_for_another(paper, thread, other, tick):
    say(thread=thread, text="a")
    say(thread=thread, text="b")
    say(thread=other, text="c")
    assert tick().carried == 2
    assert sorted(texts(paper)) == ["a", "c"]


def test_a_transient_fault_keeps_the_order_and_waits_as_told(paper, thread, tick):
    paper.faults = [DeliveryTransient("Slow down.", retry_after=30)]
    first = say(thread=thread, text="a")
    say(thread=thread, text="b")
    assert tick().carried == 1
    waiting = tick()
    assert waiting.carried == 0
    assert 25 < waiting.next_in <= 30
    Delivery.objects.update(not_before=None)
    tick()
    tick()
    assert texts(paper) == ["a", "b"]
    first[0].refresh_from_db()
    assert (first[0].attempts, first[0].repeated) == (2, False)


def test_an_unknown_outcome_is_repeated_once_and_flagged(paper, thread, tick):
    paper.faults = [DeliveryTransient("Cut.", retry_after=0, unknown_outcome=True)]
    (row,) = say(thread=thread, text="a")
    tick()
    row.refresh_from_db()
    assert row.state == "unknown"
    tick()
    row.refresh_from_db()
    assert (row.state, row.repeated) == ("sent", True)


def test_a_few_unknown_outcomes_in_a_row_lose_nothing(paper, thread, tick):
    paper.faults = [DeliveryTransient("Bad Gateway", retry_after=0, unknown_outcome=True)] * 3
    (row,) = say(thread=thread, text="a")
    for _ in range(4):
        tick()
    row.refresh_from_db()
    assert (row.state, row.repeated, row.attempts) == ("sent", True, 4)


def test_a_text_whose_outcome_stays_unknown_is_given_up(paper, thread, tick):
    paper.faults = [DeliveryTransient("Cut.", retry_after=0, unknown_outcome=True)] * outbox.MOST_SENDS
    (row,) = say(thread=thread, text="a")
    for _ in range(outbox.MOST_SENDS):
        tick()
    row.refresh_from_db()
    assert row.state == "failed"
    assert tick().carried == 0


def test_a_card_is_repeated_until_it_stands_there(paper, thread, tick):
    paper.faults = [DeliveryTransient("Cut.", retry_after=0, unknown_outcome=True)] * (outbox.MOST_SENDS + 1)
    (row,) = say(thread=thread, text="OK?")
    Delivery.objects.update(buttons=[["ok", "OK"]])
    for _ in range(outbox.MOST_SENDS + 2):
        tick()
    row.refresh_from_db()
    assert row.state == "sent"


def test_a_permanent_fault_fails_with_its_reason_and_blocks_nothing(paper, thread, tick):
    paper.faults = [DeliveryPermanent("The bot was blocked.")]
    (row,) = say(thread=thread, text="a")
    say(thread=thread, text="b")
    tick()
    tick()
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", "The bot was blocked.")
    assert texts(paper) == ["b"]


def test_a_failed_one_can_be_sent_again_as_a_new_row(paper, thread, tick):
    paper.faults = [DeliveryPermanent("No.")]
    (row,) = say(thread=thread, text="a")
    tick()
    copy = delivery_resend(delivery=row, actor="user:1")
    tick()
    row.refresh_from_db()
    copy.refresh_from_db()
    assert (row.state, copy.state) == ("failed", "sent")


def test_what_a_dead_sender_left_in_flight_is_unknown(paper, thread, tick):
    (row,) = say(thread=thread, text="a")
    Delivery.objects.update(state="sending", attempts=1)
    assert outbox.outbox_recover("paper") == 1
    tick()
    row.refresh_from_db()
    assert (row.state, row.repeated) == ("sent", True)


def test_a_bucket_lets_a_burst_through_and_then_one_at_a_time(paper, thread, tick):
    paper.buckets = [Rate(key="chat:1", seconds=60.0, burst=3)]
    for text in "abcd":
        say(thread=thread, text=text)
    carried = [tick().carried for _ in range(4)]
    assert carried == [1, 1, 1, 0]
    assert 50 < tick().next_in <= 60
    SendBucket.objects.update(full_at=timezone.now() + timedelta(seconds=119))
    assert tick().carried == 1
    assert texts(paper) == list("abcd")


def test_a_sent_answer_gives_its_message_the_channels_id(paper, thread, tick):
    message = Message.objects.create(thread=thread, role="assistant", text="a", said_at=timezone.now())
    say(thread=thread, text="a", message=message)
    tick()
    message.refresh_from_db()
    assert message.external_id == "1"
