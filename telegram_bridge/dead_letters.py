"""Updates that could not be handled: listed, and tried again from what was stored, each at most once with effect."""

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from common.dead_letters import DeadLetter, Pile, register
from common.errors import AgentError
from common.text import shorten
from ops import audit
from telegram_bridge import payloads
from telegram_bridge.failures import is_passing, reason_of
from telegram_bridge.inbound import PressRefused, handle_stored
from telegram_bridge.models import TelegramUpdate

logger = logging.getLogger(__name__)
State = TelegramUpdate.State
OPEN = (State.FAILED, State.STORED)
STRANDED_AFTER = timedelta(minutes=1)


class UpdateFailedAgain(AgentError):
    """It could not be handled this time either."""


class NotRetried(AgentError):
    """Only an update that failed can be tried again; this one is handled by now."""


def update_retry(*, update: TelegramUpdate, actor: str) -> TelegramUpdate:
    """Handle a failed update from its stored payload. Raises NotRetried, and UpdateFailedAgain with the reason.

    Its row is locked meanwhile: who else tries it waits, and finds it handled. A fault of the database is raised as it
    is, and changes nothing.
    """
    with transaction.atomic():
        row = TelegramUpdate.objects.select_for_update(no_key=True).get(pk=update.pk)
        if row.state not in OPEN:
            raise NotRetried
        error = _try(row)
        audit.record(
            actor=actor, action="update tried again", subject=f"update:{row.pk}", detail={"error": error[:300]}
        )
    if error:
        raise UpdateFailedAgain(f"It failed again: {error}")
    return row


def _try(row: TelegramUpdate) -> str:
    """The reason why it failed again; empty where it is handled now."""
    tried: dict[str, Any] = {"attempts": row.attempts + 1, "tried_at": timezone.now()}
    mine = TelegramUpdate.objects.filter(pk=row.pk)
    try:
        with transaction.atomic():
            handle_stored(row, expected=row.state, error="", **tried)
    except PressRefused as refused:
        mine.update(state=State.HANDLED, error=str(refused), **tried)
    except Exception as error:
        if is_passing(error):
            raise
        logger.exception("update %s could not be handled again", row.update_id)
        mine.update(state=State.FAILED, error=reason_of(error), **tried)
        return reason_of(error)
    return ""


def stranded_handle(*, limit: int = 100) -> int:
    """Handle what was stored and never handled: there is none unless rows were put back by hand. Returns how many."""
    old = TelegramUpdate.objects.filter(state=State.STORED, received_at__lt=timezone.now() - STRANDED_AFTER)
    found = list(old.order_by("received_at")[:limit])
    for row in found:
        try:
            update_retry(update=row, actor="system")
        except AgentError as error:
            logger.warning("update %s: %s", row.update_id, error)
    return len(found)


def dead_updates() -> QuerySet[TelegramUpdate]:
    """The newest first."""
    return TelegramUpdate.objects.filter(state=State.FAILED)


def _describe(row: TelegramUpdate) -> DeadLetter:
    origin = payloads.origin_of(row.payload)
    return DeadLetter(
        ref=f"update:{row.pk}",
        reason=row.error,
        since=row.received_at,
        attempts=row.attempts,
        where=f"telegram {origin.chat_id}" if origin else "telegram",
        text=shorten(f"{row.kind} {_words(row)}".strip(), 200),
    )


def _words(row: TelegramUpdate) -> str:
    content = row.payload.get(row.kind) if isinstance(row.payload, dict) else None
    return str(content.get("text") or content.get("data") or "") if isinstance(content, dict) else ""


PILE = register(
    Pile(
        kind="update",
        rows=dead_updates,
        describe=_describe,
        retry=lambda row, actor: update_retry(update=row, actor=actor),
    )
)
