"""When an attempt that failed is made again, and when it is given up (docs/decisions/0010-unknown-outcomes.md)."""

from datetime import timedelta

from django.utils import timezone

from common.backoff import delay
from threads.errors import DeliveryTransient
from threads.heads import Head

QUICK_SENDS = 12
"""Within a minute or so: a fault that passes costs seconds."""
MOST_SENDS = 24
"""Of a text that may have arrived each time: with the slow ones these last longer than an hour."""
GIVE_UP_AFTER = timedelta(hours=24)
SLOW_SECONDS, SLOWEST_SECONDS = 60.0, 600.0


def wait_before_next(head: Head, error: DeliveryTransient) -> float:
    """Seconds until the next attempt: as the channel says; else with backoff, and slowly where doubles threaten."""
    if error.retry_after is not None:
        return error.retry_after
    tries = head.attempts + 1
    if not error.unknown_outcome or tries < QUICK_SENDS:
        return delay(tries)
    if error.refused or is_harmless(head):
        return delay(tries, cap=SLOW_SECONDS)
    return min(SLOW_SECONDS * 2.0 ** max(head.unknown_sends + 1 - QUICK_SENDS, 0), SLOWEST_SECONDS)


def is_doubtful(head: Head, error: DeliveryTransient) -> bool:
    """Whether this attempt counts as one that may have put a text into the chat."""
    return error.unknown_outcome and not error.refused and not is_harmless(head)


def is_hopeless(head: Head, error: DeliveryTransient) -> bool:
    """A day and many attempts; or a text that may stand in the chat too often already."""
    too_long = timezone.now() - head.created_at > GIVE_UP_AFTER and head.attempts + 1 >= QUICK_SENDS
    return too_long or (is_doubtful(head, error) and head.unknown_sends + 1 >= MOST_SENDS)


def is_harmless(head: Head) -> bool:
    """A double of an edit changes nothing, and a card's buttons are bound to its revision."""
    return head.is_edit or head.buttons != "[]"
