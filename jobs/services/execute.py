"""Work: a run is opened, advanced by the loop, and what it came to is written into its job."""

import logging
from typing import Any

from django.db import transaction

from agents import loop
from agents.models import Run
from agents.services import run_answer, run_open, run_retry
from budget.errors import LimitReached
from common import lease
from common.state import StateConflict
from common.transactions import joined
from jobs.models import Job
from jobs.selectors import job_of_run
from jobs.services.end import job_answer, job_fail
from jobs.services.moves import job_locked, job_move
from jobs.services.park import job_park
from jobs.services.propose import calls_propose
from jobs.services.told import Told
from jobs.services.trust import trust_of
from jobs.states import State
from llm.errors import ModelUnavailable
from tools.errors import ExecutionLost

logger = logging.getLogger(__name__)
# A hint that comes twice, or late, must not take up a run whose job waits for its next try, has failed or is closed.
AT_WORK = """
SELECT r.*, COALESCE(j.state IN ('queued', 'failed', 'dead', 'expired'), false) AS waits
FROM agents_run r LEFT JOIN jobs_job j ON j.run_id = r.id WHERE r.id = %s
"""


@joined
def job_start(job: Job, told: Told, *, permitted: list[dict[str, Any]], actor: str, reason: str, **saved: Any) -> Job:
    """Open the job's run with the calls that were signed, and set it to work. `saved`: see job_move."""
    trust = trust_of(job)
    run = run_open(
        job_ref=job.ref,
        thread_ref=f"thread:{job.thread_id}",
        person_ref=f"person:{job.person_id}",
        opening=opening(told, permitted),
        permitted_calls=permitted,
        scope=job.origin,
        tainted_by=trust.tainted_by,
        named_hosts=trust.named_hosts,
    )
    return job_move(job, to=State.EXECUTING, actor=actor, reason=reason, run=run, **saved)


def opening(told: Told, permitted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that the run's conversation begins with: what was said before, and what is asked now."""
    turns = [{"role": turn.role, "content": [{"type": "text", "text": turn.text}]} for turn in told.turns]
    asked = told.asked
    if permitted:
        commands = "\n".join(call["arguments"]["command"] for call in permitted)
        asked += f"\nThe owner has approved exactly these commands:\n{commands}"
    block = {"type": "text", "text": asked}
    if turns and turns[-1]["role"] == "user":
        return [*turns[:-1], {"role": "user", "content": [*turns[-1]["content"], block]}]
    return [*turns, {"role": "user", "content": [block]}]


@joined
def job_resume(job: Job) -> Job:
    """Let the run of a queued job go on from its last step."""
    assert job.run is not None
    job_move(job, to=State.EXECUTING, reason="Its turn has come again.", not_before=None)
    run_retry(run=job.run)
    return job


def run_advance(run_id: int) -> None:
    """The task that advances a run: one minute of it, then what it came to. Safe to repeat."""
    run = next(iter(Run.objects.raw(AT_WORK, [run_id])), None)
    if run is None or vars(run)["waits"]:
        return
    try:
        if run.state == Run.State.READY:
            run = loop.advance(run)
    except (lease.LeaseHeld, lease.LeaseLost, ExecutionLost):
        return
    except (ModelUnavailable, LimitReached) as error:
        _not_now(run, error)
        return
    run_settle(run)


def run_settle(run: Run) -> None:
    """Write into the job what its run came to; nothing where it goes on, or where that is written already."""
    job = job_of_run(run.pk)
    if job is None or job.state != State.EXECUTING:
        return
    try:
        if run.state == Run.State.DONE:
            job_answer(job, text=run.answer)
        elif run.state == Run.State.FAILED:
            job_fail(job, error=run.error)
        elif run.state == Run.State.WAITING and calls_propose(job) is None:
            run_answer(run=run, permit=[], refuse={})  # the gate no longer asks about what it had asked about
    except StateConflict:
        logger.info("%s was moved by somebody else", job.ref)


def _not_now(run: Run, error: ModelUnavailable | LimitReached) -> None:
    """A passing fault: the job waits for its next try. A spent budget: it fails. Nothing where the run was taken over
    meanwhile, or somebody has moved the job: what this worker has seen is the past then."""
    job = job_of_run(run.pk)
    if job is None:
        return
    try:
        with transaction.atomic():
            job = job_locked(job)  # before the run, as who cancels does
            lease.fence(run, run.lease_epoch)
            if job.state != State.EXECUTING:
                return
            if isinstance(error, ModelUnavailable):
                job_park(job, error=error, step=run.steps.count() + 1)
            else:
                job_fail(job, error=str(error))
    except (lease.LeaseLost, StateConflict):
        logger.info("%s was taken over or moved by somebody else", job.ref)
