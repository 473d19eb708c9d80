"""What an answer to one of this app's cards does to its job."""

from typing import Any

from agents.services import run_answer
from approvals import handlers
from approvals.models import Approval
from approvals.services import NO, SKIP, where
from jobs.models import Job
from jobs.services.answer import question_talked
from jobs.services.end import done_so_far, job_cancel, job_retry
from jobs.services.execute import job_start
from jobs.services.kinds import WORD as KIND
from jobs.services.kinds import kinds_grant
from jobs.services.moves import job_move
from jobs.services.talk import card_talked
from jobs.services.told import told_of
from jobs.states import State
from threads.services import card_close, say
from tools.mcp.questions import question_answer


def _job(approval: Approval) -> Job:
    pk = int(approval.subject.removeprefix("job:"))
    return Job.objects.select_for_update(of=("self",), no_key=True).select_related("thread").get(pk=pk)


@handlers.register(Approval.Kind.PLAN)
def plan_decided(approval: Approval) -> None:
    """OK starts the job with exactly the calls of the card; Cancel ends it; silence lets it expire."""
    job = _job(approval)
    if approval.state == Approval.State.APPROVED:
        card_close(approval=approval, line=f"✔ Approved {where(approval)}{_permissions(job, approval)}")
        calls = approval.card["calls"]
        job_start(job, told_of(job), permitted=calls, actor=approval.decided_by, reason=f"Approved {where(approval)}.")
    elif approval.state == Approval.State.REJECTED:
        _cancelled(job, approval)
    else:
        _expired(job, approval)


@handlers.register(Approval.Kind.TOOL)
def calls_decided(approval: Approval) -> None:
    """OK lets the parked run make exactly these calls; "Go on without" tells the model no; Cancel ends the job."""
    job = _job(approval)
    if approval.decision == SKIP:
        _go_on(job, approval, permit=[], refuse=_refusals(approval), line=f"✖ Refused {where(approval)}; I go on")
    elif approval.state == Approval.State.APPROVED:
        line = f"✔ Approved {where(approval)}{_permissions(job, approval)}"
        _go_on(job, approval, permit=approval.card["calls"], refuse={}, line=line)
    elif approval.state == Approval.State.REJECTED:
        _cancelled(job, approval)
    else:
        _expired(job, approval)


@handlers.register(Approval.Kind.QUESTION)
def question_decided(approval: Approval) -> None:
    """The answer goes to the server that asked, by making its call again; "Decline" tells it no; Cancel ends the job.

    Raises BadAnswer where it doesn't fit: the card stays open.
    """
    job = _job(approval)
    if approval.state == Approval.State.EXPIRED:
        _expired(job, approval)
    elif approval.decision == NO:
        _cancelled(job, approval)
    else:
        question_answer(question_id=approval.card["question"], choice=approval.decision, note=approval.note)
        line = f"✖ Declined {where(approval)}" if approval.decision == SKIP else f"✔ Answered {where(approval)}"
        _go_on(job, approval, permit=[], refuse={}, line=line)


@handlers.register(Approval.Kind.RETRY)
def retry_decided(approval: Approval) -> None:
    """Retry puts the job back into the queue; "Leave it" gives it up; silence leaves it failed."""
    job = _job(approval)
    if approval.state == Approval.State.APPROVED:
        job_retry(job, actor=approval.decided_by, where=f" {where(approval)}")
    elif approval.state == Approval.State.REJECTED:
        card_close(approval=approval, line=f"Left as it is {where(approval)}")
        job_move(job, to=State.DEAD, actor=approval.decided_by, reason=f"Given up {where(approval)}.")


@handlers.register_talk(Approval.Kind.PLAN)
@handlers.register_talk(Approval.Kind.TOOL)
def talked(approval: Approval, verb: str, text: str, actor: str) -> None:
    """Change… and Ask…, with the words or before them."""
    card_talked(approval, verb, text, actor)


@handlers.register_talk(Approval.Kind.QUESTION)
def answered(approval: Approval, verb: str, text: str, actor: str) -> None:
    """Write the answer…, with the words or before them."""
    question_talked(_job(approval), approval, text, actor)


def _permissions(job: Job, approval: Approval) -> str:
    """Gives what "OK for this kind" has promised; what is said of it."""
    if approval.decision != KIND:
        return ""
    count = kinds_grant(job, approval.card["kinds"], actor=approval.decided_by)
    what = "standing permission" if count == 1 else "standing permissions"
    return f", with {count} {what}: /permissions lists what holds here"


def _go_on(job: Job, approval: Approval, *, permit: list[dict[str, Any]], refuse: dict[str, str], line: str) -> None:
    assert job.run is not None
    card_close(approval=approval, line=line)
    job_move(job, to=State.EXECUTING, actor=approval.decided_by, reason=line)
    run_answer(run=job.run, permit=permit, refuse=refuse)


def _refusals(approval: Approval) -> dict[str, str]:
    return {call["call_id"]: approval.note for call in approval.card["calls"]}


def _cancelled(job: Job, approval: Approval) -> None:
    card_close(approval=approval, line=f"✖ Cancelled {where(approval)}. {done_so_far(job)}")
    job_cancel(job, actor=approval.decided_by, reason=approval.note or f"Cancelled {where(approval)}.", tell=False)


def _expired(job: Job, approval: Approval) -> None:
    job_move(job, to=State.EXPIRED, reason="Nobody answered in time.")
    card_close(approval=approval, line="Expired.")
    say(
        thread=job.thread,
        text=f"Nobody answered the card of job {job.pk} in time, so it has not gone on. /reopen {job.pk} asks again.",
        job_ref=job.ref,
    )
