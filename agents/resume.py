"""Rebuilds the conversation of a run from its steps: what a fresh worker needs to go on."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from agents.errors import RunUnreadable
from agents.models import Run, Step
from tools.base import ToolCall
from tools.registry import all_tools
from tools.verdicts import Context

Block = dict[str, Any]
# A broken call is one that no gate could judge: of an unknown tool, or with bad arguments.
STEPS = """
SELECT s.*, e.state = 'failed' AND e.decision = '' AS is_broken
FROM agents_step s LEFT JOIN tools_toolexecution e ON e.id = s.execution_id WHERE s.run_id = %s ORDER BY s.number
"""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What was said so far, which calls wait for an answer, and what it has cost since it was last retried."""

    messages: list[Block]
    open_calls: list[ToolCall]
    done_calls: list[ToolCall]
    broken_calls: int
    turns: int
    tokens: int
    seconds: float
    next_number: int


def rebuild(run: Run) -> Conversation:
    """The conversation as the Messages API wants it, from the opening and the saved steps. One query.

    Raises RunUnreadable: tried again, what broke it would break it again."""
    try:
        return _rebuilt(run)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunUnreadable from error


def _rebuilt(run: Run) -> Conversation:
    steps = list(Step.objects.raw(STEPS, [run.pk]))
    calls = [call for step in steps if step.kind == Step.Kind.MODEL for call in _calls(step)]
    answered = {block["tool_use_id"] for step in steps if step.kind == Step.Kind.TOOL for block in step.content}
    counted = [step for step in steps if step.number > run.limits_from]
    return Conversation(
        messages=_messages(run.opening, steps),
        open_calls=[call for call in calls if call.call_id not in answered],
        done_calls=[call for call in calls if call.call_id in answered],
        broken_calls=sum(bool(getattr(step, "is_broken", False)) for step in counted),
        turns=sum(step.kind == Step.Kind.MODEL for step in counted),
        tokens=sum(step.tokens for step in counted),
        seconds=sum(step.seconds for step in counted),
        next_number=len(steps) + 1,
    )


def _calls(step: Step) -> list[ToolCall]:
    """The calls of a model's turn; none where it ended in another way (a refusal may break off behind a call)."""
    if step.stop_reason != "tool_use":
        return []
    return [
        ToolCall(call_id=block["id"], name=block["name"], arguments=block["input"])
        for block in step.content
        if block["type"] == "tool_use"
    ]


def _messages(opening: list[Block], steps: list[Step]) -> list[Block]:
    """The answers to the calls of one turn stand together in one user message.

    A turn without a call has ended the run (empty, refused); a retried one is asked for it anew, and never told of it:
    no assistant's turn may stand last or be empty.
    """
    messages = [{"role": message["role"], "content": _blocks(message["content"])} for message in opening]
    for step in steps:
        if step.kind == Step.Kind.MODEL:
            messages += [{"role": "assistant", "content": step.content}] if _calls(step) else []
        elif messages[-1]["role"] == "user":
            messages[-1] = {"role": "user", "content": [*messages[-1]["content"], *step.content]}
        else:
            messages.append({"role": "user", "content": step.content})
    return messages


def _blocks(content: Any) -> list[Block]:
    """Text without blocks is as good as a block of text, for the Messages API too."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def signature(call: ToolCall) -> str:
    """The exact call, in one canonical form: what a person signs, and what is compared with it.

    Arguments that only bound a call, such as a time limit, are not part of it.
    """
    tool = all_tools().get(call.name)
    bounds = tool.bounds if tool else frozenset()
    signed = {name: value for name, value in call.arguments.items() if name not in bounds}
    return json.dumps([call.name, signed], sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def is_permitted(run: Run, call: ToolCall, conversation: Conversation) -> bool:
    """Whether a person has signed exactly this call: by its id, or in a plan, where each line permits one call."""
    wanted = signature(call)
    signed = [entry for entry in run.permitted_calls if signature(_as_call(entry)) == wanted]
    if any(entry.get("call_id") == call.call_id for entry in signed):
        return True
    in_plan = sum(1 for entry in signed if not entry.get("call_id"))
    used = Counter(signature(done) for done in conversation.done_calls)[wanted]
    return used < in_plan


def gate_context(run: Run) -> Context:
    """What the gate is told about a run."""
    return Context(
        thread_ref=run.thread_ref,
        job_ref=run.job_ref,
        person_ref=run.person_ref,
        tainted=bool(run.tainted_by),
        named_hosts=frozenset(run.named_hosts),
    )


def _as_call(entry: dict[str, Any]) -> ToolCall:
    return ToolCall(call_id=entry.get("call_id", ""), name=entry["name"], arguments=entry["arguments"])
