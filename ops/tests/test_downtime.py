"""An outage is found at the first start after it, once, and named where Telegram cannot have kept everything."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ops.downtime import TELEGRAM_KEEPS, downtime_note, last_alive
from ops.heartbeats import beat
from ops.models import Heartbeat, Notice, Outage

pytestmark = pytest.mark.django_db
AN_HOUR = timedelta(hours=1)


def beaten(ago: timedelta, name: str = "bridge", host: str = "here") -> Heartbeat:
    at = timezone.now() - ago
    return Heartbeat.objects.create(name=name, host=host, pid=1, started_at=at, alive_at=at)


def test_the_first_start_of_all_follows_no_outage():
    assert last_alive() is None
    assert downtime_note() is None


def test_an_outage_goes_from_the_last_beat_to_the_start():
    beaten(3 * AN_HOUR, "web")
    last = beaten(2 * AN_HOUR)
    noted = downtime_note()
    row = Outage.objects.get()
    assert noted == (row.began_at, row.ended_at)
    assert row.began_at == last.alive_at
    assert abs(row.ended_at - row.began_at - 2 * AN_HOUR) < timedelta(minutes=1)
    assert not Notice.objects.exists()


def test_a_restart_is_no_outage():
    beaten(timedelta(seconds=20))
    assert downtime_note() is None


def test_another_host_that_is_alive_means_that_the_system_was_not_down():
    beaten(2 * AN_HOUR)
    beaten(timedelta(seconds=5), host="elsewhere")
    assert downtime_note() is None


def test_two_starts_at_once_find_one_outage():
    beaten(2 * AN_HOUR)
    assert downtime_note() is not None
    assert downtime_note() is None
    beat("web")
    assert downtime_note() is None
    assert Outage.objects.count() == 1


def test_beyond_what_telegram_keeps_the_master_is_told_of_a_possible_gap():
    last = beaten(TELEGRAM_KEEPS + 6 * AN_HOUR)
    downtime_note()
    told = Notice.objects.get(kind="gap")
    assert "(30 h)" in told.text
    assert f"sent before {last.alive_at + 6 * AN_HOUR:%Y-%m-%d %H:%M} UTC may be missing" in told.text
