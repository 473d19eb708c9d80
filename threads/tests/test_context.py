"""What a model is told of the conversation."""

import pytest
from django.utils import timezone

from threads.context import OLD_MESSAGE_LIMIT, Turn, history, messages_told, new_messages
from threads.models import Artifact, Message, Thread

pytestmark = pytest.mark.django_db


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create(channel="web", address="1")


@pytest.fixture
def said(thread):
    """Fills the thread: a pair of role and text for each message; the row of the last one."""

    def fill(*pairs: tuple[str, str]) -> Message:
        rows = [
            Message.objects.create(thread=thread, role=role, text=text, said_at=timezone.now()) for role, text in pairs
        ]
        return rows[-1]

    return fill


def told_before(message: Message) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in history(thread_id=message.thread_id, before=message.pk)]


def test_it_tells_what_was_said_before_oldest_first(said):
    new = said(("user", "Hello"), ("assistant", "Hi."), ("user", "And now?"))
    assert history(thread_id=new.thread_id, before=new.pk) == [
        Turn(role="user", text="Hello"),
        Turn(role="assistant", text="Hi."),
    ]


def test_nothing_is_told_of_a_first_message(said):
    assert told_before(said(("user", "Hello"))) == []


def test_another_threads_words_are_not_told(said):
    elsewhere = Thread.objects.create(channel="web", address="2")
    Message.objects.create(thread=elsewhere, role="user", text="Secret", said_at=timezone.now())
    assert told_before(said(("user", "Hello"), ("user", "Again"))) == [("user", "Hello")]


def test_consecutive_words_of_one_side_are_one_turn(said):
    new = said(("user", "One"), ("user", "two"), ("assistant", "Three"), ("assistant", "four"), ("user", "new"))
    assert told_before(new) == [("user", "One\ntwo"), ("assistant", "Three\nfour")]


def test_it_is_limited_to_the_last_messages(said, settings):
    settings.MESSAGE_HISTORY_LIMIT = 2
    new = said(("user", "One"), ("assistant", "Two"), ("user", "Three"), ("assistant", "Four"), ("user", "new"))
    assert told_before(new) == [("user", "Three"), ("assistant", "Four")]


def test_the_first_turn_is_a_users(said, settings):
    settings.MESSAGE_HISTORY_LIMIT = 3
    new = said(("user", "One"), ("assistant", "Two"), ("user", "Three"), ("assistant", "Four"), ("user", "new"))
    assert told_before(new) == [("user", "Three"), ("assistant", "Four")]


def test_a_limit_of_none_tells_nothing(said, settings):
    settings.MESSAGE_HISTORY_LIMIT = 0
    assert told_before(said(("user", "One"), ("user", "new"))) == []


def test_a_long_earlier_message_is_shortened(said):
    new = said(("user", "x" * (OLD_MESSAGE_LIMIT + 1)), ("user", "new"))
    ((_, text),) = told_before(new)
    assert len(text) == OLD_MESSAGE_LIMIT
    assert text.endswith("…")


def test_a_message_of_the_allowed_length_keeps_its_lines(said):
    text = "a\n  b\n" * 600
    assert told_before(said(("user", text), ("user", "new"))) == [("user", text)]


@pytest.mark.parametrize("blank", ["", " \n "])
def test_messages_without_words_leave_no_gap(said, blank):
    """A photo at the beginning must not leave an assistant's turn there, nor one in the middle two in a row."""
    new = said(
        ("user", blank), ("assistant", "What is it?"), ("user", "A cat"), ("assistant", "Nice."), ("user", blank),
        ("assistant", "And this?"), ("user", "new"),
    )  # fmt: skip
    assert told_before(new) == [("user", "A cat"), ("assistant", "Nice.\nAnd this?")]


def told(message: Message) -> str:
    return new_messages(messages_told([message.pk]))


def test_new_messages_stand_whole_between_markers(said):
    said(("user", "y" * 5000), ("user", "two"))
    text = new_messages(messages_told(list(Message.objects.values_list("pk", flat=True))))
    assert text == f"<new_message>\n{'y' * 5000}\n</new_message>\n<new_message>\ntwo\n</new_message>"


def test_files_are_described_in_their_order(said, django_assert_num_queries):
    message = said(("user", "Look"))
    for kind, name in [("photo", "a.jpg"), ("document", "b.pdf")]:
        Artifact.objects.create(message=message, kind=kind, name=name, state="failed", error="Not looked into.")
    with django_assert_num_queries(1):
        text = told(message)
    described = "[photo a.jpg: Not looked into.]\n[document b.pdf: Not looked into.]"
    assert text == f"<new_message>\nLook\n{described}\n</new_message>"


def test_a_file_without_words_is_told_by_itself(said):
    message = said(("user", ""))
    Artifact.objects.create(message=message, kind="photo", name="a.jpg", error="Not looked into.")
    assert told(message) == "<new_message>\n[photo a.jpg: Not looked into.]\n</new_message>"


def test_a_message_of_nothing_says_so(said):
    assert told(said(("user", ""))) == "<new_message>\n(no text)\n</new_message>"
