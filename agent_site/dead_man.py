"""Pings an outside dead man's switch as long as all is well: when nothing comes any more, it is that one that tells.

One thread in one web worker of this machine does it, whichever holds the lock. A web worker neither forks (a thread
that looks up a name must not be forked) nor runs tasks, so no busy lane can hold the ping up.
"""

import fcntl
import logging
import threading
import urllib.error
import urllib.request
from typing import IO

from django.conf import settings
from django.db import connections

from ops.health import Level, report

logger = logging.getLogger(__name__)
EVERY_SECONDS = 60.0
TIMEOUT_SECONDS = 10.0


class DeadMan:
    """`tick` looks at the health and pings; `run` repeats it every minute."""

    def __init__(self) -> None:
        self.failing = False
        self._lock: IO[str] | None = None

    def tick(self) -> bool:
        """Whether a ping arrived. None is sent while /health is down, or while another process does it."""
        if not self._is_mine():
            return False
        level, _, _ = report()
        connections.close_all()  # for a minute nobody needs it
        if level == Level.DOWN:
            return False
        return self._ping()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.tick()
            except Exception:
                logger.exception("The dead man's switch could not be pinged")
            stop.wait(EVERY_SECONDS)

    def close(self) -> None:
        """Leaves the pings to somebody else, as its death does."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _ping(self) -> bool:
        try:
            with urllib.request.urlopen(settings.DEAD_MAN_URL, timeout=TIMEOUT_SECONDS):
                pass
        except (OSError, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if not self.failing:  # once, until it has worked again
                logger.warning("The ping to DEAD_MAN_URL failed, trying again every minute: %s", error)
            self.failing = True
            return False
        if self.failing:
            logger.info("The ping to DEAD_MAN_URL arrives again.")
        self.failing = False
        return True

    def _is_mine(self) -> bool:
        """Whether this process has the lock; the kernel gives it back when it dies."""
        if self._lock is not None:
            return True
        lock = open(settings.DATA_DIR / "dead-man.lock", "w")  # noqa: SIM115  (held as long as the process lives)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True


def start() -> None:
    """Begins in this process, where DEAD_MAN_URL is set."""
    if settings.DEAD_MAN_URL:
        threading.Thread(target=DeadMan().run, args=(threading.Event(),), name="dead-man", daemon=True).start()
