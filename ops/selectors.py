"""What others ask about operations: which processes beat, which switches are on."""

from datetime import timedelta

from django.utils import timezone

from ops.models import Heartbeat, Notice, Switch

SILENT_AFTER = timedelta(seconds=30)
"""A process beats every 5 s; one that has missed six beats is silent."""


def processes() -> list[Heartbeat]:
    """The last beat of each process, by name."""
    return list(Heartbeat.objects.order_by("name", "host"))


def is_silent(process: Heartbeat) -> bool:
    """Whether a process has not beaten for so long that it must be stuck or dead."""
    return timezone.now() - process.alive_at > SILENT_AFTER


def switches() -> dict[str, Switch]:
    """Every switch by name; one that was never turned is off."""
    rows = {row.name: row for row in Switch.objects.all()}
    return {name: rows.get(name) or Switch(name=name) for name in Switch.Name.values}


def notices_uncarried(limit: int = 5) -> list[Notice]:
    """What the master has not been told yet, the newest first."""
    return list(Notice.objects.filter(carried_at__isnull=True).order_by("-pk")[:limit])
