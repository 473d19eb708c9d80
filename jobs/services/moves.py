"""The one place where jobs change state: guarded by the table and by the database, with an event beside each move."""

from typing import Any

from django.db import IntegrityError, connection
from django.utils import timezone

from common import queue
from common.state import StateConflict, move
from common.text import shorten
from jobs.errors import IllegalMove, JobBusy
from jobs.models import Job, JobEvent
from jobs.states import MOVES, OPEN, State

SYSTEM = "system"
NEXT = "SELECT id FROM jobs_job WHERE thread_id = %s AND state = %s ORDER BY id LIMIT 1"


def job_move(
    job: Job, *, to: str, reason: str, actor: str = SYSTEM, guard: dict[str, Any] | None = None, **changes: Any
) -> Job:
    """Move a job from the state that the caller has seen, and write down who did it and why.

    `guard` names columns that must still be as given. Raises IllegalMove where the table forbids it, StateConflict
    where somebody else was faster, JobBusy where another job of the thread is running (a transaction around it is to be
    given up then). Move and event are one statement. A classification that ends gives its lease back; what waits behind
    a job that ends is woken.
    """
    before = job.state
    if to not in MOVES[before]:
        raise IllegalMove(refusal(job, to))
    now = timezone.now()
    changes["moved_at"] = now
    if to not in OPEN:
        changes["finished_at"] = now
    if before == State.CLASSIFYING:
        changes |= {"lease_owner": "", "lease_expires_at": None}
    event = JobEvent(job=job, from_state=before, to_state=to, actor=actor, reason=shorten(reason, 300))
    try:
        move(job, to=to, expected=[before], guard=guard, event=event, **changes)
    except IntegrityError:  # one_running_job_a_thread
        raise JobBusy from None
    if to not in OPEN:
        wake_next(job)
    return job


def refusal(job: Job, to: str) -> str:
    """Why a job can't be moved, for the person who tried."""
    now = State(job.state).label.lower()
    if job.state not in OPEN:
        return f"{job} has ended: it is {now}."
    return f"{job} is {now}; that can't be done to it now."


def wake_next(job: Job) -> None:
    """Ask for the next job of the thread, if one waits."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT, [job.thread_id, State.QUEUED.value])
        waiting = cursor.fetchone()
    if waiting is not None:
        queue.enqueue("job.begin", waiting[0])


def job_locked(job: Job) -> Job:
    """The job as it is now, its row locked until the transaction ends. Raises StateConflict where it is gone."""
    fresh = Job.objects.select_for_update(of=("self",), no_key=True).select_related("thread").filter(pk=job.pk)
    for row in fresh:
        return row
    raise StateConflict
