"""Carries deliveries to their channel: in order per chat, within its rates, each outcome written down.

One process a channel does this (`sender_lock`); `tick` is one unit of it.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from common.backoff import delay
from common.text import redact
from threads.buckets import Buckets
from threads.channels import Channel, Outgoing
from threads.errors import DeliveryPermanent, DeliveryTransient
from threads.heads import Head, heads_of
from threads.models import Delivery

State = Delivery.State
BATCH = 32
GIVE_UP_AFTER = timedelta(hours=24)
MOST_SENDS = 12
"""Of a text whose outcome stays unknown: about a minute of an outage that answers 5xx or cuts connections."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """How many deliveries were carried, and in how many seconds the next one may go (None: nothing waits)."""

    carried: int
    next_in: float | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one attempt."""

    head: Head
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
    for outcome in each(lambda head: _attempt(channel, head), claimed):
        _record(outcome)
    return Tick(carried=len(claimed), next_in=next_in)


def _claim(channel: Channel) -> tuple[list[Head], float | None]:
    """The heads of the chats' queues that may go now, marked as being sent; and the wait for the next one."""
    heads = heads_of(channel.name)
    if not heads:
        return [], None
    now = timezone.now()
    buckets = Buckets(channel=channel, addresses=[head.address for head in heads], now=now)
    claimed: list[Head] = []
    waits: list[float] = []
    for head in heads:
        wait = max(_seconds_until(head.not_before, now), buckets.wait(head.address))
        if wait > 0 or len(claimed) >= BATCH:
            waits.append(wait)
            continue
        buckets.take(head.address)
        claimed.append(head)
    if claimed:
        _mark_sending(claimed, buckets)
    return claimed, min(waits, default=None)


SENDING = """
UPDATE threads_delivery SET state = 'sending', attempts = attempts + 1, sending_at = now(),
    repeated = repeated OR state = 'unknown'
WHERE id = ANY(%s)
"""
SENT = """
WITH sent AS (
    UPDATE threads_delivery SET state = 'sent', external_id = %(external_id)s, sent_at = now(), error = ''
    WHERE id = %(id)s AND state = 'sending' RETURNING message_id, kind
)
UPDATE threads_message m SET external_id = %(external_id)s FROM sent
WHERE m.id = sent.message_id AND m.external_id = '' AND sent.kind = 'send'
"""


def _mark_sending(claimed: list[Head], buckets: Buckets) -> None:
    """Write the intent before the effect; a delivery whose last outcome is unknown goes out as a repetition.

    Tokens are taken first: a kill in between loses a second of the rate, never a limit.
    """
    buckets.save()
    with connection.cursor() as cursor:
        cursor.execute(SENDING, [[head.id for head in claimed]])


def _attempt(channel: Channel, head: Head) -> Outcome:
    """One call to the outside; touches no row."""
    if head.is_edit and not head.edited_id:
        return Outcome(head=head, error=DeliveryPermanent("What this was to edit was never sent."))
    outgoing = Outgoing(
        address=head.address,
        topic=head.topic,
        text=head.text,
        buttons=head.buttons,
        approval_id=head.approval_id,
        revision=head.revision,
        external_id=head.edited_id,
    )
    try:
        if head.is_edit:
            channel.edit(outgoing)
            return Outcome(head=head, external_id=head.edited_id)
        return Outcome(head=head, external_id=channel.send(outgoing))
    except (DeliveryTransient, DeliveryPermanent) as error:
        return Outcome(head=head, error=error)


def _record(outcome: Outcome) -> None:
    """Write down what came of it, in one statement; a sent answer gives its message the channel's id."""
    head, error = outcome.head, outcome.error
    if error is None:
        with connection.cursor() as cursor:
            cursor.execute(SENT, {"id": head.id, "external_id": outcome.external_id})
        return
    mine = Delivery.objects.filter(pk=head.id, state=State.SENDING)
    if isinstance(error, DeliveryPermanent) or _hopeless(head, error):
        mine.update(state=State.FAILED, error=redact(str(error)))
    else:
        wait = error.retry_after if error.retry_after is not None else delay(head.attempts + 1)
        mine.update(
            state=State.UNKNOWN if error.unknown_outcome else State.QUEUED,
            not_before=timezone.now() + timedelta(seconds=wait),
            error=redact(str(error)),
        )


def _hopeless(head: Head, error: DeliveryTransient) -> bool:
    """A day of trying; or a text that may have arrived too often already. A card or an edit that arrives twice does no
    harm, and a 502 or a cut seldom comes alone: one unknown outcome after another is no reason for a silence."""
    harmless = head.is_edit or bool(head.buttons)
    too_often = error.unknown_outcome and not harmless and head.attempts + 1 >= MOST_SENDS
    return too_often or timezone.now() - head.created_at > GIVE_UP_AFTER


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return (moment - now).total_seconds() if moment else 0.0
