"""The sweep: finds whatever is due and has no worker. Wake-ups are hints; this is what makes the result sure."""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from agents.models import Run
from approvals.models import Approval
from approvals.services import approvals_expire
from common import bus, queue
from common.queue import Lane
from common.transactions import joined
from jobs.errors import IllegalMove
from jobs.models import Job
from jobs.services import execute, propose
from jobs.services.digest import outages_digest
from jobs.services.moves import job_locked, job_move
from jobs.services.outages import lapsed_end, outages_settle
from jobs.services.silence import silence_break
from jobs.services.talk import questions_due
from jobs.states import State
from ops import audit
from ops.switches import is_on
from threads.models import Delivery
from threads.notices import notices_carry
from threads.services import OUTBOX_CHANNEL

logger = logging.getLogger(__name__)
PATIENCE = timedelta(seconds=10)
"""What moved less than this ago has its wake-up still on the way."""


def sweep() -> None:
    """One pass over all that may have been forgotten. Cheap when there is nothing: partial indexes, no writes.

    A row that one part can't bear is logged, and the other parts go on; a fault of the database ends the pass.
    """
    for part in PARTS:
        try:
            part()
        except DatabaseError:
            raise
        except Exception:
            logger.exception("a part of the sweep failed: %s", part.__name__)


def _work() -> None:
    if not is_on("freeze"):
        _begin_jobs()
        _advance_runs()
        _enqueue_lost("job.question", Lane.TALK, questions_due())


def _wake_senders() -> None:
    for channel in (
        Delivery.objects.filter(state__in=Delivery.OPEN).values_list("thread__channel", flat=True).distinct()
    ):
        bus.notify(OUTBOX_CHANNEL, channel)


def _begin_jobs() -> None:
    """Queued jobs whose turn has come, and classifications whose worker is gone."""
    now = timezone.now()
    due = Job.objects.filter(
        Q(state=State.QUEUED, moved_at__lt=now - PATIENCE) & (Q(not_before=None) | Q(not_before__lte=now))
        | Q(state=State.CLASSIFYING) & (Q(lease_expires_at=None) | Q(lease_expires_at__lt=now))
    )
    _enqueue_lost("job.begin", Lane.TALK, due.order_by("pk").values_list("pk", flat=True)[:100])


def _advance_runs() -> None:
    """Runs that are ready and held by nobody."""
    now = timezone.now()
    lapsed = Q(lease_expires_at=None, created_at__lt=now - PATIENCE) | Q(lease_expires_at__lt=now)
    due = Run.objects.filter(lapsed, state=Run.State.READY, job__state__in=[State.EXECUTING, State.CANCELLED])
    _enqueue_lost("run.advance", Lane.WORK, due.order_by("pk").values_list("pk", flat=True)[:100])


def _enqueue_lost(name: str, lane: Lane, ids: Iterable[int]) -> None:
    """Hint again, but only where no earlier hint can be waiting still: a lane with a backlog needs no second one."""
    found = list(ids)
    if found and queue.backlog(lane) == 0:
        for pk in found:
            queue.enqueue(name, pk)


def _settle_runs() -> None:
    """Runs that ended or parked just before their worker died, while their job still shows them at work."""
    ended = [Run.State.DONE, Run.State.FAILED, Run.State.WAITING]
    for run in Run.objects.filter(job__state=State.EXECUTING, state__in=ended):
        execute.run_settle(run)


PARTS: tuple[Callable[[], object], ...] = (
    outages_settle,  # before all else: what is too old must not be taken up
    approvals_expire,
    notices_carry,
    _settle_runs,
    lapsed_end,
    _work,
    silence_break,
    outages_digest,
    _wake_senders,
)


@joined
def job_reopen(job: Job, *, actor: str) -> Approval | None:
    """Ask again about a job that has expired: with a new card of a new revision. Raises IllegalMove, JobBusy."""
    job = job_locked(job)
    if job.state != State.EXPIRED:
        raise IllegalMove(f"{job} has not expired; there is nothing to reopen.")
    audit.record(actor=actor, action="job reopened", subject=job.ref)
    if job.run is not None:
        return propose.calls_propose(job, actor=actor)
    job_move(job, to=State.CLASSIFYING, actor=actor, reason="Reopened.", finished_at=None)
    return propose.plan_propose(job)
