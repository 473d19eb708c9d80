"""What /stats says of the machinery: processes and their memory, connections, versions, how long it has been up."""

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import psutil
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agent_site import machine
from common.host import host_id
from ops.models import Heartbeat
from ops.selectors import is_silent, processes

MOST_PROCESSES = 60
MOST_NAMES = 40
CONNECTIONS = f"""
    SELECT application_name, count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
    GROUP BY application_name ORDER BY count(*) DESC LIMIT {MOST_NAMES}
"""


def figures() -> dict[str, Any]:
    """All of it; memory only of this machine's processes."""
    known = processes()
    return {
        "host": host_id(),
        "uptime_seconds": uptime(known),
        "versions": versions(),
        "connections": connections(),
        "memory_mb": memory(known),
        "restarts": restarts(known),
        "machine": {row.host: row.detail["usage"] for row in known if row.detail.get("usage")},
    }


def uptime(known: list[Heartbeat]) -> int:
    """Seconds since the first of the processes that live now was started; 0 where none does."""
    starts = [row.started_at for row in known if not is_silent(row)]
    return int((timezone.now() - min(starts)).total_seconds()) if starts else 0


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), "django": django.get_version(), "git": git_commit()}


def git_commit() -> str:
    """The commit that is checked out, read from .git; empty where there is none, as in an image."""
    git = Path(settings.BASE_DIR, ".git")
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).exists():
            return (git / name).read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""


def connections() -> dict[str, int]:
    """How many connections to the database each kind of process has, by the name that it gave itself."""
    with connection.cursor() as cursor:
        cursor.execute(CONNECTIONS)
        return {name or "unnamed": count for name, count in cursor.fetchall()}


def restarts(known: list[Heartbeat]) -> dict[str, int]:
    """How often each process was started again since its supervisor's or guard's own start."""
    found: dict[str, int] = {}
    for row in known:
        found |= {f"{name}@{row.host}": count for name, count in row.detail.get("restarts_of", {}).items()}
        if "workers" in row.detail:
            found[f"{row.name} workers@{row.host}"] = row.detail.get("restarts", 0)
    return found


def memory(known: list[Heartbeat]) -> list[dict[str, Any]]:
    """PSS and RSS of each process of this machine that beats, and of what these have started."""
    return [{"name": name, "pid": pid, **used} for pid, name in _family(known) if (used := machine.memory_mb(pid))]


def _family(known: list[Heartbeat]) -> Iterator[tuple[int, str]]:
    names = {row.pid: row.name for row in known if row.host == host_id() and not is_silent(row)}
    seen: set[int] = set()
    for pid, name in names.items():
        for each in _with_children(pid):
            if each not in seen and len(seen) < MOST_PROCESSES and (each == pid or each not in names):
                seen.add(each)
                yield each, name if each == pid else f"{name}, child"


def _with_children(pid: int) -> list[int]:
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.Error:
        return []
