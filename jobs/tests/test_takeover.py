"""A worker that is stopped in the middle of a step, taken over, and woken: nothing of what it does then counts."""

import functools

import pytest

from agents.models import Run
from approvals.models import Approval
from budget.models import LedgerEntry
from jobs.models import Job
from jobs.services import begin, execute
from jobs.states import State
from jobs.tests.workers import freeze, lapse, wait_until, wake_to_its_end, worker
from llm.scripted import call_tool, say
from tests.cast import classified, told
from threads.models import Delivery, Message
from tools.models import ExecutionState, ToolExecution
from tools.tests.conftest import processes_with, seconds_that_mark

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("model", "workspace")]


def answers() -> list[str]:
    return list(Message.objects.filter(role="assistant").values_list("text", flat=True))


def test_a_worker_stopped_while_the_model_writes_changes_nothing_when_it_wakes(approve, model, brain):
    job = approve()
    before = len(model.requests)
    brain.turns = [say("Too late. " * 200, pause=0.05), say("In time.")]
    with worker(functools.partial(execute.run_advance, job.run_id)) as first:
        wait_until(lambda: len(model.requests) > before)
        wait_until(lambda: Run.objects.exclude(draft="").exists())
        freeze(first)
        lapse()
        execute.run_advance(job.run_id)
        assert answers() == ["In time."]
        wake_to_its_end(first)
    job.refresh_from_db()
    assert (job.state, answers()) == (State.DONE, ["In time."])
    assert [step.epoch for step in job.run.steps.all()] == [2]
    assert (job.run.draft, job.run.lease_owner) == ("", "")
    assert Delivery.objects.filter(text="In time.").count() == 1
    assert "Too late" not in told(job)
    # Its own call is charged, once, as one whose end nobody knows: it was cut as soon as it woke.
    work = LedgerEntry.objects.filter(purpose="work").order_by("reservation_id")
    assert [entry.outcome for entry in work] == ["unknown", "settled"]


@pytest.mark.parametrize("where", ["inside of bubblewrap", "without it"])
def test_a_worker_stopped_in_a_call_has_no_process_left_and_tells_nothing(approve, brain, workspace, request, where):
    request.getfixturevalue("bubblewrap" if where.startswith("inside") else "no_bubblewrap")
    mark = seconds_that_mark(where)
    command = f"echo once >> effect.txt; (setsid sleep {mark} &); sleep {mark}"
    job = approve(commands=[command])
    brain.turns = [call_tool("shell", {"command": command}), say("Who knows.")]
    with worker(functools.partial(execute.run_advance, job.run_id)) as first:
        wait_until(lambda: (workspace / "effect.txt").exists() and bool(processes_with(mark)))
        freeze(first)
        lapse()
        execute.run_advance(job.run_id)
        wait_until(lambda: not processes_with(mark), seconds=5)
        wake_to_its_end(first)
    job.refresh_from_db()
    assert (job.state, answers()) == (State.DONE, ["Who knows."])
    assert (workspace / "effect.txt").read_text() == "once\n"
    call = ToolExecution.objects.get()
    assert (call.state, call.epoch) == (ExecutionState.UNKNOWN, 2)
    assert [step.epoch for step in job.run.steps.order_by("number")] == [1, 2, 2]
    assert "The outcome of this call is unknown" in str(job.run.steps.get(number=2).content)


def test_a_worker_stopped_while_it_classifies_changes_nothing_when_it_wakes(owner, hear, model, brain):
    job = hear(owner, "Hello").job
    model.delay(0.5)
    with worker(functools.partial(begin.job_begin, job.pk)) as first:
        wait_until(lambda: Job.objects.filter(state=State.CLASSIFYING).exists())
        freeze(first)
        model.delay(0.0)
        brain.classification = classified(summary="As the second understood it")
        Job.objects.update(lease_expires_at=job.created_at)
        begin.job_begin(job.pk)
        brain.classification = classified(summary="As the first did")
        seen = Job.objects.values().get()
        wake_to_its_end(first)
    assert Job.objects.values().get() == seen
    assert (seen["state"], seen["summary"]) == (State.AWAITING, "As the second understood it")
    assert Approval.objects.count() == 1
