"""Runs a command where there is no bubblewrap, and leaves none of its descendants behind.

A program of its own, started as `python -I -S launcher.py command …`: it must stay free of the product's modules.
It becomes the subreaper of all that the command starts, so even what detaches itself (setsid, double fork) stays its
descendant; it kills them all when the command ends, when it gets SIGTERM, and when the worker that started it dies.
"""

import ctypes
import os
import signal
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38


def prepare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def parents() -> dict[int, int]:
    """pid to parent's pid, of every process that lives."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    found[int(name)] = int(stat.read().rsplit(b")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    return found


def descendants() -> list[int]:
    known = parents()
    found: list[int] = []
    ring = {os.getpid()}
    while ring:
        ring = {pid for pid, parent in known.items() if parent in ring}
        found += ring
    return found


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def kill_descendants() -> None:
    """Stops each before it kills, so that none can fork away while the list is read; again until none is left."""
    for _ in range(100):
        found = descendants()
        if not found:
            return
        for blow in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                try:
                    os.kill(pid, blow)
                except OSError:
                    continue
        time.sleep(0.005)
        reap()


def on_term(number: int, frame: FrameType | None) -> None:
    kill_descendants()
    os._exit(128 + number)


def main(command: list[str], parent: int) -> int:
    signal.signal(signal.SIGTERM, on_term)
    prepare()
    if os.getppid() != parent:  # it died before the death signal was set
        return 128 + signal.SIGTERM
    child = os.spawnvp(os.P_NOWAIT, command[0], command)
    _, status = os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    kill_descendants()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(main(sys.argv[2:], int(sys.argv[1])))
