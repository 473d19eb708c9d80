"""The one place where jobs change state: guarded by the table and by the database, with an event beside each move."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from common import queue
from common.state import StateConflict, move
from common.text import shorten
from common.transactions import joined
from jobs.errors import IllegalMove, JobBusy
from jobs.models import Job, JobEvent
from jobs.states import MOVES, OPEN, RUNNING, State

SYSTEM = "system"


@joined
def job_move(job: Job, *, to: str, reason: str, actor: str = SYSTEM, **changes: Any) -> Job:
    """Move a job from the state that the caller has seen, and write down who did it and why.

    Raises IllegalMove where the table forbids it, StateConflict where somebody else was faster, JobBusy where another
    job of the thread is running. What waits behind a job that ends is woken.
    """
    before = job.state
    if to not in MOVES[before]:
        raise IllegalMove(refusal(job, to))
    now = timezone.now()
    if to not in OPEN:
        changes["finished_at"] = now
    if to in RUNNING and before not in RUNNING:
        _take_turn(job, to=to, before=before, moved_at=now, **changes)
    else:
        move(job, to=to, expected=[before], moved_at=now, **changes)
    JobEvent.objects.create(job=job, from_state=before, to_state=to, actor=actor, reason=shorten(reason, 300))
    if to not in OPEN:
        wake_next(job)
    return job


def refusal(job: Job, to: str) -> str:
    """Why a job can't be moved, for the person who tried."""
    now = State(job.state).label.lower()
    return (
        f"{job} has ended: it is {now}." if job.state not in OPEN else f"{job} is {now}, not {State(to).label.lower()}."
    )


def _take_turn(job: Job, *, to: str, before: str, **changes: Any) -> None:
    """A move that the index one_running_job_a_thread may refuse; with a savepoint, so that the caller can go on."""
    try:
        with transaction.atomic():
            move(job, to=to, expected=[before], **changes)
    except IntegrityError:
        raise JobBusy from None


def wake_next(job: Job) -> None:
    """Ask for the next job of the thread, if one waits."""
    waiting = (
        Job.objects.filter(thread_id=job.thread_id, state=State.QUEUED).order_by("pk").values_list("pk", flat=True)
    )
    for pk in waiting[:1]:
        queue.enqueue("job.begin", pk)


def job_locked(job: Job) -> Job:
    """The job as it is now, its row locked until the transaction ends. Raises StateConflict where it is gone."""
    fresh = Job.objects.select_for_update(of=("self",)).select_related("thread", "person", "run").filter(pk=job.pk)
    for row in fresh:
        return row
    raise StateConflict
