"""What may not grow while a product runs for long, looked at again and again."""

import os
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.measures.idle import memory
from bench.support.instance import Instance

# Rows that come and go; what is history (messages, steps, deliveries, the ledger) grows by intention.
ROWS = {
    "queued packages": "SELECT count(*) FROM django_q_ormq",
    "django-q2's records of tasks": "SELECT count(*) FROM django_q_task",
    "schedules": "SELECT count(*) FROM django_q_schedule",
    "heartbeats": "SELECT count(*) FROM ops_heartbeat",
    "connections' states": "SELECT count(*) FROM ops_connection",
    "notices": "SELECT count(*) FROM ops_notice",
    "sessions": "SELECT count(*) FROM django_session",
    "leases held": "SELECT (SELECT count(*) FROM agents_run WHERE lease_expires_at IS NOT NULL) + "
    "(SELECT count(*) FROM jobs_job WHERE lease_expires_at IS NOT NULL)",
    "reservations open": "SELECT count(*) FROM budget_reservation WHERE state = 'open'",
    "deliveries open": "SELECT count(*) FROM threads_delivery WHERE state IN ('queued', 'sending', 'unknown')",
    "approvals pending": "SELECT count(*) FROM approvals_approval WHERE state = 'pending'",
    "updates not processed": "SELECT count(*) FROM telegram_bridge_telegramupdate WHERE state = 'received'",
}
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look: `at` in seconds of the monotonic clock, `figures` by what they are, `sizes` in MB by process."""

    at: float
    figures: dict[str, float]
    sizes: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Of one figure: in the middle third and in the last third of the time, and its slope over both."""

    middle: float
    last: float
    an_hour: float

    @property
    def grown(self) -> float:
        return self.last - self.middle


def look(it: Instance) -> Look:
    names, sizes, files = it.names(), Counter[str](), 0
    for pid, name in names.items():
        sizes[name] += round(memory(pid)[0], 1)  # type: ignore[assignment]  # a Counter adds any number
        files += _files(pid)
    figures: dict[str, float] = {name: it.one(query) for name, query in ROWS.items()}
    figures |= {
        "PSS of all processes, MB": sum(sizes.values()),
        "processes": len(names),
        "connections to PostgreSQL": it.one(CONNECTIONS),
        "open files": files,
        "temporary files": _temporary(it),
        "log, MB": it.trial.log.stat().st_size / 1e6,
    }
    return Look(at=time.monotonic(), figures=figures, sizes=dict(sizes))


def growth(looks: list[Look], name: str) -> Growth:
    """The first third is left out: what is loaded lazily is loaded in it."""
    third = len(looks) // 3
    later = looks[third:]
    values = [one.figures[name] for one in later]
    slope = statistics.linear_regression([one.at for one in later], values).slope if len(later) > 1 else 0.0
    return Growth(
        middle=statistics.median([one.figures[name] for one in looks[third : 2 * third] or looks]),
        last=statistics.median([one.figures[name] for one in looks[2 * third :]]),
        an_hour=3600 * slope,
    )


def by_process(looks: list[Look]) -> dict[str, tuple[float, float]]:
    """PSS in MB at the first look after the warm-up and at the last one, by the name of the process."""
    found: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for name in looks[-1].sizes:
        found[name] = (looks[len(looks) // 3].sizes.get(name, 0.0), looks[-1].sizes[name])
    return dict(found)


def _files(pid: int) -> int:
    try:
        return psutil.Process(pid).num_fds()
    except psutil.Error:
        return 0


def _temporary(it: Instance) -> int:
    """Files of ours under the folder for temporary ones, and of PostgreSQL's own."""
    own = Path(os.environ.get("TMPDIR", "/tmp"))
    spilled = Path(it.trial.environment["DATA_DIR"], "postgres", "base", "pgsql_tmp")
    return sum(1 for _ in own.glob("agent-*")) + sum(1 for _ in spilled.glob("*"))
