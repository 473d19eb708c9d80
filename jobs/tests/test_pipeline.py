"""From a message to an answer, through real models of everything but the outside."""

import pytest
from django.db import connection

from approvals.models import Approval
from common import queue
from jobs.models import Job
from jobs.services.end import job_cancel
from jobs.states import State
from llm.scripted import call_tool, json_answer, say
from tests.cast import classified, pending, told
from threads.models import Delivery, Message, PairingRequest, Policy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "workspace")]


@pytest.fixture
def meanwhile(model, brain):
    """Does something while the model is being asked the next time."""

    def arrange(deed):
        def interrupted(body):
            model.script = brain
            try:
                deed()
            finally:
                connection.close()  # of the stand-in's thread
            return brain(body)

        model.script = interrupted

    return arrange


def test_a_message_becomes_a_plan_an_ok_and_an_answer(owner, hear, work, states, brain, press):
    brain.turns = [say("Forty-two.")]
    job = hear(owner, "What is the answer?").job
    assert work() == [f"job.begin {job.pk}"]
    job.refresh_from_db()
    assert job.state == State.AWAITING
    assert job.approval == pending()

    press()
    assert work() == [f"run.advance {job.run.pk if job.run else Job.objects.get(pk=job.pk).run_id}"]
    job.refresh_from_db()
    assert job.state == State.DONE
    assert states(job) == ["queued", "classifying", "awaiting_approval", "executing", "done"]
    assert Message.objects.get(role="assistant").text == "Forty-two."
    assert Delivery.objects.filter(text="Forty-two.").count() == 1


def test_the_model_uses_a_tool_and_each_step_is_saved(owner, hear, work, brain, press):
    brain.classification = classified(commands=["echo hello"])
    brain.turns = [call_tool("shell", {"command": "echo hello"}), say("It said hello.")]
    job = hear(owner, "run echo hello").job
    work()
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE, job.error
    assert [step.kind for step in job.run.steps.all()] == ["model", "tool", "model"]
    assert "hello" in job.run.steps.get(number=2).content[0]["content"]
    assert job.run.steps.filter(ledger_entry__isnull=False).count() == 2


def test_a_call_outside_of_the_plan_parks_the_run_and_asks(owner, hear, work, states, brain, workspace, press):
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "hi"}), say("Written.")]
    job = hear(owner, "write a.txt").job
    work()
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.AWAITING
    assert pending().kind == Approval.Kind.TOOL
    assert not (workspace / "a.txt").exists()

    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE, job.error
    assert (workspace / "a.txt").read_text() == "hi"
    assert states(job)[-4:] == ["executing", "awaiting_approval", "executing", "done"]


def test_a_refused_call_is_told_to_the_model_which_goes_on(owner, hear, work, brain, workspace, press):
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "hi"}), say("Then not.")]
    job = hear(owner, "write a.txt").job
    work()
    press()
    work()
    press("skip", note="Not today.")
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert "Not today." in job.run.steps.get(number=2).content[0]["content"]
    assert not (workspace / "a.txt").exists()


def test_a_message_before_the_card_joins_the_job(owner, hear, work, model):
    first = hear(owner, "Hello").job
    second = hear(owner, "and how are you?").job
    assert first == second
    work()
    assert Approval.objects.count() == 1
    asked = str(model.requests[0].body["messages"])
    assert "Hello" in asked
    assert "how are you" in asked


@pytest.mark.django_db(transaction=True)
def test_a_message_during_the_classification_is_classified_too(owner, hear, work, meanwhile, model):
    job = hear(owner, "Hello").job
    meanwhile(lambda: hear(owner, "wait, one more thing"))
    work()
    job.refresh_from_db()
    assert job.revision == 2
    assert len(model.requests) == 2
    assert Approval.objects.count() == 1


def test_a_newer_message_supersedes_a_plan_that_waits(owner, hear, work):
    first = hear(owner, "Do this").job
    work()
    card = pending()
    second = hear(owner, "No, do that").job
    work()
    first.refresh_from_db()
    second.refresh_from_db()
    card.refresh_from_db()
    assert (first.state, second.state, card.state) == (State.SUPERSEDED, State.AWAITING, Approval.State.SUPERSEDED)
    assert "newer message" in told(first)


def test_a_message_waits_its_turn_behind_a_running_job(owner, hear, work, brain, press):
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "hi"}), say("One."), say("Two.")]
    first = hear(owner, "write a.txt").job
    work()
    press()
    work()
    second = hear(owner, "and then this").job
    work()
    second.refresh_from_db()
    assert second.state == State.QUEUED
    press()
    work()
    second.refresh_from_db()
    first.refresh_from_db()
    assert (first.state, second.state) == (State.DONE, State.AWAITING)


@pytest.mark.parametrize(
    ("policy", "changes", "asks"),
    [
        (Policy.EVERY_JOB, {}, True),
        (Policy.ACTIONS, {}, False),
        (Policy.ACTIONS, {"intent": "command"}, True),
        (Policy.ACTIONS, {"needs_confirmation": True}, True),
        (Policy.RISKY, {"intent": "command", "needs_confirmation": True}, False),
    ],
)
def test_the_policy_of_the_thread_decides_about_plan_cards(owner, hear, work, brain, policy, changes, asks):
    brain.classification = classified(**changes)
    received = hear(owner, "Something")
    received.thread.policy = policy
    received.thread.save()
    work()
    received.job.refresh_from_db()
    assert received.job.state == (State.AWAITING if asks else State.DONE)


def test_a_model_that_breaks_its_schema_twice_gives_the_safe_default(owner, hear, work, brain, model):
    model.script = lambda body: json_answer({"intent": "nonsense"}, checked=False)
    job = hear(owner, "Something odd").job
    work()
    job.refresh_from_db()
    assert len(model.requests) == 2
    assert job.state == State.AWAITING
    assert job.classification["needs_confirmation"] is True


def test_cancel_ends_a_waiting_job_and_says_so(owner, hear, work, press):
    job = hear(owner, "Do this").job
    work()
    press("cancel")
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert "Nothing had been done" in told(job)


@pytest.mark.django_db(transaction=True)
def test_cancel_while_the_model_works_stops_the_run(owner, hear, work, meanwhile, brain, press):
    job = hear(owner, "Do this").job
    work()
    press()
    brain.turns = [call_tool("shell", {"command": "echo never"}), say("never")]
    meanwhile(lambda: job_cancel(Job.objects.get(pk=job.pk), actor="person:1"))
    work()
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert job.run.state == "stopped"
    assert job.run.steps.filter(kind="tool").count() == 0


def test_a_stranger_gets_one_refusal_and_no_job(stranger, hear):
    first = hear(stranger, "Let me in")
    second = hear(stranger, "Hello?")
    assert (first.job, second.job, first.message) == (None, None, None)
    assert Delivery.objects.filter(thread=first.thread).count() == 1
    assert PairingRequest.objects.get(person=stranger).first_words == "Let me in"


def test_the_same_message_twice_is_one(owner, hear):
    first = hear(owner, "Hello", external_id="77")
    again = hear(owner, "Hello", external_id="77")
    assert again.message == first.message
    assert Job.objects.count() == 1


def test_a_command_is_obeyed_at_once(owner, hear, work):
    job = hear(owner, "Do this").job
    work()
    received = hear(owner, f"/cancel {job.pk}")
    job.refresh_from_db()
    assert received.job is None
    assert job.state == State.CANCELLED
    hear(owner, "/help")
    assert Delivery.objects.filter(text__contains="/freeze").exists()
    hear(owner, "/nonsense")
    assert Delivery.objects.filter(text__contains="I don't know /nonsense").exists()


def test_freeze_holds_everything_until_resume(owner, hear, work, model):
    hear(owner, "/freeze")
    job = hear(owner, "Hello").job
    work()
    job.refresh_from_db()
    assert job.state == State.QUEUED
    assert model.requests == []
    hear(owner, "/resume")
    queue.enqueue("job.begin", job.pk)
    work()
    job.refresh_from_db()
    assert job.state == State.AWAITING
