"""What a person says about an open card: a change makes a new one, a question is answered and the card stays open."""

from typing import Any

from django.db.models import Q
from django.utils import timezone

from approvals.models import Approval
from approvals.services import ASK, EDIT, SKIP, approval_decide, approval_heard, approvals_supersede
from common import lease, queue
from common.errors import Stopped
from common.rows import insert
from common.transactions import joined
from jobs.models import Job, JobMessage, Question
from jobs.selectors import approval_waiting, with_thread
from jobs.services.answer import question_heard
from jobs.services.moves import job_locked, job_move
from jobs.services.told import told_of
from jobs.states import State
from llm import gateway
from llm.errors import ModelError, ModelUnavailable
from llm.types import CallTag, ModelRequest, Purpose, Scope
from ops import audit
from threads.models import Delivery, Message, Person
from threads.services import card_close, message_store, say

PROMPTS = {
    EDIT: "Write what I should change; your next message changes job {job}.",
    ASK: "Write your question; your next message asks about job {job}, and the card stays open.",
}
TALKED = {EDIT: "changed", ASK: "asked about"}
TRIES = 5
ANSWER_TOKENS = 1024
INSTRUCTION = """\
You are an agent on its owner's server. The owner was shown the card between <card> tags for the request between \
<new_message> tags, and asks about it before deciding. Answer the question shortly and honestly; say so where you \
don't know. You can do nothing now: don't promise that you have."""


@joined
def card_talked(approval: Approval, verb: str, text: str, actor: str) -> None:
    """A button was pressed. Without `text` the words are still to come, and whoever pressed is told so."""
    job = job_locked(Job(pk=int(approval.subject.removeprefix("job:"))))
    if not text:
        say(thread=job.thread, text=PROMPTS[verb].format(job=job.pk), job_ref=job.ref)
        return
    message, _ = message_store(thread=job.thread, person=_person(actor), text=text)
    _take(job, approval, verb, message, actor)


@joined
def message_to_card(job: Job, message: Message, person: Person) -> Job | None:
    """The job, where a message is about its open card; None where it is about something else."""
    approval = approval_waiting(job)
    if approval is None:
        return None
    replied = (
        bool(message.reply_to)
        and Delivery.objects.filter(
            approval=approval, thread_id=message.thread_id, external_id=message.reply_to
        ).exists()
    )
    actor = f"person:{person.pk}"
    verb = approval_heard(approval=approval, actor=actor, replied=replied)
    if verb:
        _take(job_locked(job), approval, verb, message, actor)
    return job if verb else None


def _take(job: Job, approval: Approval, verb: str, message: Message, actor: str) -> None:
    JobMessage.objects.create(job=job, message=message)
    audit.record(
        actor=actor,
        action=f"{approval.kind} {TALKED[verb]}",
        subject=approval.subject,
        detail={"approval": approval.pk, "revision": approval.revision, "message": message.pk},
    )
    if verb == ASK:
        _ask(job, approval, message)
    elif approval.kind == Approval.Kind.QUESTION:
        question_heard(job, approval, message.text, actor)
    elif approval.kind == Approval.Kind.PLAN:
        _change_plan(job, approval, actor=actor)
    else:  # in mid-run the model is told what is wanted instead, and goes on from there
        approval_decide(
            approval_id=approval.pk,
            revision=approval.revision,
            choice=SKIP,
            actor=actor,
            via=job.thread.channel,
            note=message.text,
        )


def _change_plan(job: Job, approval: Approval, *, actor: str) -> None:
    """The job is understood anew with what was said, and a card of a new revision follows."""
    approvals_supersede(subject=job.ref)
    card_close(approval=approval, line="✎ To be changed; a new plan follows.")
    reason = "Its plan is to be changed."
    job_move(job, to=State.CLASSIFYING, actor=actor, reason=reason, revision=job.revision + 1)
    queue.enqueue("job.begin", job.pk)


def _ask(job: Job, approval: Approval, message: Message) -> None:
    question = Question(job=job, approval=approval, message=message)
    insert(question)
    queue.enqueue("job.question", question.pk)


def question_answer(question_id: int) -> None:
    """The task that answers a question, once. Safe to repeat; a passing fault leaves it to the sweep."""
    question = Question.objects.select_related("job", "approval", "message").filter(pk=question_id).first()
    if question is None or question.answered_at is not None:
        return
    try:
        with lease.held(question):
            _answer(question)
    except (lease.LeaseHeld, lease.LeaseLost, Stopped):
        return


def _answer(question: Question) -> None:
    job = with_thread(question.job)
    Question.objects.filter(pk=question.pk).update(attempts=question.attempts + 1)
    try:
        reply = gateway.call(_request(question), tag=_tag(job), stop=lambda: not _is_open(question))
    except ModelUnavailable as error:
        if question.attempts + 1 < TRIES:
            return
        _say(question, f"I can't answer that now: {error}")
    except ModelError as error:
        _say(question, f"I can't answer that: {error}")
    else:
        _say(question, reply.text)


@joined
def _say(question: Question, text: str) -> None:
    """The answer, with the card's buttons under it as long as it waits."""
    mine = Question.objects.filter(pk=question.pk, answered_at=None)
    if mine.update(answered_at=timezone.now()):
        waits = Approval.objects.filter(pk=question.approval_id, state=Approval.State.PENDING).first()
        say(thread=question.job.thread, text=text or "(no answer)", job_ref=question.job.ref, approval=waits)


def _is_open(question: Question) -> bool:
    """A card that was decided meanwhile needs no answer any more."""
    return Approval.objects.filter(pk=question.approval_id, state=Approval.State.PENDING).exists()


def questions_due() -> list[int]:
    """Questions whose worker is gone, or whose model was away; those of decided cards are over."""
    lapsed = Q(lease_expires_at=None) | Q(lease_expires_at__lt=timezone.now())
    waiting = Question.objects.filter(lapsed, answered_at=None, approval__state=Approval.State.PENDING)
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:100])


def _request(question: Question) -> ModelRequest:
    told = told_of(question.job)
    turns: list[dict[str, Any]] = [{"role": turn.role, "content": turn.text} for turn in told.turns]
    asked = f"{told.asked}\n<card>\n{question.approval.card['text']}\n</card>\nThe question: {question.message.text}"
    return ModelRequest(
        purpose=Purpose.WORK,
        system=INSTRUCTION,
        messages=[*turns, {"role": "user", "content": asked}],
        max_tokens=ANSWER_TOKENS,
    )


def _tag(job: Job) -> CallTag:
    person, thread = f"person:{job.person_id}", f"thread:{job.thread_id}"
    return CallTag(scope=Scope(job.origin), job_ref=job.ref, thread_ref=thread, person_ref=person)


def _person(actor: str) -> Person | None:
    kind, _, pk = actor.partition(":")
    return Person.objects.filter(pk=int(pk)).first() if kind == "person" else None
