"""What is left out of a backlog: what something newer has overtaken, and notices that have grown old together.

Answers and cards are never left out. Nothing is deleted: the rows end as superseded, and say by what.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from common.rows import insert
from common.text import shorten
from common.transactions import joined
from threads.heads import Head
from threads.models import Delivery, Thread

State, Purpose = Delivery.State, Delivery.Purpose
PASSING = (Purpose.NOTICE, Purpose.PROGRESS)
OVERTAKEN = "Not sent: something newer said it all by then."
COLLAPSED = "Not sent by itself: it had waited so long that it became part of one note, delivery {}."
BEGINNING = "This chat could not be reached for a while: "
SHOWN = 5


def supersede(heads: Collection[Head]) -> int:
    """End what was overtaken while it waited; returns how many."""
    waiting = Delivery.objects.filter(pk__in=[head.id for head in heads], state__in=(State.QUEUED, State.UNKNOWN))
    return waiting.update(state=State.SUPERSEDED, error=OVERTAKEN)


def is_stale(head: Head) -> bool:
    """Whether a head is a notice or progress that has waited for longer than STALE_NOTICE_MINUTES."""
    return head.purpose in PASSING and head.created_at < _stale_before()


@joined
def collapse(thread_id: int) -> Delivery | None:
    """Put a thread's stale notices and progress into one note at the end of its queue. One alone is left as it is."""
    stale = list(
        Delivery.objects.select_for_update(no_key=True)
        .filter(
            thread_id=thread_id,
            state__in=(State.QUEUED, State.UNKNOWN),
            purpose__in=PASSING,
            created_at__lt=_stale_before(),
        )
        .order_by("pk")
    )
    if len(stale) < 2:
        return None
    note = Delivery(thread=Thread(pk=thread_id), purpose=Purpose.NOTICE, text=_note(thread_id, stale))
    insert(note)
    rows = Delivery.objects.filter(pk__in=[row.pk for row in stale])
    rows.update(state=State.SUPERSEDED, error=COLLAPSED.format(note.pk))
    return note


def _note(thread_id: int, stale: list[Delivery]) -> str:
    """How many there were since something last went out, with the first line of the latest of them."""
    single = [row for row in stale if not row.text.startswith(BEGINNING)]
    count = len(single) + _collapsed_before(thread_id)
    lines = [f"- {shorten(row.text.partition(chr(10))[0], 200)}" for row in single[-SHOWN:]]
    more = f" The latest {len(lines)}:" if count > len(lines) else ""
    return "\n".join([f"{BEGINNING}{count} older notes are not sent one by one.{more}", *lines, "The admin keeps all."])


def _collapsed_before(thread_id: int) -> int:
    """What an earlier note had counted that was never sent itself."""
    notes = Delivery.objects.filter(thread_id=thread_id, state=State.SUPERSEDED, purpose__in=PASSING)
    last_sent = Delivery.objects.filter(thread_id=thread_id, state=State.SENT).aggregate(at=Max("sent_at"))["at"]
    if last_sent is not None:
        notes = notes.filter(created_at__gt=last_sent)
    return notes.exclude(text__startswith=BEGINNING).exclude(error=OVERTAKEN).count()


def _stale_before() -> datetime:
    return timezone.now() - timedelta(minutes=settings.STALE_NOTICE_MINUTES)
