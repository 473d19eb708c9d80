"""In order per chat, within the rates, each outcome written down."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.utils import timezone

from ops.models import Notice
from threads import channels, outbox, repetition
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
        self.gates: dict[str, Event] = {}

    def send(self, outgoing: Outgoing) -> str:
        if gate := self.gates.get(outgoing.address):
            assert gate.wait(10)
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
    """One tick; where no gate holds a chat back, what it sent is written down by its end, however slow the machine."""
    with ThreadPoolExecutor(2) as pool:

        def one() -> outbox.Tick:
            done = outbox.tick(paper, pool)
            if not paper.gates:
                outbox._carrier("paper").drain()
            return done

        yield one


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


def test_a_text_that_may_have_arrived_too_often_is_given_up(paper, thread, tick):
    paper.faults = [DeliveryTransient("Cut.", retry_after=0, unknown_outcome=True)] * repetition.MOST_SENDS
    (row,) = say(thread=thread, text="a")
    for _ in range(repetition.MOST_SENDS):
        tick()
    row.refresh_from_db()
    assert (row.state, row.unknown_sends) == ("failed", repetition.MOST_SENDS)
    assert tick().carried == 0


@pytest.mark.parametrize("is_card", [True, False])
def test_what_is_refused_in_a_whole_answer_or_harmless_twice_is_never_given_up_for_its_number(
    paper, thread, tick, is_card
):
    fault = DeliveryTransient("Bad Gateway", retry_after=0, unknown_outcome=True, refused=not is_card)
    paper.faults = [fault] * (repetition.MOST_SENDS + 10)
    (row,) = say(thread=thread, text="OK?")
    Delivery.objects.update(buttons=[["ok", "OK"]] if is_card else [])
    for _ in range(repetition.MOST_SENDS + 11):
        tick()
    row.refresh_from_db()
    assert (row.state, row.unknown_sends, row.repeated) == ("sent", 0, True)


def test_after_a_long_outage_of_our_own_the_first_failure_does_not_give_it_up(paper, thread, tick):
    paper.faults = [DeliveryTransient("No route.")]
    (row,) = say(thread=thread, text="a")
    Delivery.objects.update(created_at=timezone.now() - timedelta(hours=30))
    tick()
    row.refresh_from_db()
    assert row.state == "queued"


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


def test_a_slow_chat_holds_back_no_other_and_keeps_its_own_order(paper, thread, other, tick):
    gate = paper.gates[thread.address] = Event()
    for text in "abc":
        say(thread=thread, text=text)
        say(thread=other, text=text.upper())
    while len(texts(paper)) < 3:
        waiting = tick()
    assert texts(paper) == ["A", "B", "C"]
    assert waiting.next_in <= outbox.LOOK_MOST_SECONDS  # it looks again soon for what is in flight
    assert Delivery.objects.get(thread=thread, text="a").state == "sending"
    assert Delivery.objects.filter(thread=thread, state="queued").count() == 2
    gate.set()
    while Delivery.objects.exclude(state="sent").exists():
        tick()
    assert texts(paper) == ["A", "B", "C", "a", "b", "c"]


def test_what_is_in_flight_is_written_down_before_the_lock_is_given_back(paper, thread, tick):
    gate = paper.gates[thread.address] = Event()
    (row,) = say(thread=thread, text="a")
    with outbox.sender_lock("paper") as mine:
        assert mine
        tick()
        assert outbox.outbox_recover("paper") == 0  # it is in flight here, and not left by a dead sender
        gate.set()
    row.refresh_from_db()
    assert row.state == "sent"


def test_a_row_that_nobody_can_render_fails_alone(paper, thread, other, tick):
    (broken,) = say(thread=thread, text="a")
    Delivery.objects.update(buttons=[["only a word"]])
    say(thread=thread, text="b")
    say(thread=other, text="c")
    while tick().carried:
        pass
    broken.refresh_from_db()
    assert broken.state == "failed"
    assert "another version" in broken.error
    assert sorted(texts(paper)) == ["b", "c"]


def test_a_dead_letter_is_told_to_the_master_but_not_that_of_a_notice(paper, thread, tick):
    paper.faults = [DeliveryPermanent("The bot was blocked.")] * 3
    say(thread=thread, text="a")
    say(thread=thread, text="b")
    say(thread=thread, text="c", purpose="notice")
    for _ in range(3):
        tick()
    assert "The bot was blocked." in Notice.objects.get().text


def test_progress_leaves_the_answers_slot_in_the_bucket(paper, thread, tick):
    paper.buckets = [Rate(key="chat:1", seconds=60.0, burst=3)]
    for number in range(5):
        say(thread=thread, text=f"p{number}", purpose="progress")
    while tick().carried:
        pass
    say(thread=thread, text="answer")
    tick()
    assert texts(paper) == ["p0", "p1", "answer"]
    assert tick().carried == 0


def test_a_bucket_without_a_burst_lets_progress_through_too(paper, thread, tick):
    paper.buckets = [Rate(key="chat:1", seconds=60.0, burst=1)]
    say(thread=thread, text="p", purpose="progress")
    tick()
    assert texts(paper) == ["p"]


def test_an_answer_overtakes_progress_and_ends_that_of_its_own_job(paper, thread, tick):
    say(thread=thread, text="p1", job_ref="job:1", purpose="progress")
    say(thread=thread, text="p2", job_ref="job:2", purpose="progress")
    say(thread=thread, text="answer", job_ref="job:1")
    while tick().carried:
        pass
    assert texts(paper) == ["answer", "p2"]
    assert Delivery.objects.get(text="p1").state == "superseded"


def test_of_the_edits_of_a_message_only_the_newest_is_sent(paper, thread, tick):
    (card,) = say(thread=thread, text="card")
    tick()
    edits = [Delivery.objects.create(thread=thread, kind="edit", edits=card, text=f"e{number}") for number in range(3)]
    while tick().carried:
        pass
    assert texts(paper) == ["card", "e2"]
    assert [Delivery.objects.get(pk=edit.pk).state for edit in edits] == ["superseded", "superseded", "sent"]


def test_an_answer_waits_for_progress_that_is_in_flight_already(paper, thread, tick):
    gate = paper.gates[thread.address] = Event()
    say(thread=thread, text="p", job_ref="job:1", purpose="progress")
    tick()
    say(thread=thread, text="answer", job_ref="job:1")
    assert tick().carried == 0
    gate.set()
    while Delivery.objects.exclude(state="sent").exists():
        tick()
    assert texts(paper) == ["p", "answer"]


def test_a_full_batch_in_flight_makes_nobody_look_all_the_time(paper, thread, other, tick, monkeypatch):
    monkeypatch.setattr(outbox, "BATCH", 1)
    gate = paper.gates[thread.address] = Event()
    say(thread=thread, text="slow")
    tick()
    say(thread=other, text="next")
    waiting = tick()
    assert (waiting.carried, waiting.next_in >= outbox.LOOK_SECONDS) == (0, True)
    gate.set()
    while Delivery.objects.exclude(state="sent").exists():
        tick()
