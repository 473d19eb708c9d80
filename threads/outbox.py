"""Carries deliveries to their channel: in order per chat, within its rates, each outcome written down.

One process a channel does this (`sender_lock`); `tick` is one unit of it. Each chat proceeds on its own: what a channel
answers slowly stays in flight over several ticks, and only its own chat waits for it.
"""

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.utils import timezone

from common.text import redact
from common.transactions import joined
from ops.models import Notice
from ops.notices import notice
from threads import backlog
from threads.attempt import Outcome, attempt
from threads.buckets import Buckets
from threads.channels import Channel
from threads.errors import DeliveryPermanent, DeliveryTransient
from threads.heads import Head, heads_of
from threads.models import Delivery
from threads.repetition import is_doubtful, is_hopeless, wait_before_next

logger = logging.getLogger(__name__)
State, Purpose = Delivery.State, Delivery.Purpose
BATCH = 32
AT_ONCE_SECONDS = 0.02
"""So long a tick waits for what it has sent: most channels have answered by then, and nobody else has waited."""
LOOK_SECONDS, LOOK_MOST_SECONDS = 0.005, 0.1
DRAIN_SECONDS = 8.0


@dataclass(frozen=True, kw_only=True)
class Tick:
    """How many deliveries were carried, and in how many seconds the next look is due (None: nothing waits)."""

    carried: int
    next_in: float | None


@contextmanager
def sender_lock(channel: str) -> Iterator[bool]:
    """Whether this process may send for the channel: held by one database session at a time, freed by its death.

    What is in flight at the end of the block is waited for and written down first, as far as that takes 8 s.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('outbox:' || %s))", [channel])
        mine = bool(cursor.fetchone()[0])
        try:
            yield mine
        finally:
            if mine and connection.is_usable():
                _carrier(channel).drain()
                cursor.execute("SELECT pg_advisory_unlock(hashtext('outbox:' || %s))", [channel])


def outbox_recover(channel: str) -> int:
    """Mark what a dead sender left in flight as unknown; to be called by who has just got the sender's lock.

    What this process itself has in flight, from before it lost the database, is none of that: its outcome comes.
    """
    left = Delivery.objects.filter(thread__channel=channel, state=State.SENDING)
    return left.exclude(pk__in=_carrier(channel).ids()).update(state=State.UNKNOWN)


def tick(channel: Channel, pool: Executor) -> Tick:
    """Write down what was answered, send whatever may go now, at most one delivery a chat."""
    return _carrier(channel.name).tick(channel, pool)


class Carrier:
    """What this process has in flight on one channel. Only the sending thread touches it, and the database."""

    def __init__(self) -> None:
        self._in_flight: dict[Future[Outcome], Head] = {}
        self._since = 0.0

    def ids(self) -> list[int]:
        return [head.id for head in self._in_flight.values()]

    def tick(self, channel: Channel, pool: Executor) -> Tick:
        late = self._write_down(0)
        busy = {head.thread_id for head in self._in_flight.values()}
        claimed, next_in = _claim(channel, busy=busy, room=BATCH - len(busy))
        for head in claimed:
            self._in_flight[pool.submit(attempt, channel, head)] = head
        if claimed:
            self._since = time.monotonic()
            self._write_down(AT_ONCE_SECONDS)
        return Tick(carried=len(claimed) + late, next_in=self._next_look(next_in))

    def drain(self) -> None:
        """Wait for what is in flight, and write it down."""
        until = time.monotonic() + DRAIN_SECONDS
        try:
            while self._in_flight and (left := until - time.monotonic()) > 0:
                self._write_down(left)
        except DatabaseError as error:
            logger.warning("what was in flight could not be written down: %s", str(error).strip())

    def _write_down(self, seconds: float) -> int:
        """Record what is answered within that time; how many. What could not be recorded is recorded next time."""
        if not self._in_flight:
            return 0
        done, _ = wait(self._in_flight, timeout=seconds)
        for future in done:
            _record(future.result())
            del self._in_flight[future]
        return len(done)

    def _next_look(self, next_in: float | None) -> float | None:
        """While something is in flight: after a quarter of the time that it has taken so far."""
        if not self._in_flight:
            return next_in
        look = min(max((time.monotonic() - self._since) / 4, LOOK_SECONDS), LOOK_MOST_SECONDS)
        return look if next_in is None else min(look, next_in)


_carriers: dict[tuple[int, str], Carrier] = {}


def _carrier(channel: str) -> Carrier:
    """Keyed by pid: a fork has none of its parent's threads."""
    return _carriers.setdefault((os.getpid(), channel), Carrier())


def _claim(channel: Channel, *, busy: set[int], room: int) -> tuple[list[Head], float | None]:
    """The heads of the queues that may go now, marked as being sent; and the wait for the next one. `busy` threads
    have something in flight."""
    heads = [head for head in _heads_tidied(channel.name, busy) if head.state != State.SENDING]
    if not heads:
        return [], None
    now = timezone.now()
    buckets = Buckets(channel=channel, addresses=[head.address for head in heads], now=now)
    claimed: list[Head] = []
    waits: list[float] = []
    for head in heads:
        # Progress leaves a token in the bucket, so that the answer that follows it need not wait for one.
        spare = 1 if head.purpose == Purpose.PROGRESS else 0
        pause = max(_seconds_until(head.not_before, now), buckets.wait(head.address, spare=spare))
        if pause > 0:
            waits.append(pause)
        elif len(claimed) < room:  # else it is looked at when something in flight has come back
            buckets.take(head.address)
            claimed.append(head)
    if claimed:
        _mark_sending(claimed, buckets)
    return claimed, min(waits, default=None)


def _heads_tidied(channel: str, busy: set[int]) -> list[Head]:
    """The heads, after what was overtaken or has grown stale is out of the way. Mostly nothing is: then one query."""
    heads = heads_of(channel, busy=busy)
    overtaken = [head for head in heads if head.is_overtaken and head.state != State.SENDING]
    stale = {head.thread_id for head in heads if backlog.is_stale(head) and not head.is_overtaken}
    changed = backlog.supersede(overtaken) if overtaken else 0
    changed += sum(backlog.collapse(thread_id) is not None for thread_id in stale)
    return _heads_tidied(channel, busy) if changed else heads


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


def _record(outcome: Outcome) -> None:
    """Write down what came of it, in one statement; a sent answer gives its message the channel's id."""
    head, error = outcome.head, outcome.error
    if error is None:
        with connection.cursor() as cursor:
            cursor.execute(SENT, {"id": head.id, "external_id": outcome.external_id})
    elif isinstance(error, DeliveryPermanent) or is_hopeless(head, error):
        _bury(head, error)
    else:
        Delivery.objects.filter(pk=head.id, state=State.SENDING).update(
            state=State.UNKNOWN if error.unknown_outcome else State.QUEUED,
            unknown_sends=head.unknown_sends + is_doubtful(head, error),
            not_before=timezone.now() + timedelta(seconds=wait_before_next(head, error)),
            error=redact(str(error)),
        )


@joined
def _bury(head: Head, error: DeliveryPermanent | DeliveryTransient) -> None:
    """A dead letter: it keeps its text, can be sent again, and the master is told (not of a notice: that would turn in
    a circle where his own chat is the broken one)."""
    reason = redact(str(error))
    found = Delivery.objects.filter(pk=head.id, state=State.SENDING)
    doubtful = isinstance(error, DeliveryTransient) and is_doubtful(head, error)
    unknown_sends = head.unknown_sends + doubtful
    if found.update(state=State.FAILED, error=reason, unknown_sends=unknown_sends) and head.purpose != Purpose.NOTICE:
        text = (
            f"Something could not be said in the chat {head.address}: {reason} The admin lists it under dead letters."
        )
        notice(kind="dead letter", key=f"thread:{head.thread_id}", text=text, severity=Notice.Severity.WARNING)


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return (moment - now).total_seconds() if moment else 0.0
