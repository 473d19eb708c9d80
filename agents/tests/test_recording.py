"""What the loop writes: fenced by the epoch, and a draft that is not written too often."""

import pytest
from django.db import transaction

from agents import loop, recording
from agents.models import Run, Step
from agents.recording import Draft
from agents.resume import rebuild
from agents.services import run_stop
from agents.tests.conftest import advance, hold, lapse, write, writing
from common.errors import Stopped
from common.lease import LeaseLost
from llm.scripted import say
from llm.types import ModelReply
from tools.base import ToolCall
from tools.models import ExecutionState, ToolExecution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workspace")]
CALL = ToolCall(call_id="call_1", name="file_write", arguments={"path": "a.txt", "content": "hi"})


def reply(*, stop_reason: str = "end_turn", text: str = "Done.") -> ModelReply:
    return ModelReply(
        content=[{"type": "text", "text": text}],
        text=text,
        stop_reason=stop_reason,
        model="claude",
        provider="test",
        request_id="req_1",
        ledger_id=None,
        parsed=None,
        tokens=10,
        cost_usd=None,
    )


def executed() -> ToolExecution:
    return ToolExecution(run_ref="run:1", call_id="call_1", name="file_write", state=ExecutionState.DONE)


DEEDS = {
    "a turn with a call": lambda held, talk: recording.model_step(
        held, talk, reply=reply(stop_reason="tool_use"), seconds=1.0
    ),
    "an answer": lambda held, talk: recording.model_step(held, talk, reply=reply(), seconds=1.0),
    "a tool's answer": lambda held, talk: recording.tool_step(held, talk, execution=executed(), seconds=1.0),
    "a person's no": lambda held, talk: recording.refused_step(held, talk, call=CALL, reason="No."),
    "parking": lambda held, talk: recording.park(held),
    "stopping": lambda held, talk: recording.stop(held),
    "failing": lambda held, talk: recording.fail(held, error="It broke."),
}


@pytest.fixture
def stale(open_run):
    """A worker that was stopped for so long that another one has the run now."""
    run = open_run(writing())
    late = hold(run)
    lapse(run)
    hold(run)
    return late


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_worker_that_was_taken_over_writes_nothing(stale, deed):
    before = Run.objects.values().get()
    with pytest.raises(LeaseLost), transaction.atomic():
        deed(stale, rebuild(stale.run))
    assert Run.objects.values().get() == before
    assert not Step.objects.exists()


def test_a_worker_that_was_taken_over_makes_no_call(stale, workspace):
    assert stale.must_stop()
    with pytest.raises(Stopped):
        loop.act(stale, rebuild(stale.run), CALL)
    assert not ToolExecution.objects.exists()
    assert not (workspace / "a.txt").exists()


def test_a_worker_that_was_taken_over_writes_no_draft(stale, clock):
    draft = Draft(stale)
    clock.now += 1
    draft.add("Too late.")
    stale.run.refresh_from_db()
    assert stale.run.draft == ""


def test_a_draft_is_written_at_most_twice_a_second(open_run, clock):
    run = open_run()
    draft, seen = Draft(hold(run)), []
    for piece in "abcdefg":
        clock.now += 0.25
        draft.add(piece)
        run.refresh_from_db()
        seen.append(run.draft)
    assert seen == ["", "ab", "ab", "abcd", "abcd", "abcdef", "abcdef"]


def test_a_draft_is_cleared_when_its_turn_is_saved(open_run, clock):
    run = open_run()
    held = hold(run)
    draft = Draft(held)
    clock.now += 1
    draft.add("I look it up")
    recording.model_step(held, rebuild(run), reply=reply(stop_reason="tool_use"), seconds=1.0)
    run.refresh_from_db()
    assert run.draft == ""


def test_a_draft_that_a_dead_worker_left_is_cleared_too(open_run):
    run = open_run()
    Run.objects.update(draft="I was about to")
    recording.model_step(hold(run), rebuild(run), reply=reply(stop_reason="tool_use"), seconds=1.0)
    run.refresh_from_db()
    assert run.draft == ""


@pytest.mark.parametrize("end", ["an answer", "failing"])
def test_the_end_of_a_run_clears_the_draft(open_run, clock, end):
    run = open_run()
    held = hold(run)
    draft = Draft(held)
    clock.now += 1
    draft.add("The answ")
    DEEDS[end](held, rebuild(run))
    run.refresh_from_db()
    assert run.draft == ""
    assert run.finished_at is not None


def test_a_run_that_is_stopped_just_as_it_parks_does_not_wait_for_ever(open_run):
    run = open_run()
    held = hold(run)
    run_stop(run=run)  # it is at work still: only the flag is raised
    recording.park(held)
    run.refresh_from_db()
    assert run.state == Run.State.STOPPED


def test_a_failed_command_is_told_as_an_error(open_run):
    run = open_run()
    held = hold(run)
    execution = ToolExecution.objects.create(
        run_ref=run.ref,
        call_id="call_1",
        name="shell",
        state=ExecutionState.DONE,
        exit_code=3,
        started_at=run.created_at,
    )
    step = recording.tool_step(held, rebuild(run), execution=execution, seconds=1.0)
    assert step.content == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": "(no output)", "is_error": True}
    ]


def test_each_step_carries_the_epoch_and_the_ledger_entry_of_its_call(open_run, model, brain):
    brain.turns = [write(), say("Done.")]
    run = advance(open_run(writing()))
    first, second, third = run.steps.all()
    assert (first.epoch, second.epoch, third.epoch) == (1, 1, 1)
    assert first.tokens == first.ledger_entry.tokens
    assert third.ledger_entry.job_ref == "job:1"
    assert (second.ledger_entry, second.execution.state) == (None, ExecutionState.DONE)
