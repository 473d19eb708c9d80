"""What happened while the system was down, in one note to the master at the first start after it."""

from datetime import datetime, timedelta

from django.utils import timezone

from approvals.models import Approval
from common.transactions import joined
from jobs.models import Job
from jobs.services.outages import Settled, settled_of
from jobs.states import OPEN
from ops.models import Outage
from ops.notices import notice
from threads.models import Message

AFTER = timedelta(seconds=60)
"""By then what had waited at Telegram has come in, and interrupted work has found a worker."""
WORTH_TELLING = timedelta(minutes=10)


def outages_digest() -> int:
    """Tell of each outage that ended a minute ago or more; returns of how many something was told."""
    due = Outage.objects.filter(digested_at=None, ended_at__lte=timezone.now() - AFTER).order_by("began_at")
    return sum(_digest(outage.pk) for outage in due)


@joined
def _digest(outage_id: int) -> bool:
    outage = Outage.objects.select_for_update().get(pk=outage_id)
    settled = settled_of(outage)
    if outage.digested_at is not None or settled is None:
        return False
    outage.digested_at = timezone.now()
    outage.save(update_fields=["digested_at"])
    lines = what_happened(outage, settled)
    length = outage.ended_at - outage.began_at
    if not lines and length < WORTH_TELLING:
        return False
    head = f"I was down for {span(length)}, from {_stamp(outage.began_at)} to {_stamp(outage.ended_at)}."
    text = "\n".join([head, *(lines or ["Nothing came in, and nothing was interrupted."])])
    notice(kind="digest", key=f"outage:{outage_id}", text=text)
    return True


def what_happened(outage: Outage, settled: Settled) -> list[str]:
    """A line for each thing that did; empty when nothing did."""
    went_on = Job.objects.filter(pk__in=set(settled.interrupted) - set(settled.finalised))
    open_yet = went_on.filter(state__in=OPEN).count()
    told = [
        ("messages that came in meanwhile", came_in(outage)),
        ("jobs that were interrupted in the middle", len(settled.interrupted)),
        ("of these went on and have ended", went_on.count() - open_yet),
        ("of these go on now", open_yet),
        ("not taken up again, because it was too long (each offers a Retry)", len(settled.finalised)),
        ("requests that waited, offered to you instead of begun (each has a Retry)", len(settled.offered)),
        ("cards that wait on, for as long as nobody could press them", settled.cards),
        ("cards that have expired (/reopen asks again)", expired(outage)),
    ]
    return [f"- {what}: {count}" for what, count in told if count]


def came_in(outage: Outage) -> int:
    """Messages that were written while it was down. Found by number: the last one before it bounds the search."""
    before = Message.objects.filter(created_at__lt=outage.began_at).order_by("-pk").values_list("pk", flat=True).first()
    late = Message.objects.filter(pk__gt=before or 0, role=Message.Role.USER)
    return late.filter(said_at__gte=outage.began_at, said_at__lte=outage.ended_at).count()


def expired(outage: Outage) -> int:
    return Approval.objects.filter(
        state=Approval.State.EXPIRED, expires_at__gte=outage.began_at, expires_at__lte=timezone.now()
    ).count()


def span(length: timedelta) -> str:
    """A length of time in its two largest units."""
    minutes = int(length.total_seconds() // 60)
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _stamp(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"
