"""After an outage: what it interrupted is looked at once, before any worker goes on.

What was interrupted for longer than INTERRUPTED_WORK_HOURS is not revived: it ends as failed, says what had been done,
and offers a Retry. Cards that waited get back the time in which nobody could answer them. The rules and their reasons:
docs/decisions/0011-work-that-an-outage-interrupted.md.
"""

import logging
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Q
from django.utils import timezone

from agents.models import Run
from agents.services import run_give_up
from approvals.services import approvals_prolong
from common.errors import AgentError
from common.transactions import joined
from jobs.models import Job
from jobs.selectors import with_thread
from jobs.services import silence
from jobs.services.end import done_so_far, job_fail
from jobs.services.moves import job_locked
from jobs.states import RUNNING, State
from ops import audit
from ops.models import AuditEvent, Outage
from threads.models import Policy

logger = logging.getLogger(__name__)
SETTLED = "outage settled"


@dataclass(kw_only=True)
class Settled:
    """What an outage has done, by the numbers of jobs: at work when it began, ended because of it, offered anew."""

    interrupted: list[int] = field(default_factory=list)
    finalised: list[int] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)
    cards: int = 0


def outages_settle() -> list[Outage]:
    """Settle the outages that nobody has settled yet; returns those of which the master was not told yet."""
    fresh = list(Outage.objects.filter(digested_at=None).order_by("began_at"))
    for outage in fresh:
        _settle(outage.pk)
    return fresh


def settled_of(outage: Outage) -> Settled | None:
    """What was found when an outage was settled; None before."""
    event = AuditEvent.objects.filter(subject=f"outage:{outage.pk}", action=SETTLED).first()
    return Settled(**event.detail) if event is not None else None


@joined
def _settle(outage_id: int) -> None:
    """Once: the row's lock puts all processes that start at the same time into an order."""
    outage = Outage.objects.select_for_update().get(pk=outage_id)
    if settled_of(outage) is not None:
        return
    length = outage.ended_at - outage.began_at
    found = Settled(cards=approvals_prolong(waiting_at=outage.began_at, by=length))
    silence.put_off(until=outage.ended_at + silence.interval_after(0))
    at_work = Job.objects.filter(state__in=RUNNING, moved_at__lt=outage.ended_at)
    found.interrupted = list(at_work.order_by("pk").values_list("pk", flat=True))
    if length >= limit():
        since = f"I was down from {_stamp(outage.began_at)} to {_stamp(outage.ended_at)}"
        for job in _begun_before(outage):
            _end(job, since, found)
    audit.record(actor="system", action=SETTLED, subject=f"outage:{outage_id}", detail=asdict(found))


def _begun_before(outage: Outage) -> list[Job]:
    """What was on its way when it began; runs first, so that their threads are free for what waited behind them."""
    due = Q(state=State.EXECUTING, run__state=Run.State.READY) | Q(state__in=[State.QUEUED, State.CLASSIFYING])
    jobs = Job.objects.filter(due, moved_at__lt=outage.ended_at).select_related("thread", "run")
    return sorted(jobs, key=lambda job: (job.state != State.EXECUTING, job.pk))


def _end(job: Job, since: str, found: Settled) -> None:
    """End one job, or leave it to its card. One that can't be ended is taken up as if the outage had been short."""
    try:
        with transaction.atomic():
            seen, job = job.state, job_locked(job)  # before its run, as whoever cancels does
            if job.state != seen:
                return
            if job.run is not None:
                work_end(job, since=since)
                found.finalised.append(job.pk)
            elif not asks_first(job):
                offer(job, since=since)
                found.offered.append(job.pk)
    except AgentError as error:
        logger.warning("%s is not ended after the outage: %s", job.ref, error)


def limit() -> timedelta:
    return timedelta(hours=settings.INTERRUPTED_WORK_HOURS)


def asks_first(job: Job) -> bool:
    """Whether a card stands before whatever this job does: then the card is the offer, and nothing starts silently."""
    return (job.thread.policy or settings.APPROVAL_POLICY) != Policy.RISKY


def work_end(job: Job, *, since: str) -> Job:
    """End work that was interrupted long ago; a retry goes on from its last saved step. Raises StateConflict."""
    assert job.run is not None
    text = f"{since} while I was at this. That is long ago, so I have not gone on by myself."
    if job.run.state == Run.State.READY:
        run_give_up(run=job.run, error=text)
    return job_fail(job, error=f"{text} {done_so_far(job)}\nRetry goes on from there.")


def offer(job: Job, *, since: str) -> Job:
    """Ask before a request is taken up that has waited for so long, where no card would ask."""
    text = f"{since}, and your message has waited for all that time, so I have not begun by myself. Retry begins now."
    return job_fail(job, error=text)


def lapsed_end() -> int:
    """Work whose worker vanished long ago while others lived on (no outage was noted); returns how many jobs."""
    lapsed = Job.objects.filter(
        state=State.EXECUTING, run__state=Run.State.READY, run__lease_expires_at__lt=timezone.now() - limit()
    )
    found = Settled()
    for job in lapsed.select_related("thread", "run")[:100]:
        assert job.run is not None
        assert job.run.lease_expires_at is not None
        _end(job, f"My worker was lost at {_stamp(job.run.lease_expires_at)}", found)
    return len(found.finalised)


@joined
def late_offer(job_id: int, outages: list[Outage]) -> bool:
    """Whether a queued job was offered instead of begun: its message was written during a long outage, came in after
    it, and no card would ask. `outages` are the recent ones."""
    long = [outage for outage in outages if outage.ended_at - outage.began_at >= limit()]
    if not long:
        return False
    job = (
        Job.objects.select_for_update(of=("self",), no_key=True).filter(pk=job_id, state=State.QUEUED, run=None).first()
    )
    if job is None or asks_first(with_thread(job)):
        return False
    said_at: datetime = job.messages.aggregate(first=Min("said_at"))["first"]
    for outage in long:
        if outage.began_at <= said_at <= outage.ended_at and timezone.now() - said_at >= limit():
            offer(job, since=f"I was down from {_stamp(outage.began_at)} to {_stamp(outage.ended_at)}")
            return True
    return False


def _stamp(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"
