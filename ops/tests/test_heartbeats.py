"""Two stamps of each process, by the database's clock."""

import os
import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from ops.heartbeats import beat, forget
from ops.models import Heartbeat
from ops.selectors import SILENT_AFTER, is_silent, processes

pytestmark = pytest.mark.django_db
AN_HOUR = timedelta(hours=1)


def test_a_beat_says_who_and_where():
    beat("web", detail={"threads": 4})
    row = Heartbeat.objects.get()
    assert (row.name, row.host, row.pid, row.detail) == ("web", socket.gethostname(), os.getpid(), {"threads": 4})
    assert row.started_at <= row.alive_at
    assert row.progressed_at is None


def test_a_process_beats_into_one_row_however_often_it_is_restarted():
    beat("web", detail={"threads": 4})
    Heartbeat.objects.update(pid=1, alive_at=timezone.now() - AN_HOUR, started_at=timezone.now() - AN_HOUR)
    before = Heartbeat.objects.get()
    beat("web")
    after = Heartbeat.objects.get()
    assert (after.pk, after.pid, after.detail) == (before.pk, os.getpid(), {})
    assert after.alive_at > before.alive_at
    assert after.started_at > before.started_at


def test_only_progress_moves_the_second_stamp():
    beat("work", progressed=True)
    Heartbeat.objects.update(progressed_at=timezone.now() - AN_HOUR)
    before = Heartbeat.objects.get()
    beat("work")
    assert Heartbeat.objects.get().progressed_at == before.progressed_at
    beat("work", progressed=True)
    assert Heartbeat.objects.get().progressed_at > before.progressed_at


def test_a_beat_is_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        beat("web")


def test_a_process_that_was_ended_on_purpose_is_forgotten_on_this_host_only():
    for name in ("web", "work"):
        beat(name)
    Heartbeat.objects.create(name="web", host="elsewhere", pid=1, started_at=timezone.now(), alive_at=timezone.now())
    forget("web")
    assert [(row.name, row.host) for row in processes()] == [("web", "elsewhere"), ("work", socket.gethostname())]


def test_who_has_missed_six_beats_is_silent():
    beat("web")
    assert not is_silent(Heartbeat.objects.get())
    Heartbeat.objects.update(alive_at=timezone.now() - SILENT_AFTER - timedelta(seconds=1))
    assert is_silent(Heartbeat.objects.get())
