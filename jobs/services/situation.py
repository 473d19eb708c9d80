"""Why a job has not answered yet, in a sentence for whoever waits."""

from datetime import datetime

from django.utils import timezone

from agents.models import Run, Step
from common import queue
from common.queue import Lane
from common.text import shorten
from jobs.models import Job
from jobs.states import RUNNING, State
from ops.models import Switch
from ops.selectors import switches
from tools.models import ToolExecution


def situation(job: Job) -> str:
    """What is going on with an open job, and what can be done about it."""
    frozen = switches()[Switch.Name.FREEZE]
    if frozen.on:
        return f"{_name(job)} waits: everything is frozen since {_clock(frozen.changed_at)}{_why(frozen)}. " + (
            "/resume lets me work again."
        )
    if job.state == State.QUEUED:
        return _queued(job)
    if job.state == State.CLASSIFYING:
        return (
            f"{_name(job)}: I am still reading your message, since {_clock(job.moved_at)}; the model is slow to answer."
        )
    return _at_work(job)


def _queued(job: Job) -> str:
    if job.not_before is not None and job.not_before > timezone.now():
        last = job.events.order_by("-pk").values_list("reason", flat=True).first() or ""
        return f"{_name(job)} could not go on, and I try again at {_clock(job.not_before)}. {last}".strip()
    ahead = _ahead(job)
    if ahead is not None:
        return f"{_name(job)} waits for its turn behind job {ahead.pk}, which {_doing(ahead)}."
    waiting = queue.backlog(Lane.TALK)
    return f"{_name(job)} waits for a free worker (tasks in the queue: {waiting}). It is not forgotten."


def _ahead(job: Job) -> Job | None:
    """The job of the same conversation whose end this one waits for."""
    others = Job.objects.filter(thread_id=job.thread_id).exclude(pk=job.pk)
    at_work = others.filter(state__in=[*RUNNING, State.AWAITING]).order_by("pk").first()
    return at_work or others.filter(state=State.QUEUED, pk__lt=job.pk).order_by("pk").first()


def _doing(ahead: Job) -> str:
    if ahead.state == State.AWAITING:
        return (
            f"waits for your answer to its card since {_clock(ahead.moved_at)}: /approve {ahead.pk}, /cancel {ahead.pk}"
        )
    if ahead.state == State.QUEUED:
        return "waits itself"
    return f"is at work since {_clock(ahead.moved_at)}; /cancel {ahead.pk} stops it"


def _at_work(job: Job) -> str:
    run = job.run
    if run is None or run.state != Run.State.READY:
        return f"{_name(job)} is at work since {_clock(job.moved_at)}."
    steps = _number(Step.objects.filter(run=run).count())
    if run.lease_expires_at is None or run.lease_expires_at < timezone.now():
        return f"{_name(job)} waits for a free worker, after {steps} (tasks in the queue: {queue.backlog(Lane.WORK)})."
    call = ToolExecution.objects.filter(run_ref=run.ref).order_by("-pk").first()
    last = f", the last call {call.name} {shorten(str(call.arguments), 80)}" if call is not None else ""
    return f"{_name(job)} is at work since {_clock(job.moved_at)}: {steps} so far{last}. /cancel {job.pk} stops it."


def _number(steps: int) -> str:
    return f"{steps} step{'' if steps == 1 else 's'}"


def _name(job: Job) -> str:
    return f"Job {job.pk} ({shorten(job.summary, 60)})" if job.summary else f"Job {job.pk}"


def _why(switch: Switch) -> str:
    return f" ({switch.reason})" if switch.reason else ""


def _clock(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{local:%H:%M}" if local.date() == timezone.localdate() else f"{local:%Y-%m-%d %H:%M}"
