from datetime import timedelta

import pytest

from budget import services, tasks
from budget.models import LedgerEntry, Limit, Reservation
from budget.prices import Usage
from budget.tests.test_services import reserve

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(seconds=-1)


def test_a_call_that_was_sent_and_never_settled_is_charged_in_full_and_flagged():
    reserve(scope="proactive", lasts=LONG_AGO)
    assert tasks.sweep() == 1
    entry = LedgerEntry.objects.get()
    assert (entry.outcome, entry.tokens) == ("unknown", 1500)
    assert Limit.objects.get(name="proactive_daily_tokens").used == 1500


def test_a_call_that_was_never_sent_lapses():
    reserve(scope="proactive", lasts=LONG_AGO, sent=False)
    assert tasks.sweep() == 1
    assert Reservation.objects.get().state == Reservation.State.LAPSED
    assert not LedgerEntry.objects.exists()
    assert Limit.objects.get(name="proactive_daily_tokens").reserved == 0


def test_a_call_in_its_time_is_left_alone():
    reserve(lasts=timedelta(minutes=1))
    assert tasks.sweep() == 0
    assert Reservation.objects.get().state == Reservation.State.OPEN


def test_an_answer_that_comes_after_the_sweep_changes_nothing():
    held = reserve(lasts=LONG_AGO)
    tasks.sweep()
    entry = services.settle(reservation=held, usage=Usage(input_tokens=1))
    assert entry.outcome == "unknown"
    assert LedgerEntry.objects.count() == 1
    assert tasks.sweep() == 0
