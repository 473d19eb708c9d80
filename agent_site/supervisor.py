"""Starts the processes of the product and starts them again when they die.

They are forked from this process after it has imported everything, so that they share its memory pages; each leads a
process group of its own, so that nothing it started outlives it, and dies with the supervisor.
"""

import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from agent_site import embedded_postgres, log_files, logs, watch
from agent_site.services import Service
from common import backoff
from common.errors import AgentError
from common.processes import STOP_SIGNALS, StopFlag, die_with_parent, introduce

logger = logging.getLogger(__name__)
fork = multiprocessing.get_context("fork")

CYCLE_SECONDS = 1.0
STOP_SECONDS = 9.5
"""In all. A cluster takes at most 8 s to drain and a moment to end."""
TURN_SECONDS = 0.5
"""What is kept of that for each later turn, however long an earlier one takes."""
HEALTHY_SECONDS = 30.0
CRASH_LOOP = 4
"""From this many deaths in a row on, the master is told."""


class Child:
    """A service and its present process, if it has one."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.process: ForkProcess | None = None
        self.failures = self.restarts = 0
        self.started = self.not_before = 0.0

    def start(self) -> None:
        connections.close_all()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # until the child has handlers of its own
        self.process = fork.Process(target=_live, args=(self.service, os.getpid()), name=self.service.name)
        self.process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        self.started = time.monotonic()
        if self.service.probe is not None:
            self.service.probe.reset()

    def tick(self) -> None:
        """Starts it when it is due; notices its death, and then kills whatever it left behind."""
        if self.process is None:
            if time.monotonic() >= self.not_before:
                self.start()
        elif not self.process.is_alive():
            pause = self._pause()
            logger.error(
                "%s (process %s) ended with %s; starting it again in %.1f s.",
                *(self.service.name, self.process.pid, self.process.exitcode, pause),
            )
            self.kill()
            self.restarts += 1
            self.not_before = time.monotonic() + pause
            if self.failures >= CRASH_LOOP:
                watch.tell_of_crash_loop(self.service.name, self.failures)

    def terminate(self) -> None:
        if self.process is not None and self.process.is_alive():
            self.process.terminate()

    def kill_alone(self) -> None:
        """Kills the process; the next tick notices, and looks after the rest."""
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def is_failing(self) -> bool:
        """Whether it has died and has not been well for long enough since."""
        return self.failures > 0 and (self.process is None or time.monotonic() - self.started < HEALTHY_SECONDS)

    def kill(self) -> None:
        """Kills the process with its whole group."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid or 0, signal.SIGKILL)
            self.process.join()
            self.process = None

    def _pause(self) -> float:
        self.failures = 0 if time.monotonic() - self.started > HEALTHY_SECONDS else self.failures + 1
        return 0.1 if self.failures < CRASH_LOOP else max(0.1, backoff.delay(self.failures))


def _live(service: Service, supervisor: int) -> None:
    """What the forked process does first and last."""
    die_with_parent(supervisor)
    introduce(service.name)
    os.setpgid(0, 0)
    for number in (*STOP_SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's: it passes SIGTERM on
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        service.main()
    except AgentError as error:
        logger.error("%s: %s", service.name, error)
        sys.exit(1)
    except Exception:
        logger.exception("%s failed", service.name)
        sys.exit(1)


def _end(group: list[Child], deadline: float) -> None:
    """Asks these to stop, waits until the deadline, and kills what is left with all that it started."""
    for child in group:
        child.terminate()
    for child in group:
        if child.process is not None:
            child.process.join(max(0.0, deadline - time.monotonic()))
        child.kill()


class Supervisor:
    """`run` repeats `tick` until SIGTERM or SIGINT, then stops everything.

    `on_tick` is called in between and returns the seconds until it wants to be called again."""

    def __init__(self, table: list[Service], *, on_tick: Callable[[], float] = lambda: CYCLE_SECONDS) -> None:
        self.children = [Child(service) for service in table if service.wanted()]
        self.stop = StopFlag()
        self.on_tick = on_tick
        self.watch = watch.Watch()
        self.next_look = time.monotonic() + watch.LOOK_SECONDS
        self.owns_postgres = not settings.DATABASE_URL

    def run(self) -> None:
        self.stop.listen()
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # the terminal was closed; nohup ignores that
            signal.signal(signal.SIGHUP, self.stop.set)
        gc.collect()
        gc.freeze()  # so that the collector does not touch, and thereby copy, the shared pages
        while not self.stop.is_set():
            self._wait(self.tick())
        self.shut_down()

    def tick(self) -> float:
        """Looks after everything once; returns the seconds until it wants to be called again."""
        if self.owns_postgres and not embedded_postgres.is_alive(settings.DATA_DIR):
            self._revive_postgres()
        if time.monotonic() >= self.next_look:
            self.next_look = time.monotonic() + watch.LOOK_SECONDS
            self._look()
        for child in self.children:
            child.tick()
        return min(CYCLE_SECONDS, self.on_tick())

    def shut_down(self) -> None:
        """No new work; what runs is finished or parked within 10 s. The database server is stopped by the caller."""
        deadline = time.monotonic() + STOP_SECONDS
        pids = [child.process.pid or 0 for child in self.children if child.process is not None]
        watch.tell_of_stop()
        turns = sorted({child.service.turn_to_stop for child in self.children})
        for place, turn in enumerate(turns, start=1):
            group = [child for child in self.children if child.service.turn_to_stop == turn]
            _end(group, deadline - TURN_SECONDS * (len(turns) - place))
        watch.mark_as_ended([*pids, os.getpid()])

    def _look(self) -> None:
        """A process that is alive but stuck is killed, and so replaced."""
        running = {child.process.pid or 0: child for child in self.children if child.process is not None}
        for pid in self.watch.look(list(running), detail=self._told()):
            logger.error("%s (process %s) is stuck, it has stopped beating: killed.", running[pid].service.name, pid)
            running[pid].kill_alone()
        for pid, child in running.items():
            if child.service.probe is not None and child.service.probe.look():
                logger.error("%s (process %s) is stuck, it has stopped answering: killed.", child.service.name, pid)
                child.kill_alone()
        if self.owns_postgres and not embedded_postgres.is_running(settings.DATA_DIR):
            self._revive_postgres()
        self._look_after_logs()

    def _look_after_logs(self) -> None:
        """A full disk must not end the supervisor."""
        try:
            log = os.environ.get(logs.FILE_VARIABLE)
            if log and log_files.rotate(Path(log), writers=[os.getpid()]):
                logs.follow(Path(log))  # what is forked from now on begins with the new file
            if self.owns_postgres:
                log_files.tidy_server(settings.DATA_DIR / "postgres" / "logs")
        except OSError as error:
            logger.warning("The log files could not be rotated: %s", error)

    def _told(self) -> dict[str, Any]:
        """What the supervisor's heartbeat says of its children: restarts of each, and deaths in a row."""
        return {
            "restarts_of": {child.service.name: child.restarts for child in self.children},
            "failing": {child.service.name: child.failures for child in self.children if child.is_failing()},
        }

    def _revive_postgres(self) -> None:
        logger.error("The embedded PostgreSQL is gone; starting it again.")
        try:
            embedded_postgres.start(settings.DATA_DIR)
        except AgentError as error:
            logger.error("%s", error)
            self.stop.wait(backoff.delay(1))

    def _wait(self, timeout: float) -> None:
        """Until a child dies, the stop signal comes, or something else is due."""
        now = time.monotonic()
        watched: list[Any] = [child.process.sentinel for child in self.children if child.process is not None]
        due = [child.not_before - now for child in self.children if child.process is None]
        wait([*watched, self.stop.fd], max(0.0, min([timeout, *due])))
