"""Whether messages come from and go to Telegram, and in which way."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from ops.health import Level, Result, of_connections, register
from ops.models import Connection
from ops.selectors import is_silent, processes
from telegram_bridge.link import POLLING, TELEGRAM, WEBHOOK
from telegram_bridge.mode import Way, way_now
from telegram_bridge.watchdog import update_seen_at

POLL_PATIENCE = timedelta(seconds=90)
"""A poll takes 25 s when nothing comes, and its end is written at most 15 s late."""


@register("telegram")
def telegram() -> Result:
    if not settings.TELEGRAM_BOT_TOKEN:
        return Result(
            level=Level.OK, reason="Not configured: set TELEGRAM_BOT_TOKEN in .env to be reached by Telegram."
        )
    if not any(process.name.startswith("bridge") and not is_silent(process) for process in processes()):
        return Result(level=Level.DEGRADED, reason="The bridge is not running: nothing comes from or goes to Telegram.")
    found = of_connections(TELEGRAM, POLLING, WEBHOOK)
    return found if found.level is not Level.OK else _received()


def _received() -> Result:
    """Nobody has met a failure: since when has nothing come at all?"""
    if way_now() is Way.WEBHOOK:
        seen = update_seen_at()
        told = f"the last one came at {seen:%Y-%m-%d %H:%M} UTC" if seen else "none has come yet"
        return Result(level=Level.OK, reason=f"Updates come by webhook; {told}.")
    last = Connection.objects.filter(name=POLLING, host="").values_list("last_ok_at", flat=True).first()
    if last is not None and timezone.now() - last > POLL_PATIENCE:
        late = f"The last poll of Telegram was completed at {last:%Y-%m-%d %H:%M} UTC; the log of the bridge says why."
        return Result(level=Level.DEGRADED, reason=late)
    return Result(level=Level.OK, reason="Updates come by polling.")
