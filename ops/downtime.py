"""When the whole system was down: computed from the heartbeats at a start, before they are written anew."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Max

from common.rows import insert_new
from ops.models import Heartbeat, Notice, Outage
from ops.notices import notice

SHORTEST = timedelta(seconds=60)
"""A restart or an update takes less; what is shorter is no outage."""
TELEGRAM_KEEPS = timedelta(hours=24)
"""https://core.telegram.org/bots/api#getting-updates: updates are not kept for longer."""


def last_alive() -> datetime | None:
    """The latest beat of any process of any host, by the database's clock; None before the first one."""
    latest: datetime | None = Heartbeat.objects.aggregate(latest=Max("alive_at"))["latest"]
    return latest


def downtime_note() -> tuple[datetime, datetime] | None:
    """To be called at a start, before anything beats: (from, to) of the outage that ends now, kept as an `Outage`.

    None where somebody is alive, or was within the last minute, at the very first start, and when it was noted before.
    """
    began, now = last_alive(), _now()
    if began is None or now - began < SHORTEST:
        return None
    if not insert_new(Outage(began_at=began, ended_at=now)):
        return None
    if now - began > TELEGRAM_KEEPS:
        gap_tell(began, now)
    return began, now


def gap_tell(began: datetime, ended: datetime) -> Notice | None:
    """Tell the master that messages of that time may be lost, because Telegram has not kept them."""
    hours = (ended - began).total_seconds() / 3600
    text = (
        f"Nothing could be received from {began:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC ({hours:.0f} h). "
        "Telegram keeps messages for 24 h only: what was sent before "
        f"{ended - TELEGRAM_KEEPS:%Y-%m-%d %H:%M} UTC may be missing. "
        "Look into your chats, and send again what has no answer."
    )
    return notice(kind="gap", key=began.isoformat(), text=text, severity=Notice.Severity.WARNING)


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now
