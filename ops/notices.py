"""Telling the master is a row: whatever lies low need not know that chats exist."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from common.transactions import joined
from ops.models import Notice

COOLDOWN = timedelta(hours=1)


@joined
def notice(*, kind: str, text: str, key: str = "", severity: str = Notice.Severity.INFO) -> Notice | None:
    """Queue a sentence for the master. With a `key`, the same one is told at most once an hour (None is returned).

    Many of a kind are told as one (threads/notices.py).
    """
    if key:
        with connection.cursor() as cursor:  # two processes that notice the same thing at once tell it once
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"notice:{kind}:{key}"])
        if Notice.objects.filter(kind=kind, key=key, created_at__gt=timezone.now() - COOLDOWN).exists():
            return None
    return Notice.objects.create(kind=kind, key=key, text=text, severity=severity)
