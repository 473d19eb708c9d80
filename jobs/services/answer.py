"""A tool asks a person something in mid-run: the card, and what becomes of the answer, pressed or written."""

from datetime import timedelta
from functools import partial

from django.conf import settings

from approvals.models import Approval
from approvals.services import EDIT, approval_ask, approval_decide
from common.text import shorten
from common.transactions import joined
from jobs.models import Job
from threads.services import message_store, say
from tools.mcp import questions
from tools.models import McpQuestion

WRITE = (EDIT, "Write the answer…")
PROMPT = "Write your answer; your next message goes to the server that asks in job {job}."


def question_ask(job: Job, question: McpQuestion) -> Approval:
    """The card: possible answers as buttons, or one after which the next message is the answer."""
    choices = questions.choices_of(question)
    text = f"Job {job.pk} can't go on by itself. {questions.text_of(question)}"
    if choices[0][0] == "ok" and not question.url:
        choices.insert(1, WRITE)
        text += f"\n/answer {job.pk} TEXT does it in one go."
    return approval_ask(
        kind=Approval.Kind.QUESTION,
        subject=job.ref,
        title=f"{question.server.name} asks: {shorten(question.message, 150)}",
        card={"text": text, "calls": [], "question": question.pk},
        choices=choices,
        expires_in=timedelta(seconds=settings.APPROVAL_TIMEOUT_SECONDS),
    )


@joined
def question_talked(job: Job, approval: Approval, text: str, actor: str) -> None:
    """“Write the answer…” was pressed; the words are here already, or those of the next message are waited for."""
    if not text:
        say(thread=job.thread, text=PROMPT.format(job=job.pk), job_ref=job.ref)
        return
    message_store(thread=job.thread, person=None, text=text)
    question_heard(job, approval, text, actor)


@joined
def question_heard(job: Job, approval: Approval, text: str, actor: str) -> None:
    """A message is the answer. One that doesn't fit is told so in words, and the card stays open."""
    decide = partial(
        approval_decide, approval_id=approval.pk, revision=approval.revision, actor=actor, via=job.thread.channel
    )
    try:
        questions.answer_check(question_id=approval.card["question"], note=text)
    except questions.BadAnswer as error:
        say(thread=job.thread, text=str(error), job_ref=job.ref)
        decide(choice=EDIT)
    else:
        decide(choice="ok", note=text)
