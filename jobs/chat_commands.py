"""The commands about jobs, the same in every channel."""

from approvals.models import Approval
from approvals.services import approval_decide
from common.commands import Call, all_commands, command
from jobs.errors import JobNotFound
from jobs.models import Job
from jobs.selectors import approval_waiting, job_of, jobs_open, line
from jobs.services.end import cancelled_text, job_cancel, job_reason, job_retry, jobs_of_thread_stop
from jobs.services.recover import job_reopen
from jobs.states import OPEN, State
from ops.switches import is_on

SHOWN = 10


@command("start", help="what I am", decides=False)
def start(call: Call) -> str:
    return (
        "I am the agent of this server. Tell me what you need: I show you a plan, you press OK, I do it and report. "
        "/help lists the commands."
    )


@command("help", help="this list", decides=False)
def help_(call: Call) -> str:
    return "\n".join(f"/{each.name} - {each.help}" for each in all_commands() if call.may_decide or not each.decides)


@command("status", help="what I am doing now", decides=False)
def status(call: Call) -> str:
    counts = {state: Job.objects.filter(state=state).count() for state in OPEN}
    lines = [f"{State(state).label}: {count}" for state, count in counts.items() if count]
    if is_on("freeze"):
        lines.insert(0, "Everything is frozen; /resume lets me work again.")
    if is_on("pause"):
        lines.insert(0, "Proactive work is paused; /resume lets it go on.")
    return "\n".join(lines) or "Nothing to do; I am listening."


@command("jobs", help="the open jobs, and what waits for you", decides=False)
def jobs(call: Call) -> str:
    rows = list(jobs_open().order_by("-pk")[: SHOWN + 1])
    more = "\n…and more in the admin." if len(rows) > SHOWN else ""
    return ("\n".join(line(job) for job in rows[:SHOWN]) or "No open jobs.") + more


def _named(call: Call, states: tuple[str, ...], what: str) -> Job:
    """The job that a command names, or the only one of the thread that it can mean."""
    if call.argument:
        return job_of(call.argument.split()[0])
    thread_id = int(call.thread_ref.removeprefix("thread:"))
    mine = list(Job.objects.filter(thread_id=thread_id, state__in=states).order_by("-pk")[:2])
    if not mine:
        raise JobNotFound(f"There is nothing to {what} here. /jobs lists what is open.")
    if len(mine) > 1:
        raise JobNotFound(f"Which one? /{what} NUMBER, as /jobs lists them.")
    return job_of(str(mine[0].pk))


@command("approve", help="say OK to a job: /approve 12")
def approve(call: Call) -> str:
    job = _named(call, (State.AWAITING,), "approve")
    approval = approval_waiting(job)
    if approval is None:
        return f"Job {job.pk} waits for no OK."
    approval_decide(
        approval_id=approval.pk,
        revision=approval.revision,
        choice=approval.choices[0][0],
        actor=call.actor,
        via=call.via,
    )
    return f"OK. Job {job.pk} goes on."


@command("answer", help="answer what a tool asks: /answer 12 TEXT")
def answer(call: Call) -> str:
    job = _named(call, (State.AWAITING,), "answer")
    approval = approval_waiting(job)
    if approval is None or approval.kind != Approval.Kind.QUESTION:
        return f"Job {job.pk} asks no question."
    approval_decide(
        approval_id=approval.pk,
        revision=approval.revision,
        choice=approval.choices[0][0],
        actor=call.actor,
        via=call.via,
        note=call.argument.partition(" ")[2],
    )
    return f"Sent. Job {job.pk} goes on."


@command("cancel", help="stop a job, and say why if you like: /cancel 12 not today")
def cancel(call: Call) -> str:
    job = _named(call, OPEN, "cancel")
    reason = " ".join(call.argument.split()[1:])
    if reason and job.state == State.CANCELLED:
        return job_reason(job, actor=call.actor, reason=reason)
    job = job_cancel(job, actor=call.actor, reason=reason, tell=False)
    return cancelled_text(job)


@command("retry", help="try a failed job again: /retry 12")
def retry(call: Call) -> str:
    job = job_retry(_named(call, (State.FAILED,), "retry"), actor=call.actor)
    return f"Job {job.pk} is queued again."


@command("reopen", help="ask again about a job that expired: /reopen 12")
def reopen(call: Call) -> str:
    job = _named(call, (State.EXPIRED,), "reopen")
    job_reopen(job, actor=call.actor)
    return f"Job {job.pk} is open again."


@command("stop", help="cancel everything in this chat")
def stop(call: Call) -> str:
    stopped = jobs_of_thread_stop(thread_id=int(call.thread_ref.removeprefix("thread:")), actor=call.actor)
    return "\n".join(cancelled_text(job) for job in stopped) or "Nothing is running here."
