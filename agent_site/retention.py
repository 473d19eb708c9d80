"""What django's and django-q2's own tables, and machines that are gone, leave behind."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import Task

from ops.models import Heartbeat

FAILED_TASKS_KEPT = timedelta(days=30)
HEARTBEATS_KEPT = timedelta(days=7)
"""Of a host that beats no more: each container has a name of its own, so a new one never writes over an old row."""


def prune() -> int:
    """Scheduled, once a day: deletes expired sessions, old failed tasks, heartbeats of hosts that have been gone for
    a week; how many rows. (Tasks that went well are not recorded, and `save_limit` is off because it costs a scan.)"""
    now = timezone.now()
    old = [
        Session.objects.filter(expire_date__lt=now),
        Task.objects.filter(stopped__lt=now - FAILED_TASKS_KEPT),
        Heartbeat.objects.filter(alive_at__lt=now - HEARTBEATS_KEPT),
    ]
    return sum(int(rows.delete()[0]) for rows in old)
