"""What the supervisor looks at every 10 s: who has stopped beating, who is stopped, whether the web server answers.

It must never hang itself: the database gets a second and a half, and the web server is asked at one look and its answer
read at the next. It reports as it looks: what it has restarted is in its own heartbeat.
"""

import logging
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psutil
from django.db import DatabaseError, InterfaceError, connections
from django.db.models.functions import Now
from django.utils import timezone

from common.host import host_id
from ops import heartbeats
from ops.models import Heartbeat, Notice
from ops.notices import notice
from threads.notices import notices_carry

logger = logging.getLogger(__name__)
LOOK_SECONDS = 10.0
SILENCE = timedelta(seconds=20)
"""Who beats does so every 5 s."""
PATIENCE_SECONDS = 19.0
"""A suspect is killed at the second look after the one that found it: after an outage of the database or a sleep of the
machine everybody's last beat is old, and a pause between two tries lasts up to 20 s. With the silence before: 50 s."""
MISSES = 3
DATABASE_SECONDS = 1.5
NAME = "supervisor"
AWAY = (DatabaseError, InterfaceError, TimeoutError, OSError)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the main thread when the block lasts longer, also while it waits for a server."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def silent(pids: list[int]) -> set[int]:
    """Which of these processes of this host have beaten once and then stopped."""
    rows = Heartbeat.objects.filter(host=host_id(), pid__in=pids, alive_at__lt=Now() - SILENCE)
    return set(rows.values_list("pid", flat=True))


def stopped(pids: list[int]) -> set[int]:
    """Which of these processes were stopped by a signal, so that they can't even die of one."""
    found = set()
    for pid in pids:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_STOPPED:
                found.add(pid)
        except psutil.Error:
            continue
    return found


class Watch:
    """Keeps who is suspected, and since when."""

    def __init__(self) -> None:
        self.suspects: dict[int, float] = {}

    def look(self, pids: list[int], *, detail: dict[str, Any]) -> set[int]:
        """Beats for the supervisor; returns the processes that have been stuck for too long. While the database is
        away nobody is suspected of being silent: beats could not be written either."""
        suspects = stopped(pids)
        try:
            with at_most(DATABASE_SECONDS):
                heartbeats.beat(NAME, progressed=True, detail=detail)
                suspects |= silent(pids)
        except AWAY as error:
            logger.warning("The supervisor could not look at the heartbeats: %s", str(error).strip())
            connections.close_all()
        now = time.monotonic()
        self.suspects = {pid: self.suspects.get(pid, now) for pid in suspects}
        return {pid for pid, since in self.suspects.items() if now - since >= PATIENCE_SECONDS}


class Probe:
    """Whether a web server answers, asked without waiting for it."""

    def __init__(self, address: tuple[Any, ...]) -> None:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])
        self.address = (host, address[1])
        self.missed = 0
        self._asked: socket.socket | None = None

    def look(self) -> bool:
        """Reads the answer to the last look's question and asks the next one; whether too many were not answered."""
        if self._asked is not None:
            self.missed = 0 if self._answered(self._asked) else self.missed + 1
            self._asked.close()
        self._asked = self._ask()
        return self.missed >= MISSES

    def reset(self) -> None:
        """A new server is asked afresh."""
        self.missed = 0
        if self._asked is not None:
            self._asked.close()
            self._asked = None

    def _ask(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        asked = socket.socket(family, socket.SOCK_STREAM)
        asked.settimeout(0.2)
        try:
            asked.connect(self.address)
            asked.sendall(b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        except OSError:
            pass  # the answer will be missed
        return asked

    @staticmethod
    def _answered(asked: socket.socket) -> bool:
        asked.setblocking(False)
        try:
            return asked.recv(5) == b"HTTP/"
        except OSError:
            return False


def tell_of_crash_loop(name: str, failures: int) -> None:
    """Tells the master that a process does not stay up; at most once an hour each."""
    text = (
        f"The process “{name}” ended {failures} times in a row; it is started again with growing pauses. See the log."
    )
    with _database("The crash loop could not be told"):
        notice(kind="crash_loop", key=name, text=text, severity=Notice.Severity.ERROR)


def tell_of_stop() -> None:
    """The last words, given to the outbox while its sender still lives. Where there is nobody to tell they are dropped:
    after the next start they would be wrong."""
    now = timezone.now()
    text = f"Stopped on purpose at {now:%H:%M} UTC. What you write meanwhile is answered after the next start."
    with _database("The stop could not be told"):
        if last := notice(kind="stopped", key=host_id(), text=text):
            notices_carry()
            Notice.objects.filter(pk=last.pk, carried_at=None).update(carried_at=now)


def mark_as_ended(pids: list[int]) -> None:
    """These processes and the supervisor ended because they were told to: a crash leaves no such mark."""
    with _database("The stop could not be noted"):
        heartbeats.rest(pids)


@contextmanager
def _database(what: str) -> Iterator[None]:
    try:
        with at_most(DATABASE_SECONDS):
            yield
    except AWAY as error:
        logger.warning("%s: %s", what, str(error).strip())
    finally:
        connections.close_all()  # the supervisor forks, and a connection must not be on both sides
