"""What the supervisor reads and writes in the database: processes that stopped beating, and notices of crash loops."""

import socket
from datetime import timedelta

from django.db import DatabaseError, connections
from django.db.models.functions import Now

from ops.models import Heartbeat, Notice
from ops.notices import notice

SILENCE = timedelta(seconds=60)
"""A cluster beats every 5 s; a minute without one means that its guard is stuck."""


def silent(pids: list[int]) -> set[int]:
    """Which of these processes of this host have beaten once and then stopped. Empty when the database is away."""
    try:
        stuck = Heartbeat.objects.filter(host=socket.gethostname(), pid__in=pids, alive_at__lt=Now() - SILENCE)
        return set(stuck.values_list("pid", flat=True))
    except DatabaseError:
        return set()
    finally:
        connections.close_all()  # the supervisor forks, and a connection must not be on both sides


def tell_of_crash_loop(name: str, failures: int) -> None:
    """Tells the master that a process does not stay up; at most once an hour each."""
    text = (
        f"The process “{name}” ended {failures} times in a row; it is started again with growing pauses. See the log."
    )
    try:
        notice(kind="crash_loop", key=name, text=text, severity=Notice.Severity.ERROR)
    except DatabaseError:
        return
    finally:
        connections.close_all()
