"""What the pages of jobs, threads and messages show of jobs."""

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html

from approvals.models import Approval
from common.admin import label_link, row_link
from common.panels import Block, Column, Panel, badge, column, data, moment, panel, text
from jobs.models import Job, JobEvent, Question
from jobs.states import OPEN, State
from threads.models import Delivery, Message, Thread
from threads.panels import messages_shown

SHOWN = 50


def _pk(ref: str) -> int:
    return int(ref.partition(":")[2])


@panel("job", place=10)
def messages_of_job(request: HttpRequest, ref: str) -> Panel:
    """What was asked, and what was answered."""
    asked = Message.objects.filter(job_message__job_id=_pk(ref))
    answered = Message.objects.filter(role=Message.Role.ASSISTANT, job_ref=ref)
    found = [
        *asked.select_related("person").prefetch_related("revisions", "artifacts").order_by("id"),
        *answered.prefetch_related("revisions", "artifacts").order_by("id"),
    ]
    return Panel(title="Messages", empty="No message belongs to this job.", blocks=messages_shown(found))


@panel("job", place=20)
def plan_of_job(request: HttpRequest, ref: str) -> Panel:
    """How the request was understood, what is planned, and why it failed if it did."""
    job = Job.objects.get(pk=_pk(ref))
    found = job.classification
    blocks = [Block(heading="Why it failed", body=[text(job.error)], tone="bad")] if job.error else []
    if plan := found.get("plan"):
        numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(plan, 1))
        blocks.append(Block(heading="Plan", facts=[f"revision {job.revision}"], body=[text(numbered)]))
    if commands := found.get("commands"):
        blocks.append(Block(heading="Commands", body=[text("\n".join(f"$ {command}" for command in commands))]))
    rest = {name: value for name, value in found.items() if name not in ("plan", "commands")}
    if rest:
        blocks.append(Block(heading="Classification", body=[data(rest)]))
    return Panel(title="Plan", empty="The request is not understood yet.", blocks=blocks)


@panel("job", place=35)
def questions_of_job(request: HttpRequest, ref: str) -> Panel:
    """What was asked about its cards before they were decided."""
    rows = Question.objects.filter(job_id=_pk(ref)).select_related("job", "message", "approval").order_by("id")
    blocks = [block for row in rows[:SHOWN] for block in question_shown(row)]
    return Panel(title="Questions", empty="Nobody has asked about a card of this job.", blocks=blocks)


def question_shown(row: Question) -> list[Block]:
    """A question and its answer, as blocks of a page."""
    facts = [moment(row.asked_at), row_link(row.approval, f"card {row.approval_id}"), badge(*question_state(row))]
    asked = Block(heading="Question", facts=facts, body=[text(row.message.text, prose=True)], tone="person")
    if row.answered_at is None:
        return [asked]
    # Said in the transaction that noted the time.
    told = Delivery.objects.filter(job_ref=row.job.ref, created_at__gte=row.answered_at).order_by("id").first()
    said = text(told.text, prose=True) if told else "It was said, and is kept no more."
    return [asked, Block(heading="Answer", facts=[moment(row.answered_at)], body=[said], tone="model")]


def question_state(row: Question) -> tuple[str, str]:
    """The colour and the word of how far its answer is."""
    if row.answered_at is not None:
        return "done", "answered"
    if row.approval.state == Approval.State.PENDING:
        return "pending", "being answered" if row.attempts < 2 else f"tried {row.attempts} times"
    return "superseded", "not needed any more: the card was decided"


@panel("job", place=60)
def events_of_job(request: HttpRequest, ref: str) -> Panel:
    """Every move of the job."""
    rows = JobEvent.objects.filter(job_id=_pk(ref)).order_by("id")[:200]
    return Panel(
        title="Events",
        empty="Nothing has happened yet.",
        headers=["When", "From", "To", "Who", "Why"],
        rows=[
            [
                moment(row.at),
                badge(row.from_state, row.get_from_state_display()) if row.from_state else "-",
                badge(row.to_state, row.get_to_state_display()),
                label_link(row.actor),
                row.reason or "-",
            ]
            for row in rows
        ],
    )


@panel("thread", place=20)
def jobs_of_thread(request: HttpRequest, ref: str) -> Panel:
    """The newest jobs of a thread."""
    rows = Job.objects.filter(thread_id=_pk(ref)).order_by("-id")
    return _jobs(rows, empty="No job was opened in this thread.")


@panel("message", place=20)
def jobs_of_message(request: HttpRequest, ref: str) -> Panel:
    """The job that a message belongs to."""
    rows = Job.objects.filter(job_messages__message_id=_pk(ref))
    return _jobs(rows, empty="This message belongs to no job: it is an answer or a command.")


@panel("person", place=20)
def jobs_of_person(request: HttpRequest, ref: str) -> Panel:
    """The newest jobs that a person has asked for."""
    return _jobs(Job.objects.filter(person_id=_pk(ref)).order_by("-id"), empty="This person has asked for nothing.")


def _jobs(rows: QuerySet[Job], *, empty: str) -> Panel:
    return Panel(
        title="Jobs",
        empty=empty,
        headers=["Job", "State", "Summary", "Origin", "Created", "Moved"],
        rows=[
            [
                row_link(row, f"job {row.pk}"),
                badge(row.state, row.get_state_display()),
                row.summary or "not understood yet",
                row.get_origin_display(),
                moment(row.created_at),
                moment(row.moved_at),
            ]
            for row in rows[:SHOWN]
        ],
    )


def _with_open_job(rows: QuerySet[Thread]) -> QuerySet[Thread]:
    # The oldest open job is the one whose turn it is.
    first = Job.objects.filter(thread=OuterRef("pk"), state__in=OPEN).order_by("id")
    return rows.annotate(
        open_job_id=Subquery(first.values("pk")[:1]), open_job_state=Subquery(first.values("state")[:1])
    )


def _open_job(row: Thread) -> str:
    pk, state = getattr(row, "open_job_id", None), getattr(row, "open_job_state", None)
    return format_html("{} {}", label_link(f"job:{pk}"), badge(state, State(state).label)) if pk and state else "-"


column("thread", Column(name="open_job", title="open job", annotate=_with_open_job, show=_open_job))
