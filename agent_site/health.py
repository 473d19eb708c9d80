"""Is it well: what the product as a whole needs in order to work."""

import shutil
from collections.abc import Iterator
from datetime import timedelta

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.utils import timezone
from django_q.models import OrmQ

from common import bus
from common.queue import Lane
from common.text import redact, shorten
from ops.health import Level, Result, register
from ops.models import Heartbeat
from ops.selectors import ENDED, SILENT_AFTER, is_silent, processes, switches

DATABASE_PATIENCE = 2  # seconds; the least that psycopg takes
QUEUE_PATIENCE = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)
STUCK_AFTER = timedelta(seconds=60)
LEAST_FREE_BYTES = 200 * 1024 * 1024
LEAST_FREE_SHARE = 0.05
WELL = Result(level=Level.OK)

_migrated = False


@register("database")
def database() -> Result:
    """Over a connection of its own: that shows whether one can still be had, and an old one could hang for ever."""
    try:
        with bus.connect(connect_timeout=DATABASE_PATIENCE) as live:
            live.execute("SELECT 1")
    except psycopg.Error as error:
        told = redact(shorten(str(error), 300))
        return Result(level=Level.DOWN, reason=f"The database does not answer: {told}")
    return WELL


@register("migrations")
def migrations() -> Result:
    """Asked of the database until the answer is yes once: this process's code does not change any more."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if missing:
            return Result(level=Level.DOWN, reason=f"{missing} migrations are missing: run `manage.py migrate`.")
        _migrated = True
    return WELL


@register("queue")
def queue() -> Result:
    """The lock of a package that nobody holds is the time from which it may be taken."""
    now = timezone.now()
    oldest = OrmQ.objects.values_list("key").annotate(Min("lock")).order_by("key")
    late = {lane: int((now - at).total_seconds()) for lane, at in oldest if now - at > QUEUE_PATIENCE}
    if late:
        told = ", ".join(f"{seconds} s in the lane {lane}" for lane, seconds in late.items())
        return Result(level=Level.DEGRADED, reason=f"Tasks have waited {told}: all workers are busy, or none runs.")
    return WELL


@register("processes")
def workers() -> Result:
    """Both lanes must beat, or nothing gets done; who is silent, stuck or dies again and again is named."""
    known = processes()
    beating = [process for process in known if not is_silent(process) and not process.detail.get(ENDED)]
    for lane in Lane.values:
        if not any(process.name.startswith(f"cluster.{lane}") for process in beating):
            return Result(level=Level.DOWN, reason=f"No worker of the lane {lane} is alive: start them with `./run`.")
    told = [*_silent(known, beating), *_stuck(beating), *_restarting(beating)]
    return Result(level=Level.DEGRADED, reason=" ".join(told)) if told else WELL


def _silent(known: list[Heartbeat], beating: list[Heartbeat]) -> Iterator[str]:
    missed = {row.name for row in known if is_silent(row) and row.alive_at > timezone.now() - FORGOTTEN_AFTER}
    names = sorted(missed - {row.name for row in beating})
    if names:
        yield f"Not heard of for more than {int(SILENT_AFTER.total_seconds())} s: {', '.join(names)}."


def _stuck(beating: list[Heartbeat]) -> Iterator[str]:
    for process in beating:
        if "busy" in process.detail and (process.progressed_at or process.started_at) < timezone.now() - STUCK_AFTER:
            yield f"All workers of {process.name} are stuck; they are replaced within a minute."


def _restarting(beating: list[Heartbeat]) -> Iterator[str]:
    for process in beating:
        for name, deaths in process.detail.get("failing", {}).items():
            if deaths > 1:
                yield f"{name} has ended {deaths} times in a row and is started again: see the log."


@register("switches")
def switched() -> Result:
    """Freeze and pause were wanted: nothing is amiss, but it is good to know."""
    on = [row.get_name_display() for row in switches().values() if row.on]
    return Result(level=Level.OK, reason=f"On: {'; '.join(on)}." if on else "")


@register("disk", needs_database=False)
def disk() -> Result:
    usage = shutil.disk_usage(settings.DATA_DIR)
    if usage.free < LEAST_FREE_BYTES or usage.free < usage.total * LEAST_FREE_SHARE:
        free = usage.free // (1024 * 1024)
        return Result(
            level=Level.DEGRADED, reason=f"Only {free} MB are free where {settings.DATA_DIR} lies: make room."
        )
    return WELL
