"""Notices reach the owners in their private chats, once."""

import pytest
from django.utils import timezone

from ops.models import Notice
from ops.notices import notice
from threads.models import Delivery, Thread
from threads.notices import PERIOD, notices_carry

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(owner) -> Thread:
    return Thread.objects.create(channel=owner.channel, address=owner.external_id)


def test_what_waits_is_told_together_and_once(home):
    notice(kind="disk", text="The disk is full.")
    notice(kind="queue", text="The queue is long.")
    assert (notices_carry(), notices_carry()) == (2, 0)
    assert Delivery.objects.get().text == "The disk is full.\n\nThe queue is long."
    assert Delivery.objects.get().thread == home


@pytest.mark.usefixtures("owner", "stranger")
def test_without_a_private_chat_of_an_owner_notices_wait(stranger, owner):
    Thread.objects.create(channel="web", address=stranger.external_id)
    Thread.objects.create(channel="web", address=owner.external_id, kind="group")
    Thread.objects.create(channel="web", address=owner.external_id, topic="5")
    notice(kind="disk", text="The disk is full.")
    assert notices_carry() == 0
    assert Notice.objects.get().carried_at is None
    assert not Delivery.objects.exists()


def test_an_owner_who_is_blocked_is_told_nothing(home, owner):
    owner.state = "blocked"
    owner.save()
    notice(kind="disk", text="The disk is full.")
    assert notices_carry() == 0


def test_many_notices_are_carried_in_portions(home):
    for number in range(3):
        notice(kind="test", text=f"Notice {number}.")
    assert (notices_carry(limit=2), notices_carry(limit=2)) == (2, 1)
    assert list(Delivery.objects.order_by("pk").values_list("text", flat=True)) == [
        "Notice 0.\n\nNotice 1.",
        "Notice 2.",
    ]


def test_a_storm_of_one_kind_is_told_as_one_with_its_number(home):
    notice(kind="digest", text="I was down.")
    for number in range(40):
        notice(kind="dead letter", text=f"Chat {number % 2} is broken.")
    notice(kind="dead letter", text="The disk is full.")
    assert notices_carry() == 42
    (row,) = Delivery.objects.all()
    assert row.purpose == "notice"
    assert row.text.startswith("I was down.\n\n41 notices of the kind “dead letter” since ")
    assert "- Chat 0 is broken. (20 times)" in row.text
    assert "- The disk is full." in row.text


def test_what_comes_after_a_few_of_a_kind_waits_and_is_told_as_one(home):
    for number in range(3):
        notice(kind="disk", text=f"Disk {number}.")
        notices_carry()
    for number in range(3, 10):
        notice(kind="disk", text=f"Disk {number}.")
        assert notices_carry() == 0
    notice(kind="queue", text="Another kind.")
    assert notices_carry() == 1
    long_ago = timezone.now() - PERIOD
    Notice.objects.filter(carried_at__isnull=False).update(carried_at=long_ago, created_at=long_ago)
    assert notices_carry() == 7
    texts = list(Delivery.objects.order_by("pk").values_list("text", flat=True))
    assert texts[:4] == ["Disk 0.", "Disk 1.", "Disk 2.", "Another kind."]
    assert "7 notices of the kind “disk”" in texts[4]
    assert "and 4 more" in texts[4]
