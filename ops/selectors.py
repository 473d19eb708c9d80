"""What others ask about operations: which processes beat, which switches are on."""

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from ops.models import Connection, Heartbeat, Notice, Outage, Switch

SILENT_AFTER = timedelta(seconds=30)
"""A process beats every 5 s; one that has missed six beats is silent."""
ENDED = "ended"
"""What the detail of a process says that was ended on purpose."""
UNHEARD_AFTER = timedelta(hours=2)
"""A failure that nobody has met again for so long says nothing of now."""
DEGRADED_FOR = timedelta(minutes=10)
"""So long counts a single failure that nobody has followed up."""


def processes() -> list[Heartbeat]:
    """The last beat of each process, by name."""
    return list(Heartbeat.objects.order_by("name", "host"))


def is_silent(process: Heartbeat) -> bool:
    """Whether a process has not beaten for so long that it must be stuck or dead."""
    return not process.detail.get(ENDED) and timezone.now() - process.alive_at > SILENT_AFTER


def switches() -> dict[str, Switch]:
    """Every switch by name; one that was never turned is off."""
    rows = {row.name: row for row in Switch.objects.all()}
    return {name: rows.get(name) or Switch(name=name) for name in Switch.Name.values}


def notices_uncarried(limit: int = 5) -> list[Notice]:
    """What the master has not been told yet, the newest first."""
    return list(Notice.objects.filter(carried_at__isnull=True).order_by("-pk")[:limit])


def connections_failing(*names: str) -> list[Connection]:
    """Those of these connections that are degraded or down, as far as anybody has said so lately."""
    now = timezone.now()
    lately = Q(state=Connection.State.DOWN, seen_at__gt=now - UNHEARD_AFTER) | Q(
        state=Connection.State.DEGRADED, seen_at__gt=now - DEGRADED_FOR
    )
    return list(Connection.objects.filter(lately, name__in=names))


def outages_since(at: datetime) -> list[Outage]:
    """The outages of the whole system that ended after `at`, the latest first."""
    return list(Outage.objects.filter(ended_at__gt=at))
