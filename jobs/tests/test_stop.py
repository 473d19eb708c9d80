"""Stop stops: within five seconds, whatever is at work, with a list of what had been done."""

import functools

import pytest

from agents.models import Run
from jobs.models import Job
from jobs.services import begin, execute
from jobs.services.end import job_cancel
from jobs.states import State
from jobs.tests.workers import wait_until, worker
from llm.scripted import call_tool, say
from ops.switches import switch_set
from tests.cast import told
from threads.models import Delivery
from tools.models import ExecutionState, ToolExecution
from tools.tests.conftest import processes_with, seconds_that_mark

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("model", "workspace")]
SECONDS = 5.0

COMMANDS = {
    "sleeps": "sleep {mark}",
    "has twenty children": "for i in $(seq 20); do sleep {mark} & done; wait",
    "has detached itself": "(setsid sleep {mark} &); (nohup sleep {mark} >/dev/null 2>&1 &); "
    "bash -c '(setsid sleep {mark} & ) & disown'; sleep {mark}",
    "hears no signal": "trap '' TERM INT HUP; sleep {mark}; sleep {mark}",
}


def by_command(text):
    return lambda owner, hear, job: hear(owner, text.format(job=job.pk))


STOPS = {
    "/cancel": by_command("/cancel {job}"),
    "/stop": by_command("/stop"),
    "the admin": lambda owner, hear, job: job_cancel(Job.objects.get(pk=job.pk), actor="user:1"),
}


def ended(process) -> bool:
    return not process.is_alive()


@pytest.mark.parametrize("means", ["bubblewrap", "no_bubblewrap"])
@pytest.mark.parametrize("does", COMMANDS)
def test_a_command_is_ended_with_all_that_it_started(request, owner, hear, approve, brain, means, does):
    request.getfixturevalue(means)
    mark = seconds_that_mark(f"{does} {means}")
    command = COMMANDS[does].format(mark=mark)
    job = approve(commands=[command])
    brain.turns = [call_tool("shell", {"command": command})]
    with worker(functools.partial(execute.run_advance, job.run_id)) as process:
        wait_until(lambda: bool(processes_with(f"sleep {mark}")))
        hear(owner, f"/cancel {job.pk}")
        wait_until(lambda: not processes_with(mark) and ended(process), seconds=SECONDS)
    job.refresh_from_db()
    assert (job.state, job.run.state) == (State.CANCELLED, Run.State.STOPPED)
    assert ToolExecution.objects.get().state == ExecutionState.STOPPED
    text = Delivery.objects.filter(text__contains="is cancelled").get().text
    assert "Done before that:\n- shell" in text
    assert "was at work; it is being ended now" in text


@pytest.mark.parametrize("stop", STOPS)
def test_a_stream_of_the_model_is_ended(owner, hear, approve, model, brain, stop):
    job = approve()
    brain.turns = [say("word " * 2000, pause=0.05)]
    with worker(functools.partial(execute.run_advance, job.run_id)) as process:
        wait_until(lambda: Run.objects.exclude(draft="").exists())
        STOPS[stop](owner, hear, job)
        wait_until(lambda: ended(process), seconds=SECONDS)
    job.refresh_from_db()
    assert (job.state, job.run.state, job.run.draft) == (State.CANCELLED, Run.State.STOPPED, "")
    assert Delivery.objects.filter(text__contains="Nothing had been done.").exists()


@pytest.mark.parametrize("door", ["the chat", "the kill switch in the admin"])
@pytest.mark.parametrize("does", ["writes", "sleeps"])
def test_freezing_ends_both_and_what_was_interrupted_can_go_on(owner, hear, approve, brain, bubblewrap, door, does):
    mark = seconds_that_mark(f"{door} {does}")
    command = f"sleep {mark}"
    job = approve(commands=[command])
    brain.turns = [say("word " * 2000, pause=0.05)] if does == "writes" else [call_tool("shell", {"command": command})]
    with worker(functools.partial(execute.run_advance, job.run_id)) as process:
        wait_until(lambda: Run.objects.exclude(draft="").exists() or bool(processes_with(mark)))
        if door == "the chat":
            hear(owner, "/freeze")
        else:
            switch_set(name="freeze", on=True, actor="user:1")
        wait_until(lambda: not processes_with(mark) and ended(process), seconds=SECONDS)
    run = Run.objects.get()
    assert (run.state, run.draft, run.lease_owner) == (Run.State.READY, "", "")
    hear(owner, "/resume")
    brain.turns = [say("Now.")]
    execute.run_advance(run.pk)
    job.refresh_from_db()
    assert (job.state, told(job).endswith("Now.")) == (State.DONE, True)


def test_a_stop_needs_no_worker_even_when_all_are_waiting_for_a_silent_model(owner, hear, model):
    jobs = [hear(owner, "Hello", address=f"chat {number}").job for number in range(2)]
    model.delay(30.0)
    with (
        worker(functools.partial(begin.job_begin, jobs[0].pk)) as first,
        worker(functools.partial(begin.job_begin, jobs[1].pk)) as second,
    ):
        wait_until(lambda: len(model.requests) == 2 or Job.objects.filter(state=State.CLASSIFYING).count() == 2)
        for number in range(2):
            hear(owner, "/stop", address=f"chat {number}")
        assert set(Job.objects.values_list("state", flat=True)) == {State.CANCELLED}
        wait_until(lambda: ended(first) and ended(second), seconds=SECONDS)
    assert Delivery.objects.filter(text__contains="is cancelled. Nothing had been done.").count() == 2


def test_a_job_that_never_found_a_worker_is_cancelled_at_once_and_starts_nothing(owner, hear, work, approve, model):
    job, calls = approve(), len(model.requests)
    hear(owner, "/stop")
    work()
    job.refresh_from_db()
    assert (job.state, job.run.state) == (State.CANCELLED, Run.State.STOPPED)
    assert len(model.requests) == calls
