"""The sweep finds what was forgotten: lost wake-ups, dead workers, runs that ended just before their worker."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from agents.models import Run
from approvals.models import Approval
from jobs.errors import IllegalMove
from jobs.models import Job
from jobs.services.recover import job_reopen, sweep
from jobs.states import State
from llm.scripted import call_tool, say
from ops.notices import notice
from tests.cast import told
from threads.models import Delivery, Thread
from tools.models import ExecutionState, ToolExecution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "workspace")]
LONG_AGO = timedelta(minutes=10)


def forget_wakeups() -> None:
    OrmQ.objects.all().delete()
    Job.objects.update(moved_at=timezone.now() - LONG_AGO)
    Run.objects.update(created_at=timezone.now() - LONG_AGO)


def test_a_job_whose_wakeup_was_lost_is_begun(owner, hear, work):
    job = hear(owner, "Hello").job
    forget_wakeups()
    sweep()
    work()
    job.refresh_from_db()
    assert job.state == State.AWAITING


def test_a_second_hint_is_not_given_while_the_first_still_waits(owner, hear):
    hear(owner, "Hello")
    Job.objects.update(moved_at=timezone.now() - LONG_AGO)
    sweep()
    assert OrmQ.objects.count() == 1


def test_a_classification_whose_worker_died_is_taken_over(owner, hear, work):
    job = hear(owner, "Hello").job
    Job.objects.update(
        state=State.CLASSIFYING, lease_owner="gone:1:1", lease_epoch=1, lease_expires_at=timezone.now() - LONG_AGO
    )
    forget_wakeups()
    sweep()
    work()
    job.refresh_from_db()
    assert (job.state, job.lease_epoch) == (State.AWAITING, 2)


def test_a_run_whose_worker_died_goes_on_from_its_last_step(owner, hear, work, brain, press, model):
    brain.turns = [call_tool("shell", {"command": "echo once"}), say("Done.")]
    job = hear(owner, "run echo once").job
    work()
    press()
    work()
    job.refresh_from_db()
    # As it would stand had the worker died after the tool and before the answer.
    job.run.steps.get(number=3).delete()
    Run.objects.update(
        state="ready", finished_at=None, answer="", lease_owner="gone:1:1", lease_expires_at=timezone.now() - LONG_AGO
    )
    Job.objects.update(state=State.EXECUTING, finished_at=None)
    job.messages.all()[0].thread.messages.filter(role="assistant").delete()
    calls = len(model.requests)
    forget_wakeups()
    sweep()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert len(model.requests) == calls + 1
    assert ToolExecution.objects.count() == 1
    assert job.run.steps.last().epoch > job.run.steps.first().epoch


def test_a_call_that_was_in_flight_is_reported_as_unknown_and_never_repeated(
    owner, hear, work, brain, press, workspace
):
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "hi"}), say("I don't know whether it worked.")]
    job = hear(owner, "write a.txt").job
    work()
    press()
    work()
    job.refresh_from_db()
    call = job.run.steps.get(number=1).content[-1]
    ToolExecution.objects.create(
        run_ref=job.run.ref,
        call_id=call["id"],
        name="file_write",
        arguments=call["input"],
        state=ExecutionState.STARTED,
        started_at=timezone.now(),
        job_ref=job.ref,
    )
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert "unknown" in job.run.steps.get(number=2).content[0]["content"]
    assert not (workspace / "a.txt").exists()


def test_a_run_that_ended_just_before_its_worker_died_is_settled(owner, hear, work, press):
    job = hear(owner, "Hello").job
    work()
    press()
    Run.objects.update(state="done", answer="Hi.", finished_at=timezone.now())
    OrmQ.objects.all().delete()
    sweep()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert told(job).endswith("Hi.")


def test_a_card_that_nobody_answers_expires_and_can_be_reopened(owner, hear, work, press):
    job = hear(owner, "Hello").job
    work()
    Approval.objects.update(expires_at=timezone.now() - LONG_AGO)
    sweep()
    job.refresh_from_db()
    assert job.state == State.EXPIRED
    assert f"/reopen {job.pk}" in told(job)

    job_reopen(job, actor="person:1")
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    with pytest.raises(IllegalMove):
        job_reopen(job, actor="person:1")


def test_a_parked_run_that_expired_asks_again_for_the_same_call(owner, hear, work, brain, press, workspace):
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "hi"}), say("Done.")]
    job = hear(owner, "write a.txt").job
    work()
    press()
    work()
    Approval.objects.filter(state="pending").update(expires_at=timezone.now() - LONG_AGO)
    sweep()
    job.refresh_from_db()
    assert job.state == State.EXPIRED
    job_reopen(job, actor="person:1")
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert (workspace / "a.txt").read_text() == "hi"


def test_a_notice_reaches_the_owners_private_chat(owner):
    home = Thread.objects.create(channel=owner.channel, address=owner.external_id)
    assert notice(kind="test", key="1", text="The disk is full.")
    assert notice(kind="test", key="1", text="The disk is full.") is None
    sweep()
    sweep()
    assert Delivery.objects.get(thread=home).text == "The disk is full."
