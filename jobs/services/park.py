"""A job that a passing fault has stopped: back into the queue until its next try. It occupies no worker meanwhile."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from common import queue
from common.text import shorten
from common.transactions import joined
from jobs.models import Job
from jobs.services.end import job_fail
from jobs.services.moves import job_move
from jobs.states import State
from llm import retries
from llm.errors import Cause, ModelUnavailable
from llm.retries import GivenUp
from threads.models import Delivery
from threads.services import say

WORTH_TELLING = 20.0
"""Seconds that a person is left without a word about a fault."""
HINT_WITHIN = 60.0
"""A shorter wait gets a wake-up of its own; a longer one is found by the sweep."""
SLACK = 0.1
MOST_ATTEMPTS = 100
"""Passing faults that one job is worth, whatever it got done in between; a retry by hand starts anew."""
CLASSIFICATION = 0


@joined
def job_park(job: Job, *, error: ModelUnavailable, step: int, guard: dict[str, Any] | None = None) -> Job:
    """Try again later, or fail in words where it was tried often enough. `step`: which one could not be done.

    What was counted is forgotten when the work has got further since. Raises StateConflict where `guard` (see job_move)
    no longer holds.
    """
    now = timezone.now()
    same = job.failing_step == step and job.failing_since is not None
    failures = {**job.failures} if same else {}
    since: datetime = job.failing_since if same and job.failing_since else now
    failures[error.cause] = failures.get(error.cause, 0) + 1
    lasting = (now - since).total_seconds()
    try:
        wait = _wait(job, error, failures, lasting)
    except GivenUp as given_up:
        return job_fail(job, error=str(given_up), cause=cause_of(error), guard=guard)
    until = now + timedelta(seconds=wait)
    tells = not (same and job.wait_told) and lasting + wait > WORTH_TELLING
    job_move(
        job,
        to=State.QUEUED,
        reason=f"Trying again in {wait:.0f} s: {error}",
        guard=guard,
        attempts=job.attempts + 1,
        failures=failures,
        failing_since=since,
        failing_step=step,
        wait_told=(same and job.wait_told) or tells,
        not_before=until,
    )
    if tells:
        _tell(job, error, until)
    if wait <= HINT_WITHIN:
        queue.enqueue("job.begin", job.pk, after=wait + SLACK)
    return job


def _wait(job: Job, error: ModelUnavailable, failures: dict[str, int], lasting: float) -> float:
    if job.attempts + 1 >= MOST_ATTEMPTS:
        raise GivenUp(f"{error} Faults like this have stopped the job {job.attempts + 1} times. Retry tries again.")
    return retries.wait_before_next(error, failures=failures, lasting=lasting)


def was_silent_before(job: Job, error: ModelUnavailable) -> bool:
    """Whether the small model has not answered a job within its thirty seconds for the second time: it is slow, not
    away, and the work can do without it."""
    again = job.failing_since is not None and job.failing_step == CLASSIFICATION
    return again and error.cause == Cause.SILENT and job.failures.get(Cause.SILENT, 0) > 0


def cause_of(error: ModelUnavailable) -> str:
    """How the failures of a model are grouped in the list of dead letters."""
    return f"The model: {error.cause}"


def _tell(job: Job, error: ModelUnavailable, until: datetime) -> None:
    """Once in a row of failures: what is the matter, and that nobody needs to do anything."""
    what = f"Job {job.pk} ({shorten(job.summary, 60)})" if job.summary else "Your message"
    at = timezone.localtime(until).strftime("%H:%M:%S")
    text = f"{what} has to wait. {error} I try again by myself, next at {at}."
    say(thread=job.thread, text=text, job_ref=job.ref, purpose=Delivery.Purpose.PROGRESS)
