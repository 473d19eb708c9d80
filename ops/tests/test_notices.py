"""A sentence for the master, not told over and over."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ops.models import Notice
from ops.notices import COOLDOWN, notice
from ops.selectors import notices_uncarried

pytestmark = pytest.mark.django_db


def warn(**changes: str) -> Notice | None:
    return notice(**({"kind": "disk", "key": "/", "text": "The disk is full."} | changes))


def test_a_notice_waits_to_be_carried():
    told = warn(severity="error")
    row = Notice.objects.get()
    assert told == row
    assert (row.kind, row.key, row.text, row.severity, row.carried_at) == (
        "disk",
        "/",
        "The disk is full.",
        "error",
        None,
    )


def test_the_same_one_is_told_once_an_hour():
    assert warn()
    assert warn(text="The disk is fuller.") is None
    Notice.objects.update(created_at=timezone.now() - COOLDOWN - timedelta(seconds=1))
    assert warn()
    assert Notice.objects.count() == 2


def test_it_stays_quiet_also_after_it_was_carried():
    warn()
    Notice.objects.update(carried_at=timezone.now())
    assert warn() is None


@pytest.mark.parametrize("other", [{"key": "/home"}, {"kind": "inode"}])
def test_another_key_or_kind_is_another_notice(other):
    assert warn()
    assert warn(**other)


def test_without_a_key_each_one_is_told():
    assert warn(key="")
    assert warn(key="")


def test_what_was_not_carried_is_listed_newest_first():
    rows = [warn(key=str(number)) for number in range(4)]
    Notice.objects.filter(pk=rows[3].pk).update(carried_at=timezone.now())
    assert notices_uncarried(limit=2) == [rows[2], rows[1]]
