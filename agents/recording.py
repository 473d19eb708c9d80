"""What the loop writes down. Every write carries the epoch of the lease and fails where it is old."""

import time
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from agents.models import Run, Step
from agents.resume import Conversation
from common import bus, lease
from common.errors import Frozen, Stopped
from common.state import move
from common.text import redact_known
from common.transactions import joined
from llm.types import ModelReply
from tools.base import ToolCall
from tools.models import ExecutionState, ToolExecution

DRAFT_CHANNEL = "draft"
DRAFT_SECONDS = 0.5
# With the last write of a run its lease is given back, in the same statement.
FREE: dict[str, Any] = {"lease_owner": "", "lease_expires_at": None}
MUST_STOP = """
SELECT r.stop_requested OR r.lease_epoch <> %s, EXISTS (SELECT 1 FROM ops_switch s WHERE s.name = 'freeze' AND s."on")
FROM agents_run r WHERE r.id = %s
"""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A run, and the epoch under which this worker may write to it."""

    run: Run
    epoch: int

    def fence(self) -> None:
        """Raise LeaseLost unless this worker still holds the run; locks its row until the transaction ends."""
        lease.fence(self.run, self.epoch)

    def must_stop(self) -> bool:
        """Whether the run was cancelled or taken over, or everything is frozen: one query, asked every 250 ms by what
        takes long. So a worker that was stopped and wakes after a takeover ends its call at once."""
        return any(self._flags())

    def check_stop(self) -> None:
        """Raise Stopped or Frozen where the next step may not begin."""
        stopped, frozen = self._flags()
        if stopped:
            raise Stopped
        if frozen:
            raise Frozen

    def _flags(self) -> tuple[bool, bool]:
        with connection.cursor() as cursor:
            cursor.execute(MUST_STOP, [self.epoch, self.run.pk])
            stopped, frozen = cursor.fetchone() or (True, False)
        return bool(stopped), bool(frozen)


class Draft:
    """The text that the model is writing, kept in the run for the pages: overwritten at most twice a second."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.text = ""
        self.written_at = time.monotonic()

    def add(self, delta: str) -> None:
        """Append what just came; write it when half a second has passed."""
        self.text += delta
        if time.monotonic() - self.written_at >= DRAFT_SECONDS:
            self.written_at = time.monotonic()
            mine = Run.objects.filter(pk=self.held.run.pk, lease_epoch=self.held.epoch)
            mine.update(draft=redact_known(self.text))
            bus.notify(DRAFT_CHANNEL, str(self.held.run.pk))


def draft_drop(held: Held) -> None:
    """Take half a text away: its turn was not finished."""
    mine = Run.objects.filter(pk=held.run.pk, lease_epoch=held.epoch).exclude(draft="")
    if mine.update(draft=""):
        bus.notify(DRAFT_CHANNEL, str(held.run.pk))


def model_step(held: Held, conversation: Conversation, *, reply: ModelReply, seconds: float) -> Step:
    """Save the model's turn; without a call in it, it is the answer and the run is done."""
    saved = Step(
        run=held.run,
        number=conversation.next_number,
        epoch=held.epoch,
        kind=Step.Kind.MODEL,
        content=reply.content,
        stop_reason=reply.stop_reason,
        ledger_entry_id=reply.ledger_id,
        tokens=reply.tokens,
        seconds=seconds,
    )
    if reply.stop_reason == "tool_use":
        lease.insert_fenced(saved, row=held.run, epoch=held.epoch)
        Run.objects.filter(pk=held.run.pk).exclude(draft="").update(draft="")
        return saved
    with transaction.atomic():
        lease.insert_fenced(saved, row=held.run, epoch=held.epoch)
        _finish(held, reply)
    return saved


def _finish(held: Held, reply: ModelReply) -> None:
    text = reply.text.strip()
    if reply.stop_reason == "max_tokens":
        text += "\n\n(The answer reached its length limit and was cut here.)"
    if reply.stop_reason == "refusal":
        _close(held, state=Run.State.FAILED, error="The model refused to do this.")
    elif not text:
        _close(held, state=Run.State.FAILED, error="The model gave an empty answer.")
    else:
        _close(held, state=Run.State.DONE, answer=text)


def tool_step(held: Held, conversation: Conversation, *, execution: ToolExecution, seconds: float) -> Step:
    """Save a tool's answer as it goes into the conversation."""
    block = {
        "type": "tool_result",
        "tool_use_id": execution.call_id,
        "content": execution.output or "(no output)",
        "is_error": execution.state != ExecutionState.DONE or bool(execution.exit_code),
    }
    return _answer(held, conversation, block=block, execution=execution, seconds=seconds)


def taint(held: Held, source: str) -> None:
    """The run has read an outsider's text. Written before the step that holds the text: a crash between the two leaves
    a run that asks too often, never one that asks too seldom."""
    Run.objects.filter(pk=held.run.pk, lease_epoch=held.epoch).update(tainted_by=source)
    held.run.tainted_by = source


def refused_step(held: Held, conversation: Conversation, *, call: ToolCall, reason: str) -> Step:
    """Tell the model that a person said no."""
    block = {
        "type": "tool_result",
        "tool_use_id": call.call_id,
        "content": f"The owner refused this call. {reason}".strip(),
        "is_error": True,
    }
    return _answer(held, conversation, block=block, execution=None, seconds=0.0)


def _answer(
    held: Held,
    conversation: Conversation,
    *,
    block: dict[str, object],
    execution: ToolExecution | None,
    seconds: float,
) -> Step:
    saved = Step(
        run=held.run,
        number=conversation.next_number,
        epoch=held.epoch,
        kind=Step.Kind.TOOL,
        content=[block],
        execution=execution,
        seconds=seconds,
    )
    lease.insert_fenced(saved, row=held.run, epoch=held.epoch)
    return saved


@joined
def park(held: Held) -> None:
    """Wait for a person: the run occupies no worker until he has decided. One that was stopped meanwhile ends."""
    held.fence()
    stopped, _ = held._flags()
    if stopped:
        _close(held, state=Run.State.STOPPED)
    else:
        move(held.run, to=Run.State.WAITING, expected=[Run.State.READY], **FREE)


@joined
def stop(held: Held) -> None:
    """End a run that was cancelled. One that stopped for another reason (frozen, draining) stays ready."""
    held.fence()
    held.run.refresh_from_db()
    if held.run.stop_requested:
        _close(held, state=Run.State.STOPPED)


@joined
def fail(held: Held, *, error: str) -> None:
    """End a run that can't go on, with a sentence."""
    held.fence()
    _close(held, state=Run.State.FAILED, error=error)


def _close(held: Held, *, state: str, answer: str = "", error: str = "") -> None:
    move(
        held.run,
        to=state,
        expected=[Run.State.READY],
        answer=answer,
        error=error,
        draft="",
        finished_at=timezone.now(),
        **FREE,
    )
