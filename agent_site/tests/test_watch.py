import os
import signal
import socket
import subprocess
from datetime import timedelta

import psutil
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from agent_site import watch
from ops.heartbeats import beat
from ops.models import Heartbeat, Notice
from threads.models import Delivery

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


class Clock:
    """Time as the watch has it."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(watch.time, "monotonic", made)
    return made


@pytest.fixture
def child():
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def go_silent():
    Heartbeat.objects.exclude(name="supervisor").update(alive_at=timezone.now() - timedelta(minutes=2))


def test_who_stays_silent_is_stuck_within_a_minute(clock):
    beat("cluster.talk")
    looker, took = watch.Watch(), watch.SILENCE.total_seconds() + watch.LOOK_SECONDS
    go_silent()
    while not looker.look([os.getpid()], detail={}):
        go_silent()
        clock.now += watch.LOOK_SECONDS
        took += watch.LOOK_SECONDS
    assert took <= 60


def test_who_beats_again_is_suspected_no_more(clock):
    looker = watch.Watch()
    beat("cluster.talk")
    for _ in range(5):
        go_silent()
        assert looker.look([os.getpid()], detail={}) == set()
        beat("cluster.talk")
        clock.now += watch.LOOK_SECONDS
        assert looker.look([os.getpid()], detail={}) == set()
        clock.now += watch.LOOK_SECONDS


def test_without_the_database_nobody_is_suspected(clock, monkeypatch):
    beat("cluster.talk")
    go_silent()
    looker = watch.Watch()
    looker.look([os.getpid()], detail={})
    monkeypatch.setattr(watch.heartbeats, "beat", away)
    for _ in range(5):
        clock.now += watch.LOOK_SECONDS
        assert looker.look([os.getpid()], detail={}) == set()
    assert looker.suspects == {}


def away(*_, **__):
    raise OperationalError("the server closed the connection")


def test_a_database_that_hangs_does_not_hang_the_supervisor():
    with pytest.raises(TimeoutError), watch.at_most(0.05), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.5)")
    connection.close()
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_process_that_was_stopped_is_stuck(clock, child):
    looker = watch.Watch()
    assert looker.look([child.pid], detail={}) == set()
    child.send_signal(signal.SIGSTOP)
    while psutil.Process(child.pid).status() != psutil.STATUS_STOPPED:
        os.sched_yield()
    assert looker.look([child.pid], detail={}) == set()
    clock.now += 2 * watch.LOOK_SECONDS
    assert looker.look([child.pid], detail={}) == {child.pid}


def test_a_look_leaves_the_supervisors_own_beat():
    watch.Watch().look([], detail={"restarts_of": {"web": 1}})
    row = Heartbeat.objects.get(name="supervisor")
    assert (row.pid, row.detail) == (os.getpid(), {"restarts_of": {"web": 1}})


def test_a_server_that_answers_is_left_alone_and_one_that_hangs_is_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = watch.Probe(server.getsockname())
        assert not probe.look()
        peer, _ = server.accept()
        with peer:
            peer.recv(1000)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            assert not probe.look()
            assert probe.missed == 0
        assert [probe.look() for _ in range(watch.MISSES)] == [False] * (watch.MISSES - 1) + [True]
        probe.reset()
        assert not probe.look()
        probe.reset()


def test_a_server_that_is_gone_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    probe = watch.Probe(("0.0.0.0", address[1]))
    looks = [probe.look() for _ in range(watch.MISSES + 1)]
    probe.reset()
    assert looks[-1]


def test_a_stop_on_purpose_leaves_a_mark_and_last_words(owner, hear):
    hear(owner, "Hello")  # so that the owner has a private chat
    beat("cluster.talk")
    watch.tell_of_stop()
    watch.mark_as_ended([os.getpid()])
    assert Heartbeat.objects.get().detail == {"ended": True}
    assert "Stopped on purpose" in Delivery.objects.order_by("pk").last().text
    assert Notice.objects.get().carried_at is not None


def test_last_words_that_nobody_hears_are_not_said_later():
    watch.tell_of_stop()
    assert Notice.objects.get().carried_at is not None


def test_a_crash_loop_is_told_once():
    watch.tell_of_crash_loop("web", 4)
    watch.tell_of_crash_loop("web", 5)
    assert Notice.objects.get().text.startswith("The process “web” ended 4 times in a row")
