"""The jobs that have failed, after all tries or at once, and wait for a person: Retry, or leave it."""

from django.db.models import QuerySet

from common.dead_letters import DeadLetter, Pile, register
from jobs.models import Job
from jobs.services.end import job_retry
from jobs.states import State


def dead_jobs() -> QuerySet[Job]:
    """The newest first. Who leaves a job as it is takes it from here: it is given up then, which is final."""
    return Job.objects.filter(state=State.FAILED).select_related("thread")


def _describe(row: Job) -> DeadLetter:
    return DeadLetter(
        ref=row.ref,
        reason=row.cause or row.error,
        since=row.moved_at,
        attempts=row.attempts + 1,
        where=str(row.thread),
        text=row.summary or "not understood yet",
    )


PILE = register(
    Pile(
        kind="job",
        rows=dead_jobs,
        describe=_describe,
        retry=lambda row, actor: job_retry(row, actor=actor),
        reason="cause",
    )
)
