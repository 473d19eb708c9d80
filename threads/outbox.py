"""Carries deliveries to their channel: in order per chat, within its rates, each outcome written down.

One process a channel does this (`sender_lock`); `tick` is one unit of it.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F
from django.db.models.expressions import RawSQL
from django.utils import timezone

from common.backoff import delay
from common.text import redact
from common.transactions import joined
from threads.buckets import Buckets
from threads.channels import Channel, Outgoing
from threads.errors import DeliveryPermanent, DeliveryTransient
from threads.models import Delivery

State = Delivery.State
BATCH = 32
GIVE_UP_AFTER = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Tick:
    """How many deliveries were carried, and in how many seconds the next one may go (None: nothing waits)."""

    carried: int
    next_in: float | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one attempt."""

    delivery: Delivery
    external_id: str = ""
    error: DeliveryTransient | DeliveryPermanent | None = None


@contextmanager
def sender_lock(channel: str) -> Iterator[bool]:
    """Whether this process may send for the channel: held by one database session at a time, freed by its death."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('outbox:' || %s))", [channel])
        mine = bool(cursor.fetchone()[0])
        try:
            yield mine
        finally:
            if mine and connection.is_usable():
                cursor.execute("SELECT pg_advisory_unlock(hashtext('outbox:' || %s))", [channel])


def outbox_recover(channel: str) -> int:
    """Mark what a dead sender left in flight as unknown; to be called by who has just got the sender's lock."""
    left = Delivery.objects.filter(thread__channel=channel, state=State.SENDING)
    return left.update(state=State.UNKNOWN)


def tick(channel: Channel, pool: Executor) -> Tick:
    """Send whatever may go now, at most one delivery a chat."""
    claimed, next_in = _claim(channel)
    each = map if len(claimed) < 2 else pool.map  # one alone is not worth a change of threads
    for outcome in each(lambda delivery: _attempt(channel, delivery), claimed):
        _record(outcome)
    return Tick(carried=len(claimed), next_in=next_in)


@joined
def _claim(channel: Channel) -> tuple[list[Delivery], float | None]:
    """The heads of the chats' queues that may go now, marked as being sent; and the wait for the next one."""
    heads = list(_heads(channel.name))
    if not heads:
        return [], None
    now = timezone.now()
    buckets = Buckets(channel=channel, addresses=[head.thread.address for head in heads], now=now)
    claimed: list[Delivery] = []
    waits: list[float] = []
    for head in heads:
        wait = max(_seconds_until(head.not_before, now), buckets.wait(head.thread.address))
        if wait > 0 or len(claimed) >= BATCH:
            waits.append(wait)
            continue
        buckets.take(head.thread.address)
        claimed.append(head)
    buckets.save()
    _mark_sending(claimed)
    return claimed, min(waits, default=None)


HEADS = """
SELECT DISTINCT ON (d.thread_id) d.id FROM threads_delivery d JOIN threads_thread t ON t.id = d.thread_id
WHERE d.state IN ('queued', 'sending', 'unknown') AND t.channel = %s ORDER BY d.thread_id, d.id
"""


SENT = """
WITH sent AS (
    UPDATE threads_delivery SET state = 'sent', external_id = %(external_id)s, sent_at = now(), error = ''
    WHERE id = %(id)s AND state = 'sending' RETURNING message_id, kind
)
UPDATE threads_message m SET external_id = %(external_id)s FROM sent
WHERE m.id = sent.message_id AND m.external_id = '' AND sent.kind = 'send'
"""


def _heads(channel: str) -> list[Delivery]:
    """The oldest open delivery of each thread, longest waiting first, so that no chat starves another."""
    heads = Delivery.objects.filter(pk__in=RawSQL(HEADS, [channel]))
    return list(heads.select_related("thread", "edits", "approval").order_by("pk"))


def _mark_sending(claimed: list[Delivery]) -> None:
    """Write the intent before the effect; a delivery whose last outcome is unknown goes out as a repetition."""
    repeats = [row.pk for row in claimed if row.state == State.UNKNOWN]
    if repeats:
        Delivery.objects.filter(pk__in=repeats).update(repeated=True)
    if claimed:
        Delivery.objects.filter(pk__in=[row.pk for row in claimed]).update(
            state=State.SENDING, attempts=F("attempts") + 1, sending_at=timezone.now()
        )


def _attempt(channel: Channel, delivery: Delivery) -> Outcome:
    """One call to the outside; touches no row."""
    edits = delivery.edits
    if edits is not None and not edits.external_id:
        return Outcome(delivery=delivery, error=DeliveryPermanent("What this was to edit was never sent."))
    outgoing = Outgoing(
        address=delivery.thread.address,
        topic=delivery.thread.topic,
        text=delivery.text,
        buttons=[(word, label) for word, label in delivery.buttons],
        approval_id=delivery.approval_id,
        revision=delivery.approval.revision if delivery.approval else 0,
        external_id=edits.external_id if edits else "",
    )
    try:
        if edits is not None:
            channel.edit(outgoing)
            return Outcome(delivery=delivery, external_id=edits.external_id)
        return Outcome(delivery=delivery, external_id=channel.send(outgoing))
    except (DeliveryTransient, DeliveryPermanent) as error:
        return Outcome(delivery=delivery, error=error)


def _record(outcome: Outcome) -> None:
    """Write down what came of it, in one statement; a sent answer gives its message the channel's id."""
    row, error = outcome.delivery, outcome.error
    mine = Delivery.objects.filter(pk=row.pk, state=State.SENDING)
    if error is None:
        with connection.cursor() as cursor:
            cursor.execute(SENT, {"id": row.pk, "external_id": outcome.external_id})
    elif isinstance(error, DeliveryPermanent) or _hopeless(row, error):
        mine.update(state=State.FAILED, error=redact(str(error)))
    else:
        wait = error.retry_after if error.retry_after is not None else delay(row.attempts)
        mine.update(
            state=State.UNKNOWN if error.unknown_outcome else State.QUEUED,
            not_before=timezone.now() + timedelta(seconds=wait),
            error=redact(str(error)),
        )


def _hopeless(row: Delivery, error: DeliveryTransient) -> bool:
    """A second unknown outcome (a third send would be one too many), or a day of trying."""
    twice_unknown = error.unknown_outcome and (row.repeated or row.state == State.UNKNOWN)
    return twice_unknown or timezone.now() - row.created_at > GIVE_UP_AFTER


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return (moment - now).total_seconds() if moment else 0.0
