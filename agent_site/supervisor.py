"""Starts the processes of the product and starts them again when they die.

They are forked from this process after it has imported everything, so that they share its memory pages; each leads a
process group of its own, so that nothing it started outlives it, and dies with the supervisor.
"""

import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from typing import Any

from django.conf import settings
from django.db import connections

from agent_site import clusters, embedded_postgres, watch, web
from common import backoff
from common.errors import AgentError
from common.processes import STOP_SIGNALS, StopFlag, die_with_parent
from common.queue import Lane

logger = logging.getLogger(__name__)
fork = multiprocessing.get_context("fork")

CYCLE_SECONDS = 1.0
STOP_SECONDS = 12.0
"""A little more than the 10 s that a cluster takes to drain."""
HEALTHY_SECONDS = 30.0
WATCH_SECONDS = 15.0
CRASH_LOOP = 4
"""From this many deaths in a row on, the master is told."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process: `main` runs until SIGTERM. The model that others call while they drain is stopped last."""

    name: str
    main: Callable[[], None]
    wanted: Callable[[], bool] = lambda: True
    stops_last: bool = False


def services(listening: socket.socket) -> list[Service]:
    """The table of all processes, in the order in which they start."""
    return [
        Service(name="demo model", main=run_demo_model, wanted=wants_demo_model, stops_last=True),
        Service(name="web", main=lambda: web.serve(listening.dup())),
        Service(name="cluster talk", main=lambda: clusters.run_cluster(Lane.TALK)),
        Service(name="cluster work", main=lambda: clusters.run_cluster(Lane.WORK)),
        Service(name="bridge", main=run_bridge, wanted=wants_bridge),
    ]


def wants_demo_model() -> bool:
    from llm import routing

    return routing.is_demo()


def run_demo_model() -> None:
    from llm.routing import DEMO_URL_FILE
    from llm.scripted.serve import serve

    serve(script="demo", port=0, first_token_delay=0.0, url_file=settings.DATA_DIR / DEMO_URL_FILE)


def wants_bridge() -> bool:
    return bool(settings.TELEGRAM_BOT_TOKEN)


def run_bridge() -> None:
    from telegram_bridge import runner

    runner.main()


class Child:
    """A service and its present process, if it has one."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.process: ForkProcess | None = None
        self.failures = 0
        self.started = self.not_before = 0.0

    def start(self) -> None:
        connections.close_all()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # until the child has handlers of its own
        self.process = fork.Process(target=_live, args=(self.service, os.getpid()), name=self.service.name)
        self.process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        self.started = time.monotonic()

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
            self.not_before = time.monotonic() + pause
            if self.failures >= CRASH_LOOP:
                watch.tell_of_crash_loop(self.service.name, self.failures)

    def terminate(self) -> None:
        if self.process is not None and self.process.is_alive():
            self.process.terminate()

    def kill(self) -> None:
        """Kills the process with its whole group."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid or 0, signal.SIGKILL)
            self.process.join()
            self.process = None

    def _pause(self) -> float:
        self.failures = 0 if time.monotonic() - self.started > HEALTHY_SECONDS else self.failures + 1
        return min(30.0, 0.1 * 2.0**self.failures)


def _live(service: Service, supervisor: int) -> None:
    """What the forked process does first and last."""
    die_with_parent(supervisor)
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


class Supervisor:
    """`run` repeats `tick` until SIGTERM or SIGINT, then stops everything.

    `on_tick` is called in between and returns the seconds until it wants to be called again."""

    def __init__(self, table: list[Service], *, on_tick: Callable[[], float] = lambda: CYCLE_SECONDS) -> None:
        self.children = [Child(service) for service in table if service.wanted()]
        self.stop = StopFlag()
        self.on_tick = on_tick
        self.next_watch = time.monotonic() + WATCH_SECONDS
        self.suspects: set[int] = set()
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
        if self.owns_postgres and not embedded_postgres.is_running(settings.DATA_DIR):
            self._revive_postgres()
        if time.monotonic() >= self.next_watch:
            self.next_watch = time.monotonic() + WATCH_SECONDS
            self._kill_silent()
        for child in self.children:
            child.tick()
        return min(CYCLE_SECONDS, self.on_tick())

    def shut_down(self) -> None:
        """No new work; what runs is finished or parked within 10 s. The database server is stopped by the caller."""
        for last in (False, True):
            group = [child for child in self.children if child.service.stops_last is last]
            for child in group:
                child.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            for child in group:
                if child.process is not None:
                    child.process.join(max(0.0, deadline - time.monotonic()))
                child.kill()

    def _kill_silent(self) -> None:
        """A process that stopped beating is killed, and so replaced. Two looks, because after an outage of the database
        or a sleep of the machine everybody's last beat is old."""
        running = {child.process.pid: child for child in self.children if child.process is not None}
        silent = watch.silent([pid for pid in running if pid is not None])
        for pid in silent & self.suspects:
            logger.error("%s (process %s) has stopped beating: killed.", running[pid].service.name, pid)
            running[pid].kill()
        self.suspects = silent

    def _revive_postgres(self) -> None:
        logger.error("The embedded PostgreSQL is gone; starting it again.")
        try:
            embedded_postgres.start(settings.DATA_DIR)
        except AgentError as error:
            logger.error("%s", error)
            self.stop.wait(backoff.delay(3))

    def _wait(self, timeout: float) -> None:
        """Until a child dies, the stop signal comes, or something else is due."""
        now = time.monotonic()
        watched: list[Any] = [child.process.sentinel for child in self.children if child.process is not None]
        due = [child.not_before - now for child in self.children if child.process is None]
        wait([*watched, self.stop.fd], max(0.0, min([timeout, *due])))
