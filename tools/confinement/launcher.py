"""Starts a command that bubblewrap alone can't confine as it should be, and leaves none of its descendants behind.

A program of its own, started as `python -I -S launcher.py PARENT PLAN command …`: it may use no module of the product
but the few that need neither settings nor packages. PLAN is JSON and names one way:

{"way": "net"}       in a network namespace of its own, with the proxy of network.py as the only way out
{"way": "landlock", "readable": […], "writable": […]}   confined by landlock.py
{"way": "limits"}    without confinement, where the kernel offers none
{"way": "host"}      without confinement, because a person approved that: what makes itself a daemon stays

It becomes the subreaper of all that the command starts, so even what detaches itself (setsid, double fork) stays its
descendant; it kills them all when the command ends, when it gets SIGTERM, and when the worker that started it dies.
"""

import ctypes
import json
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CANNOT_START = 126

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    _libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0)))


def relatives() -> dict[int, tuple[int, int]]:
    """pid to parent's pid and session, of every process that lives."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    fields = stat.read().rsplit(b")", 1)[1].split()
                    found[int(name)] = (int(fields[1]), int(fields[3]))
            except (OSError, ValueError, IndexError):
                continue
    return found


def descendants(*, spare_daemons: bool) -> list[int]:
    known = relatives()
    found: list[int] = []
    ring = {os.getpid()}
    while ring:
        ring = {pid for pid, (parent, _) in known.items() if parent in ring}
        found += ring
    session = os.getsid(0)
    return [pid for pid in found if not spare_daemons or known[pid][1] == session]


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def kill_descendants(*, spare_daemons: bool = False) -> None:
    """Stops each before it kills, so that none can fork away while the list is read; again until none is left."""
    for _ in range(100):
        found = descendants(spare_daemons=spare_daemons)
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


def start(plan: dict[str, Any], command: list[str]) -> int:
    """The pid of the command, confined as planned."""
    if plan["way"] != "net":
        return os.fork() or become(plan, command)
    import socket
    import threading

    from tools.confinement import network

    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        # What is made here stays in the namespace; its owner outside answers what comes to it.
        with network.enter_namespace(_libc) as listener:
            socket.send_fds(theirs, [b"."], [listener.fileno()])
        return become(plan, command)
    theirs.close()
    _, received, _, _ = socket.recv_fds(ours, 1, 1)
    if received:
        listener = socket.socket(fileno=received[0])
        threading.Thread(target=network.serve, args=(listener,), daemon=True).start()
    return child


def become(plan: dict[str, Any], command: list[str]) -> int:
    """In the child: confines itself and becomes the command. Never returns."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores the last two
            signal.signal(number, signal.SIG_DFL)
        if plan["way"] == "landlock":
            from tools.confinement import landlock

            landlock.restrict(readable=plan["readable"], writable=plan["writable"])
        if plan["way"] != "host":
            prctl(PR_SET_NO_NEW_PRIVS, 1)
        os.execv(command[0], command)
    except BaseException as error:
        print(f"The command could not be confined, so it was not started: {error}", file=sys.stderr, flush=True)
    os._exit(CANNOT_START)


def main(parent: int, plan: dict[str, Any], command: list[str]) -> int:
    signal.signal(signal.SIGTERM, on_term)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != parent:  # it died before the death signal was set
        return 128 + signal.SIGTERM
    child = start(plan, command)
    _, status = os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    kill_descendants(spare_daemons=plan["way"] == "host")
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    # At the end: nothing of the standard library may be found in the product's folder instead.
    here = os.path.abspath(__file__)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(here))))
    os._exit(main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]))
