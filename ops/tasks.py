"""What runs by itself for operations."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from ops.models import Connection, Notice
from ops.notices import notice

State = Connection.State
TOLD_AFTER = timedelta(seconds=60)
"""A connection that is down for less is nobody's concern."""
STALE_AFTER = timedelta(minutes=10)
KEPT = timedelta(days=7)


@transaction.atomic
def connections_tell() -> int:
    """Scheduled: tell the master which connections are down for more than a minute, and which of them are back; how
    many notices that made. Rows of hosts that have been gone for a week are deleted."""
    now = timezone.now()
    Connection.objects.filter(seen_at__lt=now - KEPT).exclude(host="").delete()
    rows = Connection.objects.select_for_update(skip_locked=True)
    down = rows.filter(state=State.DOWN, told_at=None, since__lt=now - TOLD_AFTER, seen_at__gt=now - STALE_AFTER)
    back = rows.filter(state=State.CONNECTED, told_at__isnull=False)
    return sum([*(_tell_down(row) for row in down), *(_tell_back(row) for row in back)])


def _tell_down(row: Connection) -> bool:
    told = notice(
        kind="connection_down", key=f"{row.name}@{row.host}", text=row.sentence(), severity=Notice.Severity.WARNING
    )
    if told is not None:  # else one was told within the hour: it flaps, and is told again when it stays down
        Connection.objects.filter(pk=row.pk).update(told_at=timezone.now())
    return told is not None


def _tell_back(row: Connection) -> bool:
    where = f" on {row.host}" if row.host else ""
    text = f"The connection “{row.name}”{where} is back since {row.since:%Y-%m-%d %H:%M} UTC."
    told = notice(kind="connection_back", key=f"{row.name}@{row.host} {row.since.isoformat()}", text=text)
    Connection.objects.filter(pk=row.pk).update(told_at=None)
    return told is not None
