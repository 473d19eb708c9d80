"""How updates come in: by webhook or by polling. Pending updates are never dropped, and one that comes both ways counts
once, so that the way may change at any moment.

TELEGRAM_MODE=webhook or polling pins the way. With auto it is the webhook where there is a PUBLIC_URL, until that fails
(watchdog.py) and while it does. What was switched, when and why is kept in a row: a restart forgets nothing.
"""

import logging
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from common.commands import all_commands
from ops import audit
from ops.models import Connection, Notice
from ops.notices import notice
from telegram_bridge.client import TelegramClient
from telegram_bridge.link import WEBHOOK
from telegram_bridge.settings import ALLOWED_UPDATES, webhook_url

logger = logging.getLogger(__name__)
MAX_CONNECTIONS = 16
SWITCH_AT_MOST_EACH = timedelta(minutes=15)


class Way(StrEnum):
    WEBHOOK = "webhook"
    POLLING = "polling"


@dataclass(frozen=True, kw_only=True)
class Mode:
    """What is kept of the mode: the way, when it was switched and when the webhook was last tried again; of the last
    check of the webhook its time and the last error's that Telegram told, and how many failed in a row."""

    way: Way = Way.WEBHOOK
    switched_at: datetime | None = None
    tried_at: datetime | None = None
    checked_at: datetime | None = None
    error_at: int = 0
    failed: int = 0


def way_now() -> Way:
    """The way in which updates are to come now."""
    if is_pinned():
        return Way(settings.TELEGRAM_MODE)
    return mode_load().way if webhook_url() else Way.POLLING


def is_pinned() -> bool:
    """Whether the settings leave no choice."""
    return bool(settings.TELEGRAM_MODE != "auto")


def mode_load() -> Mode:
    """What the row says; the defaults where there is none yet."""
    kept = Connection.objects.filter(name=WEBHOOK, host="").values_list("detail", flat=True).first()
    return _read(kept or {})


def mode_keep(**changes: Any) -> Mode:
    """Change what is kept, and nothing else of the row."""
    with transaction.atomic():
        row = _row_locked()
        mode = replace(_read(row.detail), **changes)
        row.detail = {name: _plain(value) for name, value in asdict(mode).items()}
        row.save(update_fields=["detail"])
    return mode


def mode_switch(*, to: Way, reason: str) -> bool:
    """Let updates come the other way from now on; the caller tells Telegram. False where they do already, and within
    15 minutes of the last switch: two ways that both fail must not drive each other."""
    now = timezone.now()
    with transaction.atomic():
        row = _row_locked()
        mode = _read(row.detail)
        too_early = mode.switched_at is not None and now - mode.switched_at < SWITCH_AT_MOST_EACH
        if mode.way is to or too_early:
            return False
        mode_keep(way=to, switched_at=now, tried_at=now, failed=0)
        # The notice below is what is told; the sweep of the connections need not say it again.
        Connection.objects.filter(pk=row.pk).update(told_at=now if to is Way.POLLING else None)
        audit.record(actor="system", action=f"telegram {to}", subject="", detail={"from": mode.way, "reason": reason})
        severity = Notice.Severity.WARNING if to is Way.POLLING else Notice.Severity.INFO
        notice(kind="telegram_mode", text=TOLD[to].format(reason=reason.rstrip(".")), severity=severity)
    logger.warning("telegram: by %s from now on: %s", to, reason)
    return True


TOLD = {
    Way.POLLING: (
        "Telegram does not get its updates to our webhook ({reason}). I fetch them by polling from now on; nothing is "
        "lost by that. The webhook is tried again once an hour, when our own address answers."
    ),
    Way.WEBHOOK: "Telegram's updates come by webhook again ({reason}).",
}


def arrange(client: TelegramClient, way: Way) -> None:
    """Tell Telegram how to reach us, and which commands there are; safe to repeat. Raises the client's errors."""
    if way is Way.WEBHOOK:
        webhook_set(client)
        mode_keep(checked_at=timezone.now(), error_at=client.webhook_info().get("last_error_date", 0))
    else:
        client.delete_webhook()
    client.set_commands([(each.name, each.help) for each in all_commands()])


def webhook_set(client: TelegramClient) -> str:
    """Set the webhook; its URL."""
    url = webhook_url()
    # Set each time: whether the secret is still ours can't be asked.
    client.set_webhook(
        url,
        secret_token=settings.TELEGRAM_WEBHOOK_SECRET,
        allowed_updates=ALLOWED_UPDATES,
        max_connections=MAX_CONNECTIONS,
    )
    logger.info("webhook set to %s", url)
    return url


def _row_locked() -> Connection:
    now = timezone.now()
    Connection.objects.get_or_create(name=WEBHOOK, host="", defaults={"since": now, "seen_at": now})
    return Connection.objects.select_for_update().get(name=WEBHOOK, host="")


def _read(kept: dict[str, Any]) -> Mode:
    """A row of an older version lacks fields, and one of a newer version has more."""
    times = {name: parse_datetime(kept[name]) for name in ("switched_at", "tried_at", "checked_at") if kept.get(name)}
    way = Way(kept["way"]) if kept.get("way") in list(Way) else Way.WEBHOOK
    return Mode(way=way, error_at=int(kept.get("error_at", 0)), failed=int(kept.get("failed", 0)), **times)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
