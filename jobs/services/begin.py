"""A queued job's turn: it is classified, then its plan is shown or its work begins; or its run is resumed."""

import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from budget.errors import LimitReached
from common import lease, queue
from common.errors import Stopped
from common.state import StateConflict
from common.text import shorten
from common.transactions import joined
from jobs.errors import JobBusy
from jobs.models import Job
from jobs.selectors import with_thread
from jobs.services import execute, propose
from jobs.services.classify import classification, safe_default
from jobs.services.end import job_fail
from jobs.services.moves import SYSTEM, job_locked, job_move
from jobs.services.park import CLASSIFICATION, job_park, was_silent_before
from jobs.services.told import Told, told_of
from jobs.states import State
from llm.errors import ModelRejected, ModelUnavailable
from threads.models import Delivery, Policy
from threads.services import say

logger = logging.getLogger(__name__)
FROZEN = "Everything is frozen; I have kept your message. /resume lets me work again."
ACTING = ("command", "task")
# Written out: this is asked for every message, and the ORM takes longer to put it together than the database to answer.
TURN = """
SELECT j.*, EXISTS (SELECT 1 FROM ops_switch s WHERE s.name = 'freeze' AND s."on") AS frozen, EXISTS (
    SELECT 1 FROM jobs_job o WHERE o.thread_id = j.thread_id AND o.id <> j.id AND (
        o.state IN ('classifying', 'executing', 'awaiting_approval') OR o.state = 'queued' AND o.id < j.id)
) AS must_wait
FROM jobs_job j WHERE j.id = %s AND j.state IN ('queued', 'classifying')
"""


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
    job = next(iter(Job.objects.raw(TURN, [job_id])), None)
    if job is None or vars(job)["must_wait"] or (job.not_before is not None and job.not_before > timezone.now()):
        return None
    if vars(job)["frozen"]:
        _tell_frozen(job)
        return None
    return with_thread(job)


def _tell_frozen(job: Job) -> None:
    if not Delivery.objects.filter(job_ref=job.ref, text=FROZEN).exists():
        say(thread=job.thread, text=FROZEN, job_ref=job.ref)


def _classify(job: Job, epoch: int) -> None:
    """Ask the small model; where a message has joined meanwhile, the next task asks again, with both."""
    if job.state == State.QUEUED:
        job_move(job, to=State.CLASSIFYING, reason="Its turn has come.", relaxed=True)
    told, mine = told_of(job), {"lease_epoch": epoch}
    try:
        found = classification(job, told)
    except Stopped:
        _stopped(job, epoch)
        return
    except ModelUnavailable as error:
        if not was_silent_before(job, error):
            job_park(job, error=error, step=CLASSIFICATION, guard=mine)
            return
        found = safe_default(told)
    except (LimitReached, ModelRejected) as error:
        job_fail(job, error=str(error), guard=mine)
        return
    try:
        _settle(job, epoch, found, told)
    except StateConflict:  # a message has joined, or somebody has cancelled
        queue.enqueue("job.begin", job.pk)


@joined
def _stopped(job: Job, epoch: int) -> None:
    """Frozen: back into the queue, where the sweep finds it. Cancelled, or taken over: somebody else has moved it."""
    job = job_locked(job)
    if job.state == State.CLASSIFYING and job.lease_epoch == epoch:
        job_move(job, to=State.QUEUED, reason="Everything is frozen.")
        _tell_frozen(job)


@transaction.atomic
def _settle(job: Job, epoch: int, found: dict[str, Any], told: Told) -> None:
    """Ask for an OK, or start. Raises StateConflict, and nothing is done, where a message has joined meanwhile."""
    understood = {"classification": found, "intent": found["intent"], "summary": shorten(found["summary"], 300)}
    for name, value in understood.items():
        setattr(job, name, value)
    guard = {"revision": told.revision, "lease_epoch": epoch}
    if wants_card(job):
        propose.plan_propose(job, guard=guard, **understood)
    else:
        reason = "The policy asks for no OK."
        execute.job_start(job, told, permitted=[], actor=SYSTEM, reason=reason, guard=guard, **understood)


def wants_card(job: Job) -> bool:
    """Whether the thread's policy asks for an OK before this job starts."""
    policy = job.thread.policy or settings.APPROVAL_POLICY
    if policy == Policy.ACTIONS:
        found = job.classification
        return bool(found["needs_confirmation"] or found["commands"] or found["intent"] in ACTING)
    return bool(policy == Policy.EVERY_JOB)
