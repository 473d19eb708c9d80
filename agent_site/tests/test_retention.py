from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import Task

from agent_site.retention import prune
from ops.models import Heartbeat

pytestmark = pytest.mark.django_db


def old_and_new(days: int) -> None:
    at = timezone.now() - timedelta(days=days)
    Session.objects.create(session_key=f"key{days}", session_data="", expire_date=at + timedelta(days=14))
    Task.objects.create(id=f"task{days}", name="a", func="b", started=at, stopped=at, success=False)
    Heartbeat.objects.create(name="web", host=f"host{days}", pid=1, started_at=at, alive_at=at)


def test_what_is_old_goes_and_what_is_new_stays():
    old_and_new(60)
    old_and_new(1)
    assert prune() == 3
    assert (Session.objects.get().pk, Task.objects.get().pk) == ("key1", "task1")
    assert Heartbeat.objects.get().host == "host1"
