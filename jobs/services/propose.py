"""Asking the person: a card for a plan, a card for calls in mid-run. Waiting occupies no worker."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from agents.services import run_asks
from approvals.models import Approval
from approvals.services import approval_ask
from common.text import shorten
from common.transactions import joined
from jobs.models import Job
from jobs.services.moves import SYSTEM, job_locked, job_move
from jobs.states import State
from threads.services import say
from tools.base import ToolCall
from tools.rules import Verdict

PLAN_CHOICES = [("ok", "OK"), ("cancel", "Cancel")]
TOOL_CHOICES = [("ok", "OK"), ("skip", "Go on without"), ("cancel", "Cancel the job")]


def plan_propose(job: Job, **saved: Any) -> Approval:
    """Show the plan and wait. An OK permits exactly the calls that the card lists. `saved`: see job_move."""
    found = job.classification
    calls = [{"name": "shell", "arguments": {"command": command}} for command in found["commands"]]
    approval = approval_ask(
        kind=Approval.Kind.PLAN,
        subject=job.ref,
        title=job.summary,
        card={"text": plan_text(job), "calls": calls},
        choices=PLAN_CHOICES,
        expires_in=timedelta(seconds=settings.APPROVAL_TIMEOUT_SECONDS),
    )
    return _wait(job, approval, reason="The plan needs an OK.", **saved)


def plan_text(job: Job) -> str:
    """The card as a person reads it."""
    found = job.classification
    lines = [f"Plan for job {job.pk}: {job.summary}"]
    lines += [f"{number}. {step}" for number, step in enumerate(found["plan"], 1)]
    if found["commands"]:
        lines += ["", "An OK permits exactly these commands:"]
        lines += [f"$ {command}" for command in found["commands"]]
    return "\n".join(lines)


@joined
def calls_propose(job: Job, *, actor: str = SYSTEM) -> Approval | None:
    """Show the calls that a parked run wants to make, and wait. None where it waits for nothing any more."""
    job = job_locked(job)
    if job.run is None or job.state not in (State.EXECUTING, State.EXPIRED) or not (asks := run_asks(job.run)):
        return None
    approval = approval_ask(
        kind=Approval.Kind.TOOL,
        subject=job.ref,
        title=f"{job.summary}: {', '.join(call.name for call, _ in asks)}",
        card={"text": calls_text(job, asks), "calls": [_signed(call) for call, _ in asks]},
        choices=TOOL_CHOICES,
        expires_in=timedelta(seconds=settings.APPROVAL_TIMEOUT_SECONDS),
    )
    return _wait(job, approval, reason="A call needs an OK.", actor=actor)


def calls_text(job: Job, asks: list[tuple[ToolCall, Verdict]]) -> str:
    """What is asked in mid-run: each call in full, and why it is asked about."""
    lines = [f"Job {job.pk} wants to go on with:"]
    for call, verdict in asks:
        lines += [describe_call(call.name, call.arguments), f"   ({verdict.reason})"]
    return "\n".join(lines)


def describe_call(name: str, arguments: dict[str, Any]) -> str:
    """A call on a line or more: a shell command as it would be typed, others with their arguments."""
    if name == "shell":
        return f"$ {arguments.get('command', '')}"
    return f"{name} " + ", ".join(f"{key}={shorten(str(value), 300)}" for key, value in arguments.items())


def _signed(call: ToolCall) -> dict[str, Any]:
    return {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}


def _wait(job: Job, approval: Approval, *, reason: str, **saved: Any) -> Approval:
    job_move(job, to=State.AWAITING, reason=reason, approval=approval, finished_at=None, **saved)
    until = timezone.localtime(approval.expires_at).strftime("%H:%M")
    say(
        thread=job.thread,
        text=f"{approval.card['text']}\n\nI wait for your answer until {until}.",
        job_ref=job.ref,
        approval=approval,
    )
    return approval
