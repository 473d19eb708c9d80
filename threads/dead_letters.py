"""The deliveries that could not be sent and have not been sent again."""

from django.db.models import QuerySet

from common.dead_letters import DeadLetter, Pile, register
from common.text import shorten
from threads.models import Delivery
from threads.services import delivery_resend


def dead_deliveries() -> QuerySet[Delivery]:
    """The newest first. A failed delivery with a copy is no dead letter any more: the copy speaks for it."""
    return Delivery.objects.filter(state=Delivery.State.FAILED, copies=None).select_related("thread")


def _describe(row: Delivery) -> DeadLetter:
    return DeadLetter(
        ref=f"delivery:{row.pk}",
        reason=row.error,
        since=row.created_at,
        attempts=row.attempts,
        where=str(row.thread),
        text=shorten(row.text, 200),
    )


PILE = register(
    Pile(
        kind="delivery",
        rows=dead_deliveries,
        describe=_describe,
        retry=lambda row, actor: delivery_resend(delivery=row, actor=actor),
    )
)
