"""One worker of a cluster: claims a package straight from the broker, runs it, acknowledges it, and again.

There is no queue between guard and worker: nothing is prefetched, no lock is left behind by a kill. What the guard
must know (which claim is held, since when, when it last got on) lies in a small piece of shared memory. An idle worker
sleeps until it takes one of the tokens that the guard gives, so that a package wakes one worker and not all.

Getting on is not guessed: every statement of the task's own thread is a sign of life. Whatever may take long (a model's
stream, a command) asks the database every 250 ms whether it is to stop, so that a stuck task is told from a slow one.
A step that can do neither says beforehand how long it may last: `may_last`.
"""

import ctypes
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawValue
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone
from django_q.exceptions import TimeoutException
from django_q.models import Task
from django_q.signing import BadSignature, SignedPackage
from django_q.timeout import TimeoutHandler

from common import background, backoff, broker, lease, queue
from common.processes import StopFlag, die_with_parent
from common.tokens import Tokens, Waiter

logger = logging.getLogger(__name__)
RECYCLE_AFTER = 5000
"""Tasks after which a worker makes room for a fresh one, so that slow leaks never add up."""

LOOK_SECONDS = 10.0
"""An idle worker's own look at the queue, should a wake-up be lost; the guard looks every 2 s."""
RETRY_SECONDS = 2.0
"""The pause before a package runs again whose task lost the database."""

Outage = (OperationalError, InterfaceError)
Package = dict[str, Any]


class Slot(ctypes.Structure):
    """What a worker shows its guard: the queue row it holds (0: none), since when, when it last got on (monotonic s),
    how long its present step may last without that (s; 0: the usual), how many it ended."""

    _fields_ = [
        ("claim", ctypes.c_longlong),
        ("since", ctypes.c_double),
        ("progressed", ctypes.c_double),
        ("may_last", ctypes.c_double),
        ("finished", ctypes.c_longlong),
    ]


def make_slot() -> Any:
    return RawValue(Slot)


_mine: Any = make_slot()
"""This process's slot; one that nobody looks at where no worker runs."""


@contextmanager
def may_last(seconds: float) -> Iterator[None]:
    """Around a step that neither asks the database nor `stop` meanwhile: it is not held for stuck for so long."""
    _mine.progressed, _mine.may_last = time.monotonic(), seconds
    try:
        yield
    finally:
        _mine.progressed, _mine.may_last = time.monotonic(), 0.0


def work(lane: str, slot: Any, tokens: Tokens, time_limit: int, guard: int) -> None:
    """The life of a worker process. Ends on SIGTERM after the task in hand, or when it is recycled."""
    global _mine
    die_with_parent(guard)
    _mine = slot
    Worker(lane=lane, slot=slot, tokens=tokens, time_limit=time_limit).run()


class Worker:
    """`tick` does one unit; `run` repeats it until told to stop."""

    def __init__(self, *, lane: str, slot: Any, tokens: Tokens, time_limit: int) -> None:
        self.lane, self.slot, self.tokens, self.time_limit = lane, slot, tokens, time_limit
        self.stop = StopFlag()
        self.waiter = Waiter(tokens, wake_fd=self.stop.fd)
        self.woken = False
        self.failures = 0

    def run(self) -> None:
        self.stop.listen()
        queue.drain_when(self.stop.is_set)
        with connection.execute_wrapper(self._get_on):
            while not self.stop.is_set() and self.slot.finished < RECYCLE_AFTER and not background.is_lost():
                try:
                    self.tick()
                    self.failures = 0
                except Outage as error:
                    logger.warning("The database does not answer, trying again: %s", str(error).strip())
                    self._pause()

    def tick(self) -> bool:
        """Runs one package, or waits a while for one; says whether there was work."""
        if not self.woken:
            self.tokens.take()  # that of the package which is found now; left there, it would wake somebody for nothing
        self.woken = False
        self.slot.progressed = time.monotonic()
        close_old_connections()  # a free look, see common/postgres: the server may have been restarted meanwhile
        claimed = broker.claim(self.lane)
        if claimed is None:
            self.woken = self.waiter.wait(LOOK_SECONDS)
            return False
        self.slot.since = self.slot.progressed = time.monotonic()
        self.slot.claim = claimed[0]
        try:
            self._settle(claimed[0], self._perform(claimed[1]))
        finally:
            self.slot.finished += 1
            self.slot.claim = 0
        return True

    def _get_on(self, execute: Callable[..., Any], *statement: Any) -> Any:
        """Runs a statement of this thread, and shows that the task has got so far."""
        result = execute(*statement)
        self.slot.progressed = time.monotonic()
        return result

    def _perform(self, payload: str) -> tuple[Package, str | None]:
        """Runs a package: (package, "") when it went well, None as the second when the connection to the database was
        lost, so that it is to be run again, else a traceback."""
        package = unpack(payload)
        if not package:
            return {}, "A queued package was not signed by this installation."
        try:
            with TimeoutHandler(self.time_limit):
                queue.execute(package["func"], package["args"])
        except TimeoutException:
            self.stop.set()  # cut anywhere, its state is not to be trusted: a fresh worker goes on
            return package, traceback.format_exc()
        except Outage:
            return package, traceback.format_exc() if connection.is_usable() else None
        except Exception:
            return package, traceback.format_exc()
        return package, ""

    def _settle(self, claimed: int, outcome: tuple[Package, str | None]) -> None:
        """A failed package is recorded and gone like a finished one: a sweep finds rows that still want attention."""
        package, error = outcome
        while True:
            try:
                close_old_connections()
                lease.release_left()
                if error is None:
                    return broker.release(self.lane, claimed, after=RETRY_SECONDS)
                if error:
                    record_failure(package, error=error, lane=self.lane)
                return broker.acknowledge(claimed)
            except Outage:
                if self.stop.is_set():
                    raise
                self._pause()

    def _pause(self) -> None:
        connection.close()
        self.failures += 1
        self.slot.progressed = time.monotonic()
        self.stop.wait(max(0.05, backoff.delay(self.failures, cap=5.0)))


def unpack(payload: str) -> Package:
    """A queue row's package; empty when it was not signed with this installation's key."""
    try:
        package: Package = SignedPackage.loads(payload)
    except (BadSignature, TypeError, ValueError):
        return {}
    return package


def record_failure(package: Package, *, error: str, lane: str) -> None:
    """Puts a failed task where django-q2's admin shows it."""
    logger.error("Task %s failed in process %s: %s", package.get("name", "?"), os.getpid(), error)
    if not package:
        return
    Task.objects.update_or_create(
        id=package["id"],
        defaults={
            "name": package["name"][:100],
            "func": str(package["func"])[:256],
            "args": package["args"],
            "kwargs": package["kwargs"],
            "group": package.get("group"),
            "cluster": lane,
            "started": package["started"],
            "stopped": timezone.now(),
            "success": False,
            "result": error,
        },
    )
