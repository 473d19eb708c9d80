"""Workers as processes of their own, which can be stopped, woken and killed."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.context import ForkProcess

from django.db import connections
from django.utils import timezone

from agents.models import Run

fork = multiprocessing.get_context("fork")
PATIENCE = 20.0


@contextmanager
def worker(deed: Callable[[], object]) -> Iterator[ForkProcess]:
    """A process that does one thing, and is gone at the end of the block."""
    connections.close_all()
    process = fork.Process(target=deed, daemon=True)
    process.start()
    try:
        yield process
    finally:
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()


def wait_until(true: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Looks until it is so."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        pause.wait(0.02)
    raise AssertionError(f"It was not so within {seconds:g} s.")


def freeze(process: ForkProcess) -> None:
    """As a machine that sleeps, or a debugger: it does not even notice."""
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def wake_to_its_end(process: ForkProcess) -> None:
    os.kill(process.pid, signal.SIGCONT)
    process.join(PATIENCE)
    assert process.exitcode is not None, "it went on for too long"


def lapse() -> None:
    """The lease of whoever has the run has run out."""
    Run.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
