"""Processes and what they have started: known again by their start time, ended with all their descendants."""

import contextlib
import signal
import time

import psutil

START_TIME_TOLERANCE = 1.0


def start_time(pid: int) -> float:
    """Seconds since 1970; 0.0 when the process is gone already. Tells a process from a later one of the same number."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).create_time()
    return 0.0


def is_same(pid: int, started: float) -> bool:
    """Whether process `pid` is the one that started at `started`."""
    return abs(start_time(pid) - started) <= START_TIME_TOLERANCE


def end_tree(pid: int, *, patience: float = 1.0) -> None:
    """Ends a command that `run` started, and all that it started. Safe to repeat; `pid` must not have been reaped."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return
        # The launcher kills its descendants on SIGTERM; bubblewrap's die with it, however it dies.
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(psutil.TimeoutExpired):
            _wait_until_ended(process, patience)
            return
        for member in [*descendants(pid), process]:
            with contextlib.suppress(psutil.Error):
                member.kill()
    except psutil.NoSuchProcess:
        return


def _wait_until_ended(process: psutil.Process, patience: float) -> None:
    """Without reaping: the exit code belongs to whoever started the process."""
    until = time.monotonic() + patience
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            raise psutil.TimeoutExpired(patience)
        time.sleep(0.005)


def descendants(pid: int) -> list[psutil.Process]:
    """All that a process has started and that has not detached itself; none where it is gone."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []
