"""How a job ends: answered, failed in words, cancelled with a list of what was done."""

from datetime import timedelta

from django.utils import timezone

from agents.services import run_stop
from approvals.models import Approval
from approvals.services import approval_ask, approvals_supersede
from common import queue
from common.rows import insert
from common.text import redact, shorten
from common.transactions import joined
from jobs.models import Job
from jobs.services.moves import job_locked, job_move
from jobs.states import OPEN, State
from threads.models import Message
from threads.services import card_close, say
from tools.models import ToolExecution

RETRY_CHOICES = [("retry", "Retry"), ("cancel", "Leave it")]


@joined
def job_answer(job: Job, *, text: str) -> Job:
    """The run is done: its answer goes into the thread and into the outbox, once."""
    job_move(job, to=State.DONE, reason="Answered.", error="")
    message = Message(
        thread=job.thread, role=Message.Role.ASSISTANT, text=text, said_at=timezone.now(), job_ref=job.ref
    )
    insert(message)
    say(thread=job.thread, text=text, job_ref=job.ref, message=message)
    return job


@joined
def job_fail(job: Job, *, error: str) -> Job:
    """Tell whoever asked what went wrong, with a button to try again."""
    error = redact(error)
    approval = approval_ask(
        kind=Approval.Kind.RETRY,
        subject=job.ref,
        title=f"Failed: {job.summary or job.ref}",
        card={"text": error},
        choices=RETRY_CHOICES,
        expires_in=timedelta(hours=24),
    )
    job_move(job, to=State.FAILED, reason=error, error=error, approval=approval)
    what = f" ({job.summary})" if job.summary else ""
    say(thread=job.thread, text=f"Job {job.pk}{what} failed: {error}", job_ref=job.ref, approval=approval)
    return job


@joined
def job_cancel(job: Job, *, actor: str, reason: str = "", tell: bool = True) -> Job:
    """Stop a job in any open state; its run, model call and tools end within seconds. Says what had been done."""
    job = job_locked(job)
    job_move(job, to=State.CANCELLED, actor=actor, reason=reason or "Cancelled.")
    if job.run is not None:
        run_stop(run=job.run)
    withdrawn = approvals_supersede(subject=job.ref)
    text = cancelled_text(job)
    if withdrawn and job.approval is not None:
        card_close(approval=job.approval, line=text)
    elif tell:
        say(thread=job.thread, text=text, job_ref=job.ref)
    return job


def cancelled_text(job: Job) -> str:
    """What the person who stops a job reads."""
    return f"Job {job.pk} is cancelled. {done_so_far(job)}"


def done_so_far(job: Job) -> str:
    """The calls that a job has made, for the person who stops it."""
    calls = ToolExecution.objects.filter(job_ref=job.ref).order_by("pk")
    lines = [f"- {call.name} {shorten(str(call.arguments), 100)}: {call.get_state_display().lower()}" for call in calls]
    return "Nothing had been done." if not lines else "Done before that:\n" + "\n".join(lines)


@joined
def job_retry(job: Job, *, actor: str, where: str = "") -> Job:
    """Put a failed job back into the queue; a run goes on from its last saved step. The card says `where`."""
    job = job_locked(job)
    job_move(job, to=State.QUEUED, actor=actor, reason="Retried.", finished_at=None, attempts=0, not_before=None)
    approvals_supersede(subject=job.ref)
    if job.approval is not None:
        card_close(approval=job.approval, line=f"↻ Tried again{where}")
    queue.enqueue("job.begin", job.pk)
    return job


def jobs_of_thread_stop(*, thread_id: int, actor: str) -> list[Job]:
    """Cancel whatever is open in a thread."""
    return [
        job_cancel(job, actor=actor, tell=False)
        for job in Job.objects.filter(thread_id=thread_id, state__in=OPEN).order_by("pk")
    ]
