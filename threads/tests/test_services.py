"""What can be done to a conversation: heard, said, edited, closed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.utils import timezone

from approvals.models import Approval
from approvals.services import approval_ask
from common.bus import Listener
from common.text import utf16_len
from threads import channels
from threads.channels import Outgoing, Rate
from threads.models import Delivery, Message, Thread
from threads.services import OUTBOX_CHANNEL, card_close, message_edit, message_store, say, thread_find_or_open

pytestmark = pytest.mark.django_db
CHOICES = [["ok", "OK"], ["cancel", "Cancel"]]


class Slate:
    """A channel for short texts, whose sender nobody plays here."""

    name = "slate"
    pulls = False
    text_limit = 20

    def send(self, outgoing: Outgoing) -> str:
        raise NotImplementedError

    def edit(self, outgoing: Outgoing) -> None:
        raise NotImplementedError

    def rates(self, address: str) -> list[Rate]:
        return []


@pytest.fixture(autouse=True)
def _slate(monkeypatch):
    monkeypatch.setitem(channels._channels, "slate", Slate())


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create(channel="slate", address="1")


@pytest.fixture
def page() -> Thread:
    """A conversation in a channel that reads the rows itself."""
    return Thread.objects.create(channel="web", address="1")


@pytest.fixture
def card() -> Approval:
    return approval_ask(
        kind=Approval.Kind.PLAN,
        subject="job:1",
        title="May I?",
        card={},
        choices=CHOICES,
        expires_in=timedelta(hours=1),
    )


def hear(thread: Thread, text: str = "Hello", **changes: object) -> tuple[Message, bool]:
    return message_store(thread=thread, person=None, text=text, **changes)


# Heard


def test_a_thread_is_opened_at_its_first_message_and_found_after_that():
    first = thread_find_or_open(channel="slate", address="1", kind="group", title="T" * 300)
    again = thread_find_or_open(channel="slate", address="1", kind="private", title="Other")
    assert first == again
    assert (again.kind, again.title) == ("group", "T" * 200)


def test_a_topic_is_a_thread_of_its_own():
    assert thread_find_or_open(channel="slate", address="1", kind="group") != thread_find_or_open(
        channel="slate", address="1", topic="5", kind="group"
    )


def test_a_message_is_stored_once_an_external_id(thread):
    first, new = hear(thread, external_id="7", payload={"a": 1}, reply_to="6")
    again, newer = hear(thread, "Other", external_id="7")
    assert (new, newer, again) == (True, False, first)
    assert (again.text, again.payload, again.reply_to, again.role) == ("Hello", {"a": 1}, "6", "user")


def test_messages_without_an_external_id_are_all_new(thread):
    assert [hear(thread)[1], hear(thread)[1]] == [True, True]


def test_the_same_external_id_in_another_thread_is_another_message(thread, page):
    assert hear(thread, external_id="7")[0] != hear(page, external_id="7")[0]


def test_what_the_agent_sent_does_not_count_as_heard(thread):
    Message.objects.create(thread=thread, role="assistant", external_id="7", said_at=timezone.now())
    assert hear(thread, external_id="7")[1]


def test_a_text_is_stored_without_what_the_database_cannot_hold(thread):
    message, _ = hear(thread, "a\x00b")
    message.refresh_from_db()
    assert message.text == "ab"


@pytest.mark.django_db(transaction=True)
def test_the_same_message_from_two_sides_at_once_is_one_row_of_one_thread():
    together = Barrier(2)

    def deliver(_: int) -> tuple[int, bool]:
        together.wait(5)
        try:
            with transaction.atomic():
                opened = thread_find_or_open(channel="slate", address="1", kind="private")
                message, new = hear(opened, external_id="7")
            return message.pk, new
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        delivered = list(pool.map(deliver, range(2)))
    row = Message.objects.get()
    assert Thread.objects.get() == row.thread
    assert sorted(delivered) == [(row.pk, False), (row.pk, True)]


# Edited


def test_an_edit_keeps_the_earlier_text(thread):
    message, _ = hear(thread, "teh")
    at = timezone.now()
    edited = message_edit(message=message, text="the", edited_at=at)
    assert (edited.text, edited.edited_at) == ("the", at)
    assert message.revisions.get().text == "teh"


def test_an_older_edit_that_comes_late_changes_nothing(thread):
    message, _ = hear(thread, "1")
    at = timezone.now()
    message_edit(message=message, text="3", edited_at=at)
    late = message_edit(message=message, text="2", edited_at=at - timedelta(seconds=1))
    assert (late.text, late.edited_at, message.revisions.count()) == ("3", at, 1)


def test_two_edits_of_one_second_are_both_taken(thread):
    message, _ = hear(thread, "1")
    at = timezone.now()
    message_edit(message=message, text="2", edited_at=at)
    message_edit(message=message, text="3", edited_at=at)
    message.refresh_from_db()
    assert message.text == "3"
    assert list(message.revisions.values_list("text", flat=True)) == ["2", "1"]


@pytest.mark.parametrize("text", ["same", "sa\x00me"])
def test_an_edit_to_the_same_text_is_none(thread, text):
    message, _ = hear(thread, "same")
    message_edit(message=message, text=text, edited_at=timezone.now())
    message.refresh_from_db()
    assert (message.edited_at, message.revisions.count()) == (None, 0)


# Said


def test_a_text_within_the_limit_is_one_delivery(thread):
    (row,) = say(thread=thread, text="Hello", job_ref="job:1")
    assert (row.text, row.state, row.kind, row.job_ref, row.buttons) == ("Hello", "queued", "send", "job:1", [])


def test_a_long_text_is_split_at_the_channels_limit(thread):
    rows = say(thread=thread, text="one two three four five six seven")
    assert [row.text for row in rows] == ["one two three four", "five six seven"]
    assert list(Delivery.objects.order_by("pk")) == rows


def test_the_limit_is_counted_as_the_channel_counts(thread):
    rows = say(thread=thread, text="🙂" * 15)
    assert [utf16_len(row.text) for row in rows] == [20, 10]


def test_an_empty_text_is_said_as_such(thread):
    assert [row.text for row in say(thread=thread, text=" \n")] == ["(empty)"]


def test_a_cards_buttons_are_under_its_last_part(thread, card):
    first, last = say(thread=thread, text="one two three four five six seven", approval=card)
    assert (first.approval, first.buttons) == (None, [])
    assert (last.approval, last.buttons) == (card, CHOICES)


def test_what_a_page_reads_itself_counts_as_sent_at_once(page):
    (row,) = say(thread=page, text="Hello")
    assert row.state == "sent"
    assert row.sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_the_outbox_is_woken_only_when_it_is_certain(thread):
    listener = Listener(OUTBOX_CHANNEL)
    listener.open()
    with transaction.atomic():
        say(thread=thread, text="Hello")
        assert listener.wait(0) == []
    assert listener.wait(5) == [(OUTBOX_CHANNEL, "slate")]
    listener.close()


# Closed


def test_a_closed_card_loses_its_buttons_and_says_what_happened(thread, card):
    (sent,) = say(thread=thread, text="May I?", job_ref="job:1", approval=card)
    card_close(approval=card, line="Approved")
    edit = Delivery.objects.get(kind="edit")
    assert (edit.text, edit.buttons, edit.edits) == ("May I?\n\nApproved", [], sent)
    assert (edit.thread, edit.job_ref, edit.state) == (thread, "job:1", "queued")


def test_a_card_is_closed_wherever_it_was_sent(thread, page, card):
    for where in (thread, page):
        say(thread=where, text="May I?", approval=card)
    card_close(approval=card, line="Approved")
    assert set(Delivery.objects.filter(kind="edit").values_list("thread", "state")) == {
        (thread.pk, "queued"),
        (page.pk, "sent"),
    }


def test_only_the_part_with_the_buttons_is_closed(thread, card):
    *_, last = say(thread=thread, text="one two three four five six seven", approval=card)
    card_close(approval=card, line="OK'd")
    assert Delivery.objects.get(kind="edit").edits == last


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("May I do all of it?", "Approved"),
        ("May I?", "Approved by Olga in the chat at noon"),
        ("May I do all of it?", "Approved by Olga in the chat at noon"),
        ("🙂" * 10, "✔" * 30),
        ("🙂" * 10, "🙂" * 30),
        ("x" * 20, "y" * 20),
    ],
)
def test_a_closed_card_stays_within_the_channels_limit(thread, card, text, line):
    say(thread=thread, text=text, approval=card)
    card_close(approval=card, line=line)
    closed = Delivery.objects.get(kind="edit").text
    assert utf16_len(closed) <= Slate.text_limit
    before, _, after = closed.partition("\n\n")
    assert before
    assert text.startswith(before)
    assert after
    assert line.startswith(after)


def test_other_cards_are_left_alone(thread, card):
    say(thread=thread, text="Hello")
    card_close(approval=card, line="Approved")
    assert not Delivery.objects.filter(kind="edit").exists()
