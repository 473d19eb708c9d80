"""How a job ends: answered, failed in words, cancelled with a list of what was done."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.services import run_stop
from approvals.models import Approval
from approvals.services import approval_ask, approvals_supersede
from common import queue
from common.rows import insert
from common.text import redact, redact_known, shorten
from common.transactions import joined
from jobs.models import Job
from jobs.services.moves import job_locked, job_move
from jobs.states import OPEN, State
from ops import audit
from threads.models import Message
from threads.services import card_close, messages_watch, say
from tools.models import ExecutionState, ToolExecution

CAUSE_CHARS = 200
RETRY_CHOICES = [("retry", "Retry"), ("cancel", "Leave it")]


@joined
def job_answer(job: Job, *, text: str) -> Job:
    """The run is done: its answer goes into the thread and into the outbox, once."""
    text = redact_known(text)
    job_move(job, to=State.DONE, reason="Answered.", error="")
    message = Message(
        thread=job.thread, role=Message.Role.ASSISTANT, text=text, said_at=timezone.now(), job_ref=job.ref
    )
    insert(message)
    say(thread=job.thread, text=text, job_ref=job.ref, message=message)
    return job


@joined
def job_fail(job: Job, *, error: str, cause: str = "", guard: dict[str, Any] | None = None) -> Job:
    """Tell whoever asked what went wrong, with a button to try again; it is a dead letter until somebody has decided.

    `cause` groups it among those (the error's first line where none is given); `guard`: see job_move.
    """
    error = redact(error)
    cause = shorten(redact(cause) or error.partition("\n")[0], CAUSE_CHARS)
    approval = approval_ask(
        kind=Approval.Kind.RETRY,
        subject=job.ref,
        title=f"Failed: {job.summary or job.ref}",
        card={"text": error},
        choices=RETRY_CHOICES,
        expires_in=timedelta(hours=24),
    )
    job_move(job, to=State.FAILED, reason=error, error=error, cause=cause, approval=approval, guard=guard)
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
    audit.record(actor=actor, action="job cancelled", subject=job.ref, detail={"reason": reason})
    withdrawn = approvals_supersede(subject=job.ref)
    text = cancelled_text(job)
    if withdrawn and job.approval is not None:
        card_close(approval=job.approval, line=text)
    elif tell:
        say(thread=job.thread, text=text, job_ref=job.ref)
    return job


@joined
def job_reason(job: Job, *, actor: str, reason: str) -> str:
    """Keep why a job was cancelled, said afterwards; the reply. The chat's history tells the model too."""
    audit.record(actor=actor, action="cancel explained", subject=job.ref, detail={"reason": reason})
    return f"Noted for job {job.pk}."


def cancelled_text(job: Job) -> str:
    """What the person who stops a job reads."""
    return f"Job {job.pk} is cancelled. {done_so_far(job)}"


def done_so_far(job: Job) -> str:
    """The calls that a job has made, for the person who stops it."""
    calls = ToolExecution.objects.filter(job_ref=job.ref).order_by("pk")
    lines = [f"- {call.name} {shorten(str(call.arguments), 100)}: {_outcome(call)}" for call in calls]
    return "Nothing had been done." if not lines else "Done before that:\n" + "\n".join(lines)


def _outcome(call: ToolExecution) -> str:
    if call.state == ExecutionState.STARTED:
        return "was at work; it is being ended now"
    return call.get_state_display().lower()


@joined
def job_retry(job: Job, *, actor: str, where: str = "") -> Job:
    """Put a failed job back into the queue; a run goes on from its last saved step. The card says `where`."""
    job = job_locked(job)
    anew: dict[str, Any] = {"attempts": 0, "failures": {}, "failing_since": None, "failing_step": 0, "wait_told": False}
    anew |= {"finished_at": None, "not_before": None, "cause": ""}
    job_move(job, to=State.QUEUED, actor=actor, reason="Retried.", **anew)
    audit.record(actor=actor, action="job retried", subject=job.ref)
    messages_watch(list(job.messages.values_list("pk", flat=True)))
    approvals_supersede(subject=job.ref)
    if job.approval is not None:
        card_close(approval=job.approval, line=f"↻ Tried again{where}")
    queue.enqueue("job.begin", job.pk)
    return job


@joined
def job_give_up(job: Job, *, actor: str, reason: str = "") -> Job:
    """Leave a failed job as it is, for good: it goes from the list of dead letters, and can't be retried any more."""
    job = job_locked(job)
    job_move(job, to=State.DEAD, actor=actor, reason=reason or "Left as it is.")
    audit.record(actor=actor, action="job given up", subject=job.ref, detail={"reason": reason})
    approvals_supersede(subject=job.ref)
    if job.approval is not None:
        card_close(approval=job.approval, line="Left as it is.")
    return job


def jobs_of_thread_stop(*, thread_id: int, actor: str) -> list[Job]:
    """Cancel whatever is open in a thread."""
    return [
        job_cancel(job, actor=actor, tell=False)
        for job in Job.objects.filter(thread_id=thread_id, state__in=OPEN).order_by("pk")
    ]
