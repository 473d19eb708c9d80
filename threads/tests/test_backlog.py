"""A backlog that has grown stale becomes one note; answers and cards are always sent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from threads import channels, outbox
from threads.errors import DeliveryTransient
from threads.models import Delivery, Thread
from threads.services import say
from threads.tests.test_outbox import Paper, texts

pytestmark = pytest.mark.django_db


@pytest.fixture
def paper(monkeypatch) -> Paper:
    channel = Paper()
    channel.text_limit = 4096
    monkeypatch.setitem(channels._channels, "paper", channel)
    return channel


@pytest.fixture
def thread() -> Thread:
    return Thread.objects.create(channel="paper", address="1")


@pytest.fixture
def carry(paper):
    def all_of_it() -> list[str]:
        with ThreadPoolExecutor(2) as pool:
            while outbox.tick(paper, pool).carried:
                outbox._carrier("paper").drain()
        return texts(paper)

    return all_of_it


def grow_old(hours: float = 2) -> None:
    Delivery.objects.filter(state="queued").update(created_at=timezone.now() - timedelta(hours=hours))


def test_a_pile_of_old_notices_becomes_one_note_and_the_answers_are_sent(thread, carry):
    say(thread=thread, text="first answer")
    for number in range(7):
        say(thread=thread, text=f"Notice {number}.\nMore of it.", purpose="notice")
    say(thread=thread, text="second answer")
    grow_old()
    sent = carry()
    assert sent[:2] == ["first answer", "second answer"]
    assert len(sent) == 3
    assert "7 older notes" in sent[2]
    assert "- Notice 6." in sent[2]
    assert "More of it" not in sent[2]
    collapsed = Delivery.objects.filter(state="superseded")
    assert (collapsed.count(), collapsed[0].purpose) == (7, "notice")
    assert f"delivery {Delivery.objects.latest('pk').pk}." in collapsed[0].error


def test_fresh_notices_and_a_single_old_one_are_sent_as_they_are(thread, carry):
    say(thread=thread, text="old", purpose="notice")
    grow_old()
    say(thread=thread, text="fresh", purpose="notice")
    assert carry() == ["old", "fresh"]


def test_a_note_that_grows_old_itself_keeps_the_count(thread, paper, carry):
    for number in range(3):
        say(thread=thread, text=f"Notice {number}.", purpose="notice")
    grow_old()
    with ThreadPoolExecutor(1) as pool:
        paper.faults = [DeliveryTransient("No route.")]
        outbox.tick(paper, pool)
        outbox._carrier("paper").drain()
    say(thread=thread, text="Notice 3.", purpose="notice")
    Delivery.objects.update(not_before=None)
    grow_old()
    assert "4 older notes" in carry()[0]
