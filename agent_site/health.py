"""Is it well: what the product as a whole needs in order to work."""

import shutil
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.utils import timezone
from django_q.models import OrmQ

from common.queue import Lane
from ops.health import Level, Result, register
from ops.selectors import SILENT_AFTER, is_silent, processes

QUEUE_PATIENCE = timedelta(seconds=30)
LEAST_FREE_BYTES = 200 * 1024 * 1024
LEAST_FREE_SHARE = 0.05
WELL = Result(level=Level.OK)

_migrated = False


@register("database")
def database() -> Result:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
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
    oldest = OrmQ.objects.aggregate(oldest=Min("lock"))["oldest"]
    waited = timezone.now() - oldest if oldest is not None else timedelta(0)
    if waited > QUEUE_PATIENCE:
        return Result(
            level=Level.DEGRADED,
            reason=f"The oldest task has waited {int(waited.total_seconds())} s: all workers are busy, or none runs.",
        )
    return WELL


@register("processes")
def workers() -> Result:
    """Both lanes must beat, or nothing gets done; any other process that has gone silent is missed."""
    beating = [process for process in processes() if not is_silent(process)]
    for lane in Lane.values:
        if not any(process.name.startswith(f"cluster.{lane}") for process in beating):
            return Result(level=Level.DOWN, reason=f"No worker of the lane {lane} is alive: start them with `./run`.")
    silent = sorted({process.name for process in processes()} - {process.name for process in beating})
    if silent:
        since = int(SILENT_AFTER.total_seconds())
        return Result(level=Level.DEGRADED, reason=f"Not heard of for more than {since} s: {', '.join(silent)}.")
    return WELL


@register("disk")
def disk() -> Result:
    usage = shutil.disk_usage(settings.DATA_DIR)
    if usage.free < LEAST_FREE_BYTES or usage.free < usage.total * LEAST_FREE_SHARE:
        free = usage.free // (1024 * 1024)
        return Result(
            level=Level.DEGRADED, reason=f"Only {free} MB are free where {settings.DATA_DIR} lies: make room."
        )
    return WELL


@register("telegram")
def telegram() -> Result:
    if not settings.TELEGRAM_BOT_TOKEN:
        return Result(
            level=Level.OK, reason="Not configured: set TELEGRAM_BOT_TOKEN in .env to be reached by Telegram."
        )
    if not any(process.name.startswith("bridge") and not is_silent(process) for process in processes()):
        return Result(level=Level.DEGRADED, reason="The bridge is not running: nothing comes from or goes to Telegram.")
    return WELL
