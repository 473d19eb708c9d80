"""A fresh worker rebuilds the conversation from the steps, wherever the last one died."""

import pytest

from agents.models import Run, Step
from agents.resume import is_permitted, rebuild, signature
from agents.services import run_answer, run_asks, run_retry
from agents.tests.conftest import OPENING, advance, answers, lapse, line, write, writing
from llm.scripted import Reply, say
from llm.scripted.replies import call_tools
from tools.base import ToolCall
from tools.models import ToolExecution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workspace")]


def call(name: str, call_id: str = "call_9", **arguments: object) -> ToolCall:
    return ToolCall(call_id=call_id, name=name, arguments=arguments)


def die_after(run: Run, *, steps: int, executions: int) -> None:
    """As the rows would stand had the worker died after so many steps and settled calls."""
    run.steps.filter(number__gt=steps).delete()
    kept = ToolExecution.objects.order_by("pk").values_list("pk", flat=True)[:executions]
    ToolExecution.objects.exclude(pk__in=list(kept)).delete()
    Run.objects.update(state=Run.State.READY, finished_at=None, answer="")
    lapse(run)


@pytest.mark.parametrize(
    ("steps", "executions"),
    [(0, 0), (1, 0), (1, 1), (2, 1), (3, 1), (3, 2), (4, 2)],
    ids=lambda count: str(count),
)
def test_a_run_goes_on_from_wherever_its_worker_died(open_run, model, brain, workspace, steps, executions):
    turns = [write("a.txt", "one"), write("b.txt", "two"), say("Both are written.")]
    brain.turns = list(turns)
    run = advance(open_run(writing("a.txt", "one"), writing("b.txt", "two")))
    asked = len(model.requests)
    die_after(run, steps=steps, executions=executions)
    brain.turns = turns[(steps + 1) // 2 :]

    again = advance(run)
    assert (again.state, again.answer) == (Run.State.DONE, "Both are written.")
    assert len(model.requests) - asked == 3 - (steps + 1) // 2
    assert [step.kind for step in again.steps.all()] == ["model", "tool", "model", "tool", "model"]
    assert [step.epoch for step in again.steps.all()] == [1] * steps + [2] * (5 - steps)
    assert ToolExecution.objects.count() == 2
    assert (workspace / "b.txt").read_text() == "two"
    assert model.errors == []


def test_the_conversation_is_the_opening_and_the_steps(open_run, model, brain):
    brain.turns = [
        call_tools([("file_write", each["arguments"]) for each in (writing("a.txt"), writing("b.txt"))], text="Both."),
        say("Done."),
    ]
    run = advance(open_run(writing("a.txt"), writing("b.txt")))
    opening, turn, results = model.requests[-1].body["messages"]
    assert opening["role"] == "user"
    assert [block["type"] for block in turn["content"]] == ["text", "tool_use", "tool_use"]
    # Both answers stand in one message, in the order of the calls.
    assert [block["tool_use_id"] for block in results["content"]] == [block["id"] for block in turn["content"][1:]]
    assert rebuild(run).turns == 2
    assert rebuild(run).next_number == 5


def test_a_rebuilt_conversation_does_not_change_the_opening(open_run):
    run = open_run()
    Step.objects.create(run=run, number=1, epoch=1, kind="model", content=[], stop_reason="end_turn")
    assert rebuild(run).messages == OPENING
    assert run.opening == OPENING


@pytest.mark.parametrize(
    "last",
    [say("I would rather", stop_reason="refusal"), Reply(content=[]), say("  ")],
    ids=["refused", "no block", "white space"],
)
def test_a_retried_run_is_asked_anew_for_the_turn_that_ended_it(open_run, model, brain, last):
    brain.turns = [last]
    run = advance(open_run())
    assert run.state == Run.State.FAILED
    run_retry(run=run)
    assert advance(run).state == Run.State.DONE
    assert model.requests[-1].body["messages"] == model.requests[0].body["messages"]


@pytest.mark.parametrize("last", [say("I would rather", stop_reason="refusal"), Reply(content=[])])
def test_a_turn_that_ended_a_run_is_not_told_later_either(open_run, model, brain, last):
    brain.turns = [last, write(), say("Done.")]
    run = advance(open_run(writing()))
    run_retry(run=run)
    run = advance(run)
    assert run.state == Run.State.DONE, run.error
    assert [message["role"] for message in model.requests[-1].body["messages"]] == ["user", "assistant", "user"]


def test_a_call_of_a_turn_that_was_broken_off_by_a_refusal_is_never_made(open_run, model, brain, workspace):
    brain.turns = [Reply(content=write(text="I beg").content, stop_reason="refusal")]
    run = advance(open_run(writing()))
    assert run.state == Run.State.FAILED
    run_retry(run=run)
    assert advance(run).state == Run.State.DONE
    assert not (workspace / "a.txt").exists()


def test_the_order_of_arguments_makes_no_other_call():
    assert signature(call("file_write", path="a", content="b")) == signature(call("file_write", content="b", path="a"))


def test_the_time_limit_of_a_command_is_not_signed():
    short, long = call("shell", command="ls", timeout=5), call("shell", command="ls", timeout=500)
    assert signature(short) == signature(long) == signature(call("shell", command="ls"))
    assert signature(short) != signature(call("shell", command="ls -a", timeout=5))


def test_a_bound_of_one_tool_is_an_argument_of_another():
    assert signature(call("file_write", timeout=5)) != signature(call("file_write"))


@pytest.mark.parametrize(
    "other",
    [
        call("file_write", path="a.txt", content="ho"),
        call("file_write", path="b.txt", content="hi"),
        call("file_delete", path="a.txt", content="hi"),
        call("file_write", path="a.txt", content="hi", more=None),
    ],
    ids=["content", "path", "tool", "argument"],
)
def test_only_exactly_what_was_signed_is_permitted(open_run, other):
    run = open_run(writing())
    assert is_permitted(run, call("file_write", path="a.txt", content="hi"), rebuild(run))
    assert not is_permitted(run, other, rebuild(run))


def test_what_was_signed_by_its_id_permits_that_call_only(open_run):
    run = open_run(writing() | {"call_id": "call_1"})
    wanted = {"path": "a.txt", "content": "hi"}
    assert is_permitted(run, call("file_write", "call_1", **wanted), rebuild(run))
    assert not is_permitted(run, call("file_write", "call_2", **wanted), rebuild(run))


def test_two_lines_of_a_plan_permit_two_calls(open_run, model, brain):
    brain.turns = [write(), write(), write(), say("Thrice.")]
    run = advance(open_run(writing(), writing()))
    assert (run.state, len(answers(run))) == (Run.State.WAITING, 2)
    (asked,) = [each for each, _ in run_asks(run)]
    run_answer(run=run, permit=[line(asked.name, **asked.arguments) | {"call_id": asked.call_id}], refuse={})
    run = advance(run)
    assert (run.state, len(answers(run))) == (Run.State.DONE, 3)


def test_two_lines_permit_two_calls_of_one_turn_as_well(open_run, model, brain):
    brain.turns = [call_tools([("file_write", writing()["arguments"])] * 3)]
    run = advance(open_run(writing(), writing()))
    assert (run.state, len(answers(run)), len(run_asks(run))) == (Run.State.WAITING, 2, 1)


def test_a_permitted_command_may_have_another_time_limit(open_run, model, brain):
    brain.turns = [call_tools([("shell", {"command": "true", "timeout": 7})]), say("Done.")]
    run = advance(open_run(line("shell", command="true")))
    assert (run.state, len(answers(run))) == (Run.State.DONE, 1)
