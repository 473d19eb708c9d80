"""What others do with runs: answer what one waits for, let it go on, stop it."""

import pytest
from django_q.models import OrmQ

from agents.models import Run
from agents.services import run_answer, run_asks, run_retry, run_stop
from agents.tests.conftest import advance, answers, write, writing
from common.state import StateConflict
from llm.scripted import say
from llm.scripted.replies import call_tools
from tools.base import ToolCall

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workspace")]
TWO = [("file_write", {"path": name, "content": "hi"}) for name in ("a.txt", "b.txt")]


def signed(call: ToolCall) -> dict[str, object]:
    return {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}


@pytest.fixture
def waiting(open_run, model, brain):
    """A run that waits for a person: two calls of one turn."""
    brain.turns = [call_tools(TWO), say("So it is.")]
    run = advance(open_run())
    assert run.state == Run.State.WAITING
    OrmQ.objects.all().delete()
    return run


def test_an_opened_run_is_ready_and_hinted_at(open_run):
    run = open_run(writing())
    assert (run.state, run.permitted_calls) == (Run.State.READY, [writing()])
    assert OrmQ.objects.get().name() == f"run.advance {run.pk}"


def test_it_asks_for_each_call_with_the_gates_reason(waiting):
    asks = run_asks(waiting)
    assert [(call.name, call.arguments) for call, _ in asks] == TWO
    assert all(verdict.reason for _, verdict in asks)


def test_an_ok_lets_the_run_make_exactly_those_calls(waiting, workspace):
    run_answer(run=waiting, permit=[signed(call) for call, _ in run_asks(waiting)], refuse={})
    assert OrmQ.objects.get().name() == f"run.advance {waiting.pk}"
    run = advance(waiting)
    assert (run.state, run.answer) == (Run.State.DONE, "So it is.")
    assert sorted(path.name for path in workspace.iterdir()) == ["a.txt", "b.txt"]


def test_an_ok_to_some_calls_keeps_asking_for_the_rest(waiting, workspace):
    first, second = [call for call, _ in run_asks(waiting)]
    run_answer(run=waiting, permit=[signed(first)], refuse={})
    run = advance(waiting)
    assert run.state == Run.State.WAITING
    assert [call for call, _ in run_asks(run)] == [second]
    assert [path.name for path in workspace.iterdir()] == ["a.txt"]


def test_a_refused_call_is_told_with_the_persons_reason_and_not_made(waiting, workspace):
    first, second = [call for call, _ in run_asks(waiting)]
    run_answer(run=waiting, permit=[], refuse={first.call_id: "Not today.", second.call_id: ""})
    run = advance(waiting)
    assert run.state == Run.State.DONE
    assert [each["content"] for each in answers(run)] == [
        "The owner refused this call. Not today.",
        "The owner refused this call.",
    ]
    assert all(each["is_error"] for each in answers(run))
    assert list(workspace.iterdir()) == []


def test_one_call_may_be_signed_and_the_other_refused(waiting, workspace):
    first, second = [call for call, _ in run_asks(waiting)]
    run_answer(run=waiting, permit=[signed(second)], refuse={first.call_id: "No."})
    run = advance(waiting)
    assert [each["is_error"] for each in answers(run)] == [True, False]
    assert [path.name for path in workspace.iterdir()] == ["b.txt"]


def test_a_refused_call_may_not_be_made_by_asking_again(waiting, brain):
    first, second = [call for call, _ in run_asks(waiting)]
    run_answer(run=waiting, permit=[], refuse={first.call_id: "No.", second.call_id: "No."})
    brain.turns = [write()]
    run = advance(waiting)
    assert run.state == Run.State.WAITING
    assert len(run_asks(run)) == 1


def test_a_second_answer_is_refused(waiting):
    run_answer(run=waiting, permit=[], refuse={})
    with pytest.raises(StateConflict):
        run_answer(run=waiting, permit=[writing()], refuse={})
    waiting.refresh_from_db()
    assert waiting.permitted_calls == []


def test_a_waiting_run_that_is_stopped_ends_at_once(waiting, model):
    run_stop(run=waiting)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.stop_requested) == (Run.State.STOPPED, True)
    assert waiting.finished_at is not None
    with pytest.raises(StateConflict):
        run_answer(run=waiting, permit=[], refuse={})
    assert len(model.requests) == 1


def test_stopping_a_finished_run_changes_nothing_of_it(open_run, model):
    run = advance(open_run())
    run_stop(run=run)
    run.refresh_from_db()
    assert (run.state, run.answer) == (Run.State.DONE, "Done.")


def test_a_failed_run_goes_on_from_its_last_step(open_run, model, brain):
    brain.turns = [write(), say("No.", stop_reason="refusal"), say("Well, then.")]
    run = advance(open_run(writing()))
    run_retry(run=run)
    run.refresh_from_db()
    assert (run.state, run.error, run.finished_at) == (Run.State.READY, "", None)
    run = advance(run)
    assert (run.state, run.answer) == (Run.State.DONE, "Well, then.")
    assert len(answers(run)) == 1


def test_a_ready_run_is_only_hinted_at_again(open_run):
    run = open_run()
    run_retry(run=run)
    assert OrmQ.objects.count() == 2


def test_a_stopped_run_is_not_retried(open_run):
    run = open_run()
    Run.objects.update(state=Run.State.STOPPED, finished_at=run.created_at)
    with pytest.raises(StateConflict):
        run_retry(run=run)


def test_a_run_that_has_ended_is_looked_at_again_for_its_job_to_be_told(open_run, model):
    run = advance(open_run())
    OrmQ.objects.all().delete()
    assert run_retry(run=run).state == Run.State.DONE
    assert OrmQ.objects.count() == 1
