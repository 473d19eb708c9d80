"""A queued job's turn: it is classified, then its plan is shown or its work begins; or its run is resumed."""

import logging
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from budget.errors import LimitReached
from common import lease, queue
from common.errors import Stopped
from common.state import StateConflict
from common.text import shorten
from common.transactions import joined
from jobs.errors import JobBusy
from jobs.models import Job
from jobs.services import execute, propose
from jobs.services.classify import classification
from jobs.services.end import job_fail
from jobs.services.moves import job_locked, job_move
from jobs.states import OPEN, State
from llm.errors import ModelRejected
from ops.models import Switch
from threads.models import Delivery, Policy
from threads.services import say

logger = logging.getLogger(__name__)
FROZEN = "Everything is frozen; I have kept your message. /resume lets me work again."
ACTING = ("command", "task")


def job_begin(job_id: int) -> None:
    """Give a queued job its turn, if it has come. Safe to repeat, and to call out of turn."""
    job = _if_its_turn(job_id)
    if job is None:
        return
    try:
        if job.run_id is not None:
            execute.job_resume(job)
            return
        with lease.held(job) as epoch:
            _classify(job, epoch)
    except (StateConflict, JobBusy, lease.LeaseHeld, lease.LeaseLost) as reason:
        logger.info("job %s is not begun here: %s", job_id, type(reason).__name__)


def _if_its_turn(job_id: int) -> Job | None:
    """The job, if nothing of its thread is before it, its time has come, and nothing is frozen. One query."""
    before_it = Q(state__in=[State.CLASSIFYING, State.EXECUTING, State.AWAITING]) | Q(pk__lt=OuterRef("pk"))
    others = Job.objects.filter(before_it, thread=OuterRef("thread"), state__in=OPEN).exclude(pk=OuterRef("pk"))
    frozen = Switch.objects.filter(name=Switch.Name.FREEZE, on=True)
    job = (
        Job.objects.filter(pk=job_id, state__in=[State.QUEUED, State.CLASSIFYING])
        .select_related("thread")
        .annotate(must_wait=Exists(others), frozen=Exists(frozen))
        .first()
    )
    if job is None or job.must_wait or (job.not_before is not None and job.not_before > timezone.now()):
        return None
    if job.frozen:
        _tell_frozen(job)
        return None
    return job


def _tell_frozen(job: Job) -> None:
    if not Delivery.objects.filter(job_ref=job.ref, text=FROZEN).exists():
        say(thread=job.thread, text=FROZEN, job_ref=job.ref)


def _classify(job: Job, epoch: int) -> None:
    """Ask the small model; where a message has joined meanwhile, the next task asks again, with both."""
    if job.state == State.QUEUED:
        job_move(job, to=State.CLASSIFYING, reason="Its turn has come.")
    try:
        found, revision = classification(job)
    except Stopped:
        _stopped(job)
    except (LimitReached, ModelRejected) as error:
        job_fail(job, error=str(error))
    else:
        if not _settle(job, epoch, found, revision):
            queue.enqueue("job.begin", job.pk)


@joined
def _stopped(job: Job) -> None:
    """Frozen: back into the queue, where the sweep finds it. Cancelled: somebody else has moved it."""
    job = job_locked(job)
    if job.state == State.CLASSIFYING:
        job_move(job, to=State.QUEUED, reason="Everything is frozen.")
        _tell_frozen(job)


@joined
def _settle(job: Job, epoch: int, found: dict[str, Any], revision: int) -> bool:
    """Ask for an OK, or start; false where a message has joined since, so that it must be classified again."""
    fresh = job_locked(job)
    if fresh.lease_epoch != epoch:
        raise lease.LeaseLost
    if fresh.state != State.CLASSIFYING:
        raise StateConflict
    if fresh.revision != revision:
        return False
    understood = {"classification": found, "intent": found["intent"], "summary": shorten(found["summary"], 300)}
    for name, value in understood.items():
        setattr(fresh, name, value)
    if wants_card(fresh):
        propose.plan_propose(fresh, **understood)
    else:
        execute.job_start(fresh, permitted=[], actor="system", reason="The policy asks for no OK.", **understood)
    job.lease_expires_at = fresh.lease_expires_at  # given back by the move
    return True


def wants_card(job: Job) -> bool:
    """Whether the thread's policy asks for an OK before this job starts."""
    policy = job.thread.policy or settings.APPROVAL_POLICY
    if policy == Policy.ACTIONS:
        found = job.classification
        return bool(found["needs_confirmation"] or found["commands"] or found["intent"] in ACTING)
    return bool(policy == Policy.EVERY_JOB)
