"""One task of a run: how it goes on, and every way in which it ends."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from agents import limits, loop
from agents.models import Run
from agents.services import run_answer, run_asks, run_stop
from agents.tests.conftest import advance, lapse, write, writing
from budget.errors import LimitReached
from common.lease import LeaseHeld, LeaseLost
from llm.errors import ModelUnavailable
from llm.scripted import Reply, say
from llm.scripted.replies import call_tools
from ops.switches import switch_set

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workspace")]


def is_free(run: Run) -> bool:
    return Run.objects.filter(pk=run.pk, lease_owner="", lease_expires_at=None).exists()


@pytest.fixture
def opened(open_run):
    """A run whose first hint was taken by a worker; its plan permits one call."""
    run = open_run(writing())
    OrmQ.objects.all().delete()
    return run


def test_a_run_takes_its_steps_in_one_task_and_ends_with_the_answer(opened, model, brain, workspace):
    brain.turns = [write(text="I write."), say("  Written.  ")]
    run = advance(opened)
    run.refresh_from_db()
    assert (run.state, run.answer, run.error, run.draft) == (Run.State.DONE, "Written.", "", "")
    assert run.finished_at is not None
    assert is_free(run)
    assert [step.kind for step in run.steps.all()] == ["model", "tool", "model"]
    assert (workspace / "a.txt").read_text() == "hi"
    assert not OrmQ.objects.exists()


def test_a_cut_answer_is_given_and_says_so(opened, model, brain):
    brain.turns = [say("The first of many", stop_reason="max_tokens")]
    run = advance(opened)
    assert run.state == Run.State.DONE
    assert run.answer == "The first of many\n\n(The answer reached its length limit and was cut here.)"


def test_a_cut_call_is_never_made(opened, model, brain, workspace):
    brain.turns = [Reply(content=write().content, stop_reason="max_tokens")]
    run = advance(opened)
    assert (run.state, run.error) == (Run.State.FAILED, "The answer was cut off at its length limit.")
    assert not (workspace / "a.txt").exists()


@pytest.mark.parametrize("nothing", [Reply(content=[]), say("  \n ")], ids=["no block", "white space"])
def test_an_empty_answer_is_a_failure(opened, model, brain, nothing):
    brain.turns = [nothing]
    run = advance(opened)
    assert (run.state, run.error) == (Run.State.FAILED, "The model gave an empty answer.")


def test_a_models_refusal_is_a_failure(opened, model, brain):
    brain.turns = [say("I would rather", stop_reason="refusal")]
    run = advance(opened)
    assert (run.state, run.answer, run.error) == (Run.State.FAILED, "", "The model refused to do this.")


def test_a_rejected_request_is_a_failure_in_words(opened, model):
    model.fail_next(401)
    run = advance(opened)
    assert run.state == Run.State.FAILED
    assert run.error
    assert is_free(run)


def test_an_unreachable_model_leaves_the_run_ready_for_a_later_try(opened, model):
    model.fail_next(529)
    with pytest.raises(ModelUnavailable):
        advance(opened)
    opened.refresh_from_db()
    assert (opened.state, opened.steps.count()) == (Run.State.READY, 0)
    assert is_free(opened)
    assert advance(opened).state == Run.State.DONE


def test_a_spent_budget_leaves_the_run_ready(opened, model, settings):
    settings.DAILY_COST_LIMIT_USD = 0
    with pytest.raises(LimitReached):
        advance(opened)
    opened.refresh_from_db()
    assert (opened.state, model.requests) == (Run.State.READY, [])
    assert is_free(opened)


def test_a_frozen_run_stays_ready_and_is_not_hinted_at(opened, model):
    switch_set(name="freeze", on=True, actor="person:1")
    run = advance(opened)
    assert (run.state, model.requests) == (Run.State.READY, [])
    assert is_free(run)
    assert not OrmQ.objects.exists()
    switch_set(name="freeze", on=False, actor="person:1")
    assert advance(run).state == Run.State.DONE


def test_a_stopped_run_takes_no_further_step(opened, model):
    run_stop(run=opened)
    run = advance(opened)
    assert (run.state, model.requests) == (Run.State.STOPPED, [])
    assert run.finished_at is not None


def test_a_run_that_was_stopped_while_frozen_ends(opened, model):
    switch_set(name="freeze", on=True, actor="person:1")
    run_stop(run=opened)
    assert advance(opened).state == Run.State.STOPPED


@pytest.mark.usefixtures("draining")
def test_a_draining_worker_hands_the_run_on_once_its_lease_is_free(opened, model):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        run = advance(opened)
    assert (run.state, model.requests) == (Run.State.READY, [])
    assert is_free(run)
    assert OrmQ.objects.get().name() == f"run.advance {run.pk}"
    said = [query["sql"] for query in queries]
    freed = next(place for place, sql in enumerate(said) if "lease_owner = ''" in sql)
    hinted = next(place for place, sql in enumerate(said) if "INSERT INTO django_q_ormq" in sql)
    assert freed < hinted


def test_a_run_that_has_had_its_minute_goes_on_with_the_next_task(opened, model, brain, clock):
    def slowly(body):
        clock.now += limits.SHARE_SECONDS
        return brain(body)

    brain.turns = [write(), say("Done.")]
    model.script = slowly
    run = advance(opened)
    assert (run.state, run.steps.count()) == (Run.State.READY, 1)
    assert is_free(run)
    assert OrmQ.objects.get().name() == f"run.advance {run.pk}"
    assert advance(run).state == Run.State.DONE


def test_a_call_that_must_be_signed_parks_the_run(opened, model, brain, workspace):
    brain.turns = [write("b.txt")]
    run = advance(opened)
    assert (run.state, run.finished_at) == (Run.State.WAITING, None)
    assert is_free(run)
    assert not OrmQ.objects.exists()
    assert not (workspace / "b.txt").exists()


def test_the_calls_of_one_turn_are_asked_about_together(opened, model, brain):
    wanted = [("file_write", {"path": name, "content": "hi"}) for name in ("a.txt", "b.txt", "c.txt")]
    brain.turns = [call_tools(wanted)]
    run = advance(opened)
    assert run.state == Run.State.WAITING
    # The first is in the plan, and was made.
    assert [call.arguments["path"] for call, _ in run_asks(run)] == ["b.txt", "c.txt"]


def test_a_run_that_another_worker_holds_is_left_alone(opened, model):
    Run.objects.update(lease_owner="elsewhere:1:1.00", lease_expires_at=timezone.now() + timedelta(minutes=1))
    with pytest.raises(LeaseHeld):
        advance(opened)
    assert model.requests == []


def test_a_worker_that_read_the_run_too_early_does_not_ask_the_model_again(opened, model):
    too_early = Run.objects.get(pk=opened.pk)
    advance(opened)
    assert loop.advance(too_early).state == Run.State.DONE
    assert len(model.requests) == 1
    assert opened.steps.count() == 1


def test_a_worker_that_read_the_run_too_early_knows_what_was_signed_since(opened, model, brain):
    brain.turns = [write("b.txt"), say("Done.")]
    too_early = Run.objects.get(pk=opened.pk)
    advance(opened)
    (asked,) = [call for call, _ in run_asks(opened)]
    run_answer(run=opened, permit=[writing("b.txt") | {"call_id": asked.call_id}], refuse={})
    assert loop.advance(too_early).state == Run.State.DONE


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_was_taken_over_while_the_model_wrote_changes_nothing(opened, model, brain):
    def meanwhile(body):
        model.script = brain
        lapse(opened)
        try:
            advance(opened)
        finally:
            connection.close()  # of the stand-in's thread
        return say("Too late.")

    brain.turns = [say("In time.")]
    model.script = meanwhile
    with pytest.raises(LeaseLost):
        advance(opened)
    opened.refresh_from_db()
    assert (opened.state, opened.answer) == (Run.State.DONE, "In time.")
    assert [step.epoch for step in opened.steps.all()] == [2]
    assert is_free(opened)
