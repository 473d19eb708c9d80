"""Asking the person: a card for a plan, a card for calls in mid-run. Waiting occupies no worker."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from agents.services import run_asks
from approvals.models import Approval
from approvals.services import approval_ask
from common.transactions import joined
from jobs.models import Job
from jobs.services.answer import question_ask
from jobs.services.cards import Judged, calls_text, judged, plan_text
from jobs.services.kinds import CHOICE, kinds_for, kinds_signed, kinds_text
from jobs.services.moves import SYSTEM, job_locked, job_move
from jobs.states import State
from threads.services import say
from tools.base import ToolCall
from tools.mcp.questions import question_open
from tools.standing import Kind

EDIT, ASK = ("edit", "Change…"), ("ask", "Ask…")
PLAN_CHOICES = [("ok", "OK"), EDIT, ASK, ("cancel", "Cancel")]
TOOL_CHOICES = [("ok", "OK"), EDIT, ASK, ("skip", "Go on without"), ("cancel", "Cancel the job")]


def plan_propose(job: Job, **saved: Any) -> Approval:
    """Show the plan and wait. An OK permits exactly the calls that the card lists. `saved`: see job_move."""
    found = job.classification
    calls = [{"name": "shell", "arguments": {"command": command}} for command in found["commands"]]
    shown = judged(calls)
    kinds = kinds_for(job, shown)
    approval = approval_ask(
        kind=Approval.Kind.PLAN,
        subject=job.ref,
        title=job.summary,
        card={"text": plan_text(job, shown) + kinds_text(kinds), "calls": calls, "kinds": kinds_signed(kinds)},
        choices=_with_kind(PLAN_CHOICES, kinds),
        expires_in=timedelta(seconds=settings.APPROVAL_TIMEOUT_SECONDS),
    )
    return _wait(job, approval, reason="The plan needs an OK.", **saved)


@joined
def calls_propose(job: Job, *, actor: str = SYSTEM) -> Approval | None:
    """Show the calls that a parked run wants to make, and wait. None where it waits for nothing any more."""
    job = job_locked(job)
    if job.run is None or job.state not in (State.EXECUTING, State.EXPIRED):
        return None
    if (question := question_open(job.run.ref)) is not None:
        return _wait(job, question_ask(job, question), reason="A tool asks a question.", actor=actor)
    if not (asks := run_asks(job.run)):
        return None
    calls = [Judged(call=call, verdict=verdict) for call, verdict in asks]
    kinds = kinds_for(job, calls)
    approval = approval_ask(
        kind=Approval.Kind.TOOL,
        subject=job.ref,
        title=f"{job.summary}: {', '.join(each.call.name for each in calls)}",
        card={
            "text": calls_text(job, calls) + kinds_text(kinds),
            "calls": [_signed(each.call) for each in calls],
            "kinds": kinds_signed(kinds),
        },
        choices=_with_kind(TOOL_CHOICES, kinds),
        expires_in=timedelta(seconds=settings.APPROVAL_TIMEOUT_SECONDS),
    )
    return _wait(job, approval, reason="A call needs an OK.", actor=actor)


def _with_kind(choices: list[tuple[str, str]], kinds: list[Kind]) -> list[tuple[str, str]]:
    return [choices[0], CHOICE, *choices[1:]] if kinds else choices


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
