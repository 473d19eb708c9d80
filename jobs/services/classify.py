"""Understanding what is asked: a small model, a schema, thirty seconds, one more try, then a safe default."""

import logging
from typing import Any

from django.conf import settings
from django.utils import timezone

from budget.errors import LimitReached
from common import lease
from common.errors import Stopped
from common.state import StateConflict
from common.text import shorten
from common.transactions import joined
from jobs.errors import JobBusy
from jobs.models import Job
from jobs.services import execute, propose
from jobs.services.end import job_fail
from jobs.services.moves import job_locked, job_move
from jobs.states import OPEN, RUNNING, State
from llm import gateway
from llm.errors import ModelError, ModelRejected
from llm.types import CallTag, ModelRequest, Purpose, Scope
from threads.context import history, new_messages
from threads.models import Message, Policy
from threads.services import say

logger = logging.getLogger(__name__)

FROZEN = "Everything is frozen."
SECONDS = 30.0
TRIES = 2
INTENTS = ["question", "command", "chat", "task", "other"]
ACTING = ("command", "task")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "intent": {"type": "string", "enum": INTENTS},
        "summary": {"type": "string"},
        "plan": {"type": "array", "items": {"type": "string"}},
        "commands": {"type": "array", "items": {"type": "string"}},
        "needs_confirmation": {"type": "boolean"},
        "confidence": {"type": "number"},
    },
    "required": ["intent", "summary", "plan", "commands", "needs_confirmation", "confidence"],
    "additionalProperties": False,
}
INSTRUCTION = """\
Classify what the text between <new_message> tags asks of an agent with a shell, files and HTTP on its owner's server. \
Don't answer it. summary: one line. plan: 1 to 5 short steps, in the user's language. commands: the exact shell \
commands it will take, only if you are sure of them, else none. needs_confirmation: true if something would be changed \
or sent. confidence: 0 to 1."""


def job_begin(job_id: int) -> None:
    """Give a queued job its turn: classify it, or resume its run. Safe to repeat, and to call out of turn."""
    job = Job.objects.select_related("thread", "person", "run").filter(pk=job_id).first()
    if job is None or job.state not in (State.QUEUED, State.CLASSIFYING) or not _is_its_turn(job):
        return
    try:
        if job.run is not None:
            execute.job_resume(job)
            return
        with lease.held(job) as epoch:
            _classify(job, epoch)
    except (StateConflict, JobBusy, lease.LeaseHeld, lease.LeaseLost) as reason:
        logger.info("job %s is not begun here: %s", job_id, type(reason).__name__)


def _is_its_turn(job: Job) -> bool:
    """Nothing older of the thread is open, nothing runs, and its time has come."""
    if job.not_before is not None and job.not_before > timezone.now():
        return False
    others = Job.objects.filter(thread_id=job.thread_id, state__in=OPEN).exclude(pk=job.pk)
    return not any(
        state in RUNNING or state == State.AWAITING or pk < job.pk for pk, state in others.values_list("pk", "state")
    )


def _classify(job: Job, epoch: int) -> None:
    """Ask until the answer covers every message that has joined meanwhile."""
    if job.state == State.QUEUED:
        job_move(job, to=State.CLASSIFYING, reason="Its turn has come.")
    while True:
        try:
            found, revision = classification(job)
        except Stopped:
            return _stopped(job)
        except (LimitReached, ModelRejected) as error:
            job_fail(job, error=str(error))
            return None
        if _settle(job, epoch, found, revision):
            return None
        job.refresh_from_db(fields=["revision"])


@joined
def _stopped(job: Job) -> None:
    """Frozen: back into the queue, where the sweep finds it. Cancelled: somebody else has moved it."""
    job = Job.objects.select_related("thread").get(pk=job.pk)
    if job.state == State.CLASSIFYING:
        told = job.events.filter(reason=FROZEN).exists()
        job_move(job, to=State.QUEUED, reason=FROZEN)
        if not told:
            say(thread=job.thread, text="Everything is frozen; I have kept your message. /resume lets me work again.")


def classification(job: Job) -> tuple[dict[str, Any], int]:
    """What the small model makes of a job's messages, and of which revision.

    Raises Stopped, LimitReached, ModelRejected.
    """
    revision = job.revision
    messages = job_messages(job)
    request = _request(job, messages)
    tag = CallTag(
        scope=Scope(job.origin), job_ref=job.ref, thread_ref=job.thread.ref, person_ref=f"person:{job.person_id}"
    )
    for _ in range(TRIES):
        try:
            reply = gateway.call(request, tag=tag, stop=lambda: _must_stop(job))
            return {**(reply.parsed or {}), "model": reply.model}, revision
        except ModelRejected:
            raise
        except ModelError as error:
            logger.warning("%s could not be classified: %s", job.ref, error)
    return safe_default(messages), revision


def _must_stop(job: Job) -> bool:
    return not Job.objects.filter(pk=job.pk, state=State.CLASSIFYING).exists()


def job_messages(job: Job) -> list[Message]:
    """The messages that a job answers, oldest first, with what is known of their files."""
    return list(job.messages.prefetch_related("artifacts").order_by("pk"))


def _request(job: Job, messages: list[Message]) -> ModelRequest:
    earlier = [f"{turn.role}: {turn.text}" for turn in history(thread=job.thread, before=messages[0].pk)]
    return ModelRequest(
        purpose=Purpose.CLASSIFY,
        system=INSTRUCTION,
        messages=[{"role": "user", "content": "\n".join([*earlier, new_messages(messages)])}],
        max_tokens=1024,
        schema=SCHEMA,
        time_limit=SECONDS,
    )


def safe_default(messages: list[Message]) -> dict[str, Any]:
    """What is assumed where the model could not be asked: that the owner must look."""
    return {
        "intent": "other",
        "summary": shorten(messages[-1].text, 120) or "A message without text",
        "plan": ["I could not classify this; I will work on it step by step and ask before anything risky."],
        "commands": [],
        "needs_confirmation": True,
        "confidence": 0.0,
        "model": "",
    }


@joined
def _settle(job: Job, epoch: int, found: dict[str, Any], revision: int) -> bool:
    """Ask for an OK, or start; false where a message has joined since, so that it must be classified again."""
    fresh = job_locked(job)
    if fresh.lease_epoch != epoch:
        raise lease.LeaseLost
    if fresh.state != State.CLASSIFYING:
        raise StateConflict
    if fresh.revision != revision:
        return False
    understood = {"classification": found, "intent": found["intent"], "summary": shorten(found["summary"], 300)}
    for name, value in understood.items():
        setattr(fresh, name, value)
    if wants_card(fresh):
        propose.plan_propose(fresh, **understood)
    else:
        execute.job_start(fresh, permitted=[], actor="system", reason="The policy asks for no OK.", **understood)
    return True


def wants_card(job: Job) -> bool:
    """Whether the thread's policy asks for an OK before this job starts."""
    policy = job.thread.policy or settings.APPROVAL_POLICY
    if policy == Policy.ACTIONS:
        found = job.classification
        return bool(found["needs_confirmation"] or found["commands"] or found["intent"] in ACTING)
    return bool(policy == Policy.EVERY_JOB)
