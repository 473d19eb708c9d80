"""A crash-only django-q2 cluster: a guard, in the main process, over workers that claim straight from the broker.

The stock cluster joins its processes by multiprocessing queues; killing an idle worker left it stuck for good in 3 of 6
trials, and its prefetch runs slow tasks twice. Here nothing is shared but a slot of memory per worker: whoever dies is
replaced, its claim is released at once, and children die with the guard. q2's tables, schedules and admin stay.

The guard alone listens to the lane and gives a token for each package that was queued; workers wait for tokens. When
all of them listened, each package woke them all and cost a claim each, of which one could win.
"""

import logging
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from typing import Any

from django.db import connections
from django.db.models import Min
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from common import backoff, broker
from common.bus import Listener
from common.processes import STOP_SIGNALS, StopFlag
from common.tokens import Tokens
from common.worker import Outage, make_slot, record_failure, unpack, work

logger = logging.getLogger(__name__)
fork = multiprocessing.get_context("fork")

CYCLE_SECONDS = 1.0
RENEW_SECONDS = 1.0
BEAT_SECONDS = 5.0
SCHEDULE_LOOK_SECONDS = 5.0
DRAIN_SECONDS = 8.0
"""With what a kill takes, and the stop of what carries the answers, all has ended within 10 s."""
RELEASE_PAUSE_SECONDS = 5.0
KILL_GRACE_SECONDS = 3.0
"""How long after its time limit a task that swallowed the alarm is killed with its worker."""
STUCK_SECONDS = 45.0
"""A worker that has shown no sign of getting on for so long is replaced: with the looks in between within 60 s."""
HELD_UP_SECONDS = 5.0
"""A guard that was held up itself for so long (a sleep of the machine, a freeze) gives its workers their time anew."""
DEADLY = 3
"""A package that has killed this many workers is recorded as failed instead of being run again."""

OnBeat = Callable[[bool, dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """`time_limit` in seconds a task; `on_beat(progressed, detail)` is called every 5 s in the guard."""

    lane: str
    workers: int
    time_limit: int
    runs_schedule: bool = False
    on_beat: OnBeat = lambda progressed, detail: None


@dataclass(kw_only=True)
class Seat:
    """A place in the pool: its present worker and the memory that both sides see."""

    slot: Any = field(default_factory=make_slot)
    process: ForkProcess | None = None
    started: float = 0.0
    early_deaths: int = 0
    not_before: float = 0.0
    killed_for: str = ""


class Cluster:
    """`run` repeats `tick` until SIGTERM or SIGINT, then drains."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self.stop = StopFlag()
        self.tokens = Tokens()
        self.listener = Listener(broker.channel(settings.lane))
        self.seats = [Seat() for _ in range(settings.workers)]
        self.deaths: Counter[int] = Counter()
        self.restarts = -settings.workers
        self.stuck = 0
        self._looked = self._patient_since = time.monotonic()
        self._due: dict[str, float] = {}
        self._next_schedule = 0.0
        self._reported = 0.0

    def run(self) -> None:
        self.stop.listen()
        self.listener.wait(0.0)  # connects, before the workers look for the first time
        while not self.stop.is_set():
            self.tick()
            self._wait(CYCLE_SECONDS, stoppable=True)
        self.drain()
        self.listener.close()

    def tick(self) -> None:
        """Looks after the workers and after what is due in the database; an outage of it is waited out."""
        self._be_fair()
        for seat in self.seats:
            self._kill_if_over_limit(seat)
            self._kill_if_stuck(seat)
        try:
            for seat in self.seats:
                self._bury_if_dead(seat)
            self._every(RENEW_SECONDS, self._renew)
            self._every(BEAT_SECONDS, self._beat)
            self._every(CYCLE_SECONDS, self._schedule)
            self._every(broker.POLL_SECONDS, self._look)
        except Outage as error:
            logger.warning("The database does not answer, trying again: %s", str(error).strip())
            connections.close_all()
        if not self.stop.is_set():
            for seat in self.seats:
                self._spawn_if_empty(seat)

    def drain(self) -> None:
        """Lets running tasks end or park, at most 8 s; what is left is killed and its claim given back."""
        self.stop.set()
        for process in self._alive():
            process.terminate()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._alive() and (left := deadline - time.monotonic()) > 0:
            self._wait(min(CYCLE_SECONDS, left), stoppable=False)
            self.tick()
        for process in self._alive():
            process.kill()
            process.join()
        self.tick()

    def _alive(self) -> list[ForkProcess]:
        return [seat.process for seat in self.seats if seat.process is not None and seat.process.is_alive()]

    def _wait(self, timeout: float, *, stoppable: bool) -> None:
        """Until a package is queued, a worker dies, the time is over, or (when stoppable) the stop signal comes."""
        watched = [process.sentinel for process in self._alive()]
        notes = self.listener.wait(timeout, beside=[*watched, self.stop.fd] if stoppable else watched)
        self.tokens.give(len(notes))

    def _look(self) -> None:
        """Finds packages whose wake-up was lost, or that were not to be run before now."""
        if idle := sum(not seat.slot.claim for seat in self.seats):
            self.tokens.give(min(idle, broker.waiting(self.settings.lane)))

    def _every(self, seconds: float, action: Callable[[], None]) -> None:
        if time.monotonic() >= self._due.get(action.__name__, 0.0):
            action()
            self._due[action.__name__] = time.monotonic() + seconds

    def _spawn_if_empty(self, seat: Seat) -> None:
        if seat.process is not None or time.monotonic() < seat.not_before:
            return
        connections.close_all()  # a connection must never be used on both sides of a fork
        seat.slot.finished, seat.slot.may_last = 0, 0.0
        place = (self.settings.lane, seat.slot, self.tokens, self.settings.time_limit, os.getpid())
        seat.process = fork.Process(target=work, args=place, daemon=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # until the child has handlers of its own
        seat.process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        seat.started, seat.killed_for = time.monotonic(), ""
        self.restarts += 1

    def _kill_if_over_limit(self, seat: Seat) -> None:
        """The worker's own alarm comes first; this is for tasks that swallow it or are stuck outside Python."""
        limit = self.settings.time_limit + KILL_GRACE_SECONDS
        if seat.process is not None and seat.slot.claim and time.monotonic() - seat.slot.since > limit:
            seat.killed_for = f"The task ran longer than its limit of {self.settings.time_limit} s and was killed."
            seat.process.kill()
            seat.process.join()

    def _be_fair(self) -> None:
        now = time.monotonic()
        if now - self._looked > HELD_UP_SECONDS:
            self._patient_since = now
        self._looked = now

    def _kill_if_stuck(self, seat: Seat) -> None:
        """Alive, but neither its task nor its wait for one has got on: it loops, is blocked outside Python, or was
        stopped. Its package runs again, as after any death."""
        if seat.process is None or not seat.process.is_alive():
            return
        still = time.monotonic() - max(seat.slot.progressed, seat.started, self._patient_since)
        if still <= max(STUCK_SECONDS, seat.slot.may_last):
            return
        logger.error(
            "A %s worker (process %s) is stuck for %.0f s: killed.", self.settings.lane, *(seat.process.pid, still)
        )
        self.stuck += 1
        seat.process.kill()
        seat.process.join()

    def _bury_if_dead(self, seat: Seat) -> None:
        process = seat.process
        if process is None or process.is_alive():
            return
        if process.exitcode:
            logger.error("A %s worker (process %s) died: exit %s.", self.settings.lane, process.pid, process.exitcode)
        if seat.slot.claim:
            self._give_back(seat.slot.claim, seat.killed_for)
            seat.slot.claim = 0
        lived = time.monotonic() - seat.started
        seat.early_deaths = seat.early_deaths + 1 if lived < 1.0 else 0
        seat.not_before = time.monotonic() + (backoff.delay(seat.early_deaths) if seat.early_deaths > 1 else 0.0)
        process.close()
        seat.process = None

    def _give_back(self, claim: int, killed_for: str) -> None:
        """A dead worker's package runs again at once, then after a pause; what keeps killing workers has failed."""
        self.deaths[claim] += 1
        count = self.deaths[claim]
        if not killed_for and (count < DEADLY or self.stop.is_set()):
            return broker.release(self.settings.lane, claim, after=RELEASE_PAUSE_SECONDS * (count - 1))
        error = killed_for or f"The worker died {count} times while it ran this task."
        if row := OrmQ.objects.filter(pk=claim).first():
            record_failure(unpack(row.payload), error=error, lane=self.settings.lane)
        broker.acknowledge(claim)

    def _renew(self) -> None:
        if claims := [seat.slot.claim for seat in self.seats if seat.slot.claim]:
            broker.renew(claims)

    def _beat(self) -> None:
        """Progress means: since the last beat a worker was free, or one that is busy got on."""
        busy = [seat for seat in self.seats if seat.slot.claim]
        latest = max((seat.slot.progressed for seat in self.seats), default=0.0)
        progressed = len(busy) < len(self.seats) or latest > self._reported
        self._reported = latest
        detail = {"workers": len(self._alive()), "busy": len(busy), "restarts": max(0, self.restarts)}
        self.settings.on_beat(progressed, detail | {"stuck": self.stuck})

    def _schedule(self) -> None:
        """Runs django-q2's scheduler when a schedule is due. Its pass is dear and hides errors, so it is not run idly;
        a schedule that was changed is noticed within 5 s."""
        if not self.settings.runs_schedule or time.monotonic() < self._next_schedule:
            return
        first = Schedule.objects.aggregate(Min("next_run"))["next_run__min"]
        wait_for = SCHEDULE_LOOK_SECONDS if first is None else (first - timezone.now()).total_seconds()
        if wait_for < 0:
            scheduler(broker=broker.PostgresBroker(self.settings.lane))
            wait_for = 0.0
        self._next_schedule = time.monotonic() + min(SCHEDULE_LOOK_SECONDS, wait_for)
