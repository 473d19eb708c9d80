"""Telling the master is a row: whatever lies low need not know that chats exist."""

from datetime import timedelta

from django.utils import timezone

from ops.models import Notice

COOLDOWN = timedelta(hours=1)


def notice(*, kind: str, text: str, key: str = "", severity: str = Notice.Severity.INFO) -> Notice | None:
    """Queue a sentence for the master. With a `key`, the same one is told at most once an hour (None is returned)."""
    recent = Notice.objects.filter(kind=kind, key=key, created_at__gt=timezone.now() - COOLDOWN)
    if key and recent.exists():
        return None
    return Notice.objects.create(kind=kind, key=key, text=text, severity=severity)
