"""Looks after the webhook: whether Telegram gets its updates through, and, while polling in its place, whether to try
it again."""

import logging
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from ops.connections import connection_failed, connection_ok
from telegram_bridge.client import TelegramClient, TelegramPermanent
from telegram_bridge.link import WEBHOOK
from telegram_bridge.mode import Mode, Way, is_pinned, mode_keep, mode_load, mode_switch, webhook_set
from telegram_bridge.models import TelegramUpdate
from telegram_bridge.settings import bot_id, webhook_url

logger = logging.getLogger(__name__)
CHECK_SECONDS = 60.0
FAILED_UNTIL_SWITCH = 3
TRIAL_EACH = timedelta(hours=1)
PROBE_SECONDS = 5.0


def webhook_check(client: TelegramClient) -> str:
    """One look at the webhook; what is wrong, or "". After the third failed one in a row updates come by polling, where
    the mode is not pinned. Raises the client's errors: of a Telegram that can't be asked nothing is concluded."""
    info = client.webhook_info()
    mode = mode_load()
    reason = trouble(info, mode, seen_at=update_seen_at())
    kept = mode_keep(
        checked_at=timezone.now(),
        error_at=info.get("last_error_date", 0),
        failed=mode.failed + 1 if reason else 0,
    )
    if not reason:
        connection_ok(WEBHOOK, host="")
        return ""
    logger.warning("webhook check failed (%s in a row): %s", kept.failed, reason)
    connection_failed(WEBHOOK, reason, retry_in=CHECK_SECONDS, host="")
    given_up = kept.failed >= FAILED_UNTIL_SWITCH and not is_pinned() and mode_switch(to=Way.POLLING, reason=reason)
    if not given_up and info.get("url") != webhook_url():
        webhook_set(client)
    return reason


def trouble(info: dict[str, Any], mode: Mode, *, seen_at: datetime | None) -> str:
    """What `getWebhookInfo` says against the webhook since the check before, in words; "" when it works.

    An error of the past that nothing waits for any more is none; updates that wait while others come are a queue.
    """
    if info.get("url") != webhook_url():
        return (
            f"Telegram has {'another address' if info.get('url') else 'no webhook'} for this bot: somebody changed it"
        )
    waiting, error_at = int(info.get("pending_update_count", 0)), int(info.get("last_error_date", 0))
    if not waiting or mode.checked_at is None:
        return ""
    said = f": {info['last_error_message']}" if info.get("last_error_message") else ""
    if error_at > mode.error_at:
        return f"Telegram could not deliver, {waiting} updates wait{said}"
    if seen_at is None or seen_at < mode.checked_at:
        return f"{waiting} updates wait at Telegram, and none has come since the last check{said}"
    return ""


def update_seen_at() -> datetime | None:
    """When the last update came in."""
    rows = TelegramUpdate.objects.filter(bot_id=bot_id()).order_by("-pk")
    return rows.values_list("received_at", flat=True).first()


def trial_is_due() -> bool:
    """Whether updates come by polling only because the webhook failed, an hour ago or when it was tried last."""
    if is_pinned() or not webhook_url():
        return False
    mode = mode_load()
    return mode.way is Way.POLLING and (mode.tried_at is None or timezone.now() - mode.tried_at >= TRIAL_EACH)


def webhook_try(client: TelegramClient) -> bool:
    """One trial of the hour: back to the webhook, if our own address answers and Telegram takes it."""
    mode_keep(tried_at=timezone.now())
    reason = "" if answers_itself() else f"Our own address {settings.PUBLIC_URL} does not answer"
    try:
        if not reason:
            webhook_set(client)
            if mode_switch(to=Way.WEBHOOK, reason="our own address answers"):
                return True
    except TelegramPermanent as error:
        reason = str(error)
    if reason:
        connection_failed(WEBHOOK, reason, retry_in=TRIAL_EACH.total_seconds(), host="")
    return False


def answers_itself() -> bool:
    """Whether /health/live answers at PUBLIC_URL, the way that Telegram would come."""
    import httpx

    url = f"{settings.PUBLIC_URL.rstrip('/')}/health/live"
    try:
        # A proxy from the environment knows nothing of an address on this machine.
        outside = urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1")
        with httpx.Client(timeout=PROBE_SECONDS, trust_env=outside) as probe:
            answer = probe.get(url)
        return bool(answer.status_code == 200 and answer.json().get("status") == "ok")
    except (httpx.HTTPError, ValueError, AttributeError):
        return False
