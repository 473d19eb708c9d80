"""What guards and supervisors need from the operating system: children that die with their parent, a stop flag that a
signal handler may set, names of processes that outlive the reuse of pids."""

import ctypes
import os
import select
import signal
import sys
from functools import cache

import psutil
from django.db import connections

from common.host import host_id

PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when `parent` dies. Called in the child, right after the fork. Linux only: on
    macOS an orphan ends when it next notices that its parent changed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


def introduce(name: str) -> None:
    """Has the connections that this process opens from now on carry its name: the server can tell them apart."""
    connections.settings["default"].setdefault("OPTIONS", {})["application_name"] = f"agent {name}"


class StopFlag:
    """A flag that signal handlers may set and that select() can wait for."""

    def __init__(self) -> None:
        self._set = False
        self.fd, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def listen(self) -> None:
        """Sets the flag on SIGTERM and SIGINT, and lets them through if a fork had blocked them."""
        for number in STOP_SIGNALS:
            signal.signal(number, self.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def set(self, *_: object) -> None:
        if not self._set:
            self._set = True
            os.write(self._write, b"x")

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds; says whether the flag is set."""
        if not self._set:
            select.select([self.fd], [], [], timeout)
        return self._set


def owner() -> str:
    """This process's name among all hosts: "host:pid:start time"."""
    return _owner_of(os.getpid())


@cache
def _owner_of(pid: int) -> str:  # keyed by pid, so that a fork gets a name of its own
    return f"{host_id()}:{pid}:{psutil.Process(pid).create_time():.2f}"


def is_dead(name: str) -> bool:
    """Whether the process of that owner name is certainly gone: on this host, and no process has its pid and start."""
    host, _, process_name = name.partition(":")
    pid, _, started = process_name.partition(":")
    if host != host_id():
        return False
    try:
        process = psutil.Process(int(pid))
        return f"{process.create_time():.2f}" != started or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.Error):
        return False
