"""Understanding what is asked: a small model, a schema, thirty seconds. An answer that breaks the schema is asked for
once more, then a safe default is taken; a model that can't be reached is the caller's to wait for."""

import logging
from typing import Any

from common.text import shorten
from jobs.models import Job
from jobs.services.told import Told
from jobs.states import State
from llm import gateway
from llm.errors import ModelOutputInvalid
from llm.types import CallTag, ModelRequest, Purpose, Scope

logger = logging.getLogger(__name__)

SECONDS = 30.0
TRIES = 2
INTENTS = ["question", "command", "chat", "task", "other"]
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


def classification(job: Job, told: Told) -> dict[str, Any]:
    """What the small model makes of it. Raises Stopped, LimitReached, ModelUnavailable, ModelRejected."""
    request = _request(told, shown=job.classification.get("plan", []))
    tag = CallTag(
        scope=Scope(job.origin),
        job_ref=job.ref,
        thread_ref=f"thread:{job.thread_id}",
        person_ref=f"person:{job.person_id}",
    )
    for _ in range(TRIES):
        try:
            reply = gateway.call(request, tag=tag, stop=lambda: _must_stop(job))
            return {**(reply.parsed or {}), "model": reply.model}
        except ModelOutputInvalid as error:
            logger.warning("%s could not be classified: %s", job.ref, error)
    return safe_default(told)


def _must_stop(job: Job) -> bool:
    """Cancelled, or taken over by another worker."""
    return not Job.objects.filter(pk=job.pk, state=State.CLASSIFYING, lease_epoch=job.lease_epoch).exists()


def _request(told: Told, *, shown: list[str]) -> ModelRequest:
    """`shown`: the steps of the plan that the last message changes, if there was one."""
    earlier = [f"{turn.role}: {turn.text}" for turn in told.turns]
    plan = ["The plan that was shown, and that the last message changes:", *shown] if shown else []
    return ModelRequest(
        purpose=Purpose.CLASSIFY,
        system=INSTRUCTION,
        messages=[{"role": "user", "content": "\n".join([*earlier, told.asked, *plan])}],
        max_tokens=1024,
        schema=SCHEMA,
        time_limit=SECONDS,
    )


def safe_default(told: Told) -> dict[str, Any]:
    """What is assumed where the model's answer can't be used: that the owner must look."""
    return {
        "intent": "other",
        "summary": shorten(told.last_text, 120) or "A message without text",
        "plan": ["I could not classify this; I will work on it step by step and ask before anything risky."],
        "commands": [],
        "needs_confirmation": True,
        "confidence": 0.0,
        "model": "",
    }
