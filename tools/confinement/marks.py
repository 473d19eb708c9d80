"""Which call a process belongs to, told by its environment: whoever takes a call over finds what is left of it by that,
also where the worker died, or was stopped, before it could write down a pid."""

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import psutil
from django.db import connection
from django.utils.crypto import salted_hmac

from tools.confinement.trees import end_tree

MARK = "SERVER_AGENT_CALL"

_mark: ContextVar[str] = ContextVar("mark", default="")


@contextlib.contextmanager
def marked(execution_id: int, epoch: int) -> Iterator[None]:
    """Whatever process.run starts inside belongs to that attempt at a call."""
    token = _mark.set(f"{_name(execution_id)}:{epoch}")
    try:
        yield
    finally:
        _mark.reset(token)


def variables() -> dict[str, str]:
    """What marks a process, for its environment; nothing outside of `marked`."""
    return {MARK: _mark.get()} if _mark.get() else {}


def end_marked(execution_id: int, *, before: int) -> int:
    """Ends what attempts of earlier epochs at that call have left on this machine; returns how many processes."""
    found = {pid: _parent(pid) for pid, epoch in _with_mark(execution_id) if epoch < before}
    # The uppermost take the others along; what is left then had detached itself from them.
    for pid in sorted(found, key=lambda pid: found[pid] in found):
        if found[pid] in found:
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).kill()
        else:
            end_tree(pid)
    return len(found)


def _name(execution_id: int) -> str:
    """The call's name among all installations of a machine; says nothing to the command that reads it."""
    salt = f"{__name__} {connection.settings_dict['NAME']}"
    return salted_hmac(salt, str(execution_id)).hexdigest()[:20]


def _with_mark(execution_id: int) -> Iterator[tuple[int, int]]:
    """(pid, epoch) of each process whose environment names the call; what may not be read is not ours. Linux only."""
    wanted = f"{MARK}={_name(execution_id)}:".encode()
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                if line.startswith(wanted) and line[len(wanted) :].isdigit():
                    yield int(name), int(line[len(wanted) :])


def _parent(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).ppid()
    return 0
