import os
import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from agent_site import watch
from ops.heartbeats import beat
from ops.models import Heartbeat, Notice

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_process_that_beats_is_left_alone():
    beat("cluster.talk")
    assert watch.silent([os.getpid()]) == set()


def test_a_process_that_stopped_beating_is_named():
    beat("cluster.talk")
    Heartbeat.objects.update(alive_at=timezone.now() - timedelta(minutes=2))
    assert watch.silent([os.getpid(), 1]) == {os.getpid()}


def test_the_same_pid_on_another_host_is_somebody_else():
    beat("cluster.talk")
    Heartbeat.objects.update(alive_at=timezone.now() - timedelta(minutes=2), host=f"not-{socket.gethostname()}")
    assert watch.silent([os.getpid()]) == set()


def test_a_crash_loop_is_told_once():
    watch.tell_of_crash_loop("web", 4)
    watch.tell_of_crash_loop("web", 5)
    assert Notice.objects.get().text.startswith("The process “web” ended 4 times in a row")
