"""The agent loop: limits, model, tools, record, repeat. It can be killed anywhere, and goes on from its last step."""

import time

from agents import limits, recording
from agents.errors import RunFailed
from agents.instructions import INSTRUCTION
from agents.models import Run
from agents.recording import Held
from agents.resume import Conversation, gate_context, is_permitted, rebuild
from approvals.errors import ApprovalRequired
from common import lease, queue
from common.errors import AgentError, Stopped
from llm import gateway
from llm.errors import ModelOutputInvalid, ModelRejected
from llm.types import CallTag, ModelReply, ModelRequest, Purpose, Scope
from tools import outside_files
from tools.base import ToolCall
from tools.execute import tool_execute
from tools.registry import model_tools
from tools.taint import outsiders_text


def advance(run: Run) -> Run:
    """Take steps until the run is finished, waits for a person, or has had its minute (then it is enqueued again).

    Raises LeaseHeld where another worker has it, ModelUnavailable and LimitReached where it may be tried later; the
    run stays ready then. Every other end is in `run.state`.
    """
    until = time.monotonic() + limits.SHARE_SECONDS
    with lease.held(run) as epoch:
        reread(run)  # what was read before the claim may be another worker's past
        run.lease_epoch = epoch
        held = Held(run=run, epoch=epoch)
        if run.draft:
            recording.draft_drop(held)  # half a text that a dead worker has left
        try:
            while run.state == Run.State.READY and time.monotonic() < until and not queue.draining():
                step(held)
        except Stopped:
            recording.stop(held)
            return run
        except (RunFailed, ModelRejected, ModelOutputInvalid) as error:
            recording.fail(held, error=str(error))
    if run.state == Run.State.READY:  # only now, when the next worker can have the lease
        queue.enqueue("run.advance", run.pk)
    return run


def reread(run: Run) -> None:
    """The run as it is now; `refresh_from_db`, without the ORM's query building."""
    fresh = Run.objects.raw("SELECT * FROM agents_run WHERE id = %s", [run.pk])[0]
    for field in Run._meta.concrete_fields:
        setattr(run, field.attname, getattr(fresh, field.attname))


def step(held: Held) -> None:
    """One unit: answer the next open call, or ask the model."""
    held.check_stop()
    conversation = rebuild(held.run)
    if conversation.open_calls:
        act(held, conversation, conversation.open_calls[0])
    else:
        limits.check(conversation)
        think(held, conversation)


def think(held: Held, conversation: Conversation) -> ModelReply:
    """A turn of the model, saved before anything follows from it."""
    run, began = held.run, time.monotonic()
    request = ModelRequest(
        purpose=Purpose.WORK,
        system=INSTRUCTION,
        messages=conversation.messages,
        tools=model_tools(),
        max_tokens=limits.ANSWER_TOKENS,
    )
    tag = CallTag(scope=Scope(run.scope), job_ref=run.job_ref, thread_ref=run.thread_ref, person_ref=run.person_ref)
    draft = recording.Draft(held)
    try:
        reply = gateway.call(request, tag=tag, stop=held.must_stop, on_text=draft.add)
    except AgentError:
        if draft.text:
            recording.draft_drop(held)  # nobody may take half an answer for one
        raise
    recording.model_step(held, conversation, reply=reply, seconds=time.monotonic() - began)
    return reply


def act(held: Held, conversation: Conversation, call: ToolCall) -> None:
    """A tool call: run, refused by a person, or parked until one has decided."""
    if (reason := held.run.refused_calls.get(call.call_id)) is not None:
        recording.refused_step(held, conversation, call=call, reason=reason)
        return
    began = time.monotonic()
    try:
        execution = tool_execute(
            call=call,
            run_ref=held.run.ref,
            job_ref=held.run.job_ref,
            epoch=held.epoch,
            approved=is_permitted(held.run, call, conversation),
            context=gate_context(held.run),
            fence=held.fence,
            stop=held.must_stop,
        )
    except ApprovalRequired:
        recording.park(held)
        return
    if not held.run.tainted_by and (source := outsiders_text(execution)):
        recording.taint(held, source)
    outside_files.follow(execution, source=held.run.tainted_by)
    recording.tool_step(held, conversation, execution=execution, seconds=time.monotonic() - began)
