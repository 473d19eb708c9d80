"""How far a run may go, and what does not count."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents import limits
from agents.errors import LimitExceeded
from agents.models import Run, Step
from agents.resume import rebuild
from agents.services import run_retry
from agents.tests.conftest import advance, answers, line, write, writing
from llm.scripted import call_tool, say

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workspace")]


def took(run: Run, *, turns: int = 1, tokens: int = 0, seconds: float = 0.0) -> None:
    """The run has had so many turns, each with a call that was answered."""
    for turn in range(turns):
        call = {"type": "tool_use", "id": f"call_{turn}", "name": "file_list", "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"call_{turn}", "content": "(no output)"}
        common = {"run": run, "epoch": 1, "seconds": seconds / 2}
        Step.objects.create(
            **common, number=2 * turn + 1, kind="model", content=[call], stop_reason="tool_use", tokens=tokens
        )
        Step.objects.create(**common, number=2 * turn + 2, kind="tool", content=[result])


@pytest.mark.parametrize(
    ("past", "words"),
    [
        ({"turns": limits.TURNS}, "after 50 model turns"),
        ({"tokens": limits.TOKENS}, "after 1,000,000 tokens"),
        ({"seconds": limits.SECONDS}, "after an hour of work"),
    ],
)
def test_a_run_at_a_limit_ends_in_words_and_asks_no_model(open_run, model, past, words):
    run = open_run()
    took(run, **past)
    run = advance(run)
    assert run.state == Run.State.FAILED
    assert words in run.error
    assert model.requests == []


@pytest.mark.parametrize(
    "past", [{"turns": limits.TURNS - 1}, {"tokens": limits.TOKENS - 1}, {"seconds": limits.SECONDS - 1}]
)
def test_a_run_just_below_a_limit_goes_on(open_run, model, past):
    run = open_run()
    took(run, **past)
    assert advance(run).state == Run.State.DONE


def test_the_tokens_and_the_seconds_of_a_turn_are_counted(open_run, model, brain, clock):
    def slowly(body):
        clock.now += limits.SECONDS
        return brain(body)

    brain.turns = [write()]
    model.script = slowly
    run = advance(open_run(writing()))
    assert run.state == Run.State.READY
    assert run.steps.get(number=1).seconds == limits.SECONDS
    assert run.steps.get(number=1).tokens > 0
    assert "after an hour" in advance(run).error


def test_waiting_for_a_person_counts_towards_nothing(open_run, model):
    run = open_run()
    Run.objects.update(created_at=timezone.now() - timedelta(days=3))
    assert advance(run).state == Run.State.DONE


def test_a_broken_call_is_told_to_the_model_once(open_run, model, brain):
    brain.turns = [call_tool("launch_rocket", {}), say("There is none.")]
    run = advance(open_run())
    assert run.state == Run.State.DONE
    (told,) = answers(run)
    assert "There is no tool called launch_rocket" in told["content"]
    assert told["is_error"]


@pytest.mark.parametrize("second", [("launch_rocket", {}), ("shell", {}), ("file_list", {"path": 5})])
def test_a_second_broken_call_ends_the_run(open_run, model, brain, second):
    brain.turns = [call_tool("launch_rocket", {}), call_tool(*second), say("never")]
    run = advance(open_run())
    assert (run.state, len(model.requests)) == (Run.State.FAILED, 2)
    assert "twice called a tool in a way that can't work" in run.error


def test_calls_that_merely_fail_do_not_end_a_run(open_run, model, brain):
    missing = {"path": "missing.txt"}
    brain.turns = [call_tool("file_read", missing) for _ in range(3)] + [say("It is not there.")]
    run = advance(open_run(*[line("file_read", **missing)] * 3))
    assert run.state == Run.State.DONE, run.error
    assert [each["is_error"] for each in answers(run)] == [True] * 3


def test_calls_that_the_gate_refuses_do_not_end_a_run(open_run, model, brain):
    brain.turns = [call_tool("shell", {"command": "cat /etc/shadow"}) for _ in range(3)] + [say("I may not.")]
    run = advance(open_run())
    assert run.state == Run.State.DONE, run.error
    assert all(each["content"].startswith("Refused: ") for each in answers(run))


def test_a_retry_gives_a_run_that_reached_a_limit_its_limits_anew(monkeypatch):
    monkeypatch.setattr(limits, "TURNS", 1)
    run = Run.objects.create(job_ref="job:1", opening=[{"role": "user", "content": []}])
    Step.objects.create(run=run, number=1, epoch=1, kind=Step.Kind.MODEL, content=[], stop_reason="end_turn")
    with pytest.raises(LimitExceeded):
        limits.check(rebuild(run))
    Run.objects.filter(pk=run.pk).update(state=Run.State.FAILED, finished_at=timezone.now())
    limits.check(rebuild(run_retry(run=run)))
