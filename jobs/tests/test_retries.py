"""What a passing fault of the model does to a job: it waits, is tried again, and at last fails in words."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from agents.models import Run
from budget.models import LedgerEntry, Limit
from common import lease, queue
from jobs.models import Job
from jobs.services import classify, execute
from jobs.services.end import job_retry
from jobs.services.park import MOST_ATTEMPTS
from jobs.states import State
from llm import retries
from llm.errors import Cause, ModelUnavailable
from llm.scripted import call_tool, say
from llm.scripted.faults import End
from tests.cast import pending, told
from threads.models import Delivery, Message

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "workspace")]


@pytest.fixture
def approved(owner, hear, work, press):
    """A job at work: its plan is approved, its run waits for a worker."""
    job = hear(owner, "Do this").job
    work()
    press()
    return job


@pytest.fixture
def again(work):
    """The time of the next try has come."""

    def tried(job):
        Job.objects.filter(pk=job.pk).update(not_before=None)
        queue.enqueue("job.begin", job.pk)
        work()
        job.refresh_from_db()
        return job

    return tried


def in_seconds(job) -> float:
    return (job.not_before - timezone.now()).total_seconds()


def test_a_passing_fault_parks_the_job_and_frees_its_worker(approved, model, work, states, again):
    model.fail_next(529)
    assert work() == [f"run.advance {Job.objects.get().run_id}", f"job.begin {approved.pk}"]
    approved.refresh_from_db()
    assert (approved.state, approved.attempts) == (State.QUEUED, 1)
    assert 0 < in_seconds(approved) < 21
    assert Run.objects.get().lease_owner == ""
    assert again(approved).state == State.DONE
    assert states(approved)[-4:] == ["executing", "queued", "executing", "done"]
    assert Delivery.objects.filter(text="Done.").count() == 1


def test_the_next_try_has_a_wake_up_of_its_own(approved, model, work):
    model.fail_next(429, retry_after=7)
    row = OrmQ.objects.get()
    row.delete()
    queue.execute(row.task["func"], row.task["args"])
    approved.refresh_from_db()
    hint = OrmQ.objects.get()
    assert hint.task["name"] == f"job.begin {approved.pk}"
    assert 7 < in_seconds(approved) < 9
    assert hint.lock >= approved.not_before
    assert queue.backlog(queue.Lane.TALK) == 0


@pytest.mark.parametrize("end", [End.CUT, End.CLOSED, End.ERROR])
def test_of_a_cut_answer_nothing_is_left(approved, model, brain, work, again, monkeypatch, end):
    monkeypatch.setattr("agents.recording.DRAFT_SECONDS", 0.0)
    brain.turns = [say("This half is never seen. " * 20), say("Whole.")]
    model.cut_next(6, end=end)
    work()
    run = Run.objects.get()
    assert (run.draft, run.steps.count(), run.state) == ("", 0, Run.State.READY)
    brain.turns = [say("Whole.")]
    assert again(approved).state == State.DONE
    assert [message.text for message in Message.objects.filter(role="assistant")] == ["Whole."]
    assert "never seen" not in told(approved)
    assert [entry.outcome for entry in LedgerEntry.objects.order_by("pk")] == ["settled", "unknown", "settled"]
    assert set(Limit.objects.values_list("reserved", flat=True)) == {0}


def test_half_a_text_that_a_dead_worker_left_is_taken_away(approved, model, work):
    Run.objects.update(draft="I was about to")
    model.fail_next(529)
    work()
    assert Run.objects.get().draft == ""


def test_a_long_pause_is_obeyed_and_told_once(approved, model, work, again):
    model.fail_next(429, retry_after=120, n=2)
    work()
    approved.refresh_from_db()
    assert 119 < in_seconds(approved) < 122
    assert not OrmQ.objects.exists()
    again(approved)
    assert approved.attempts == 2
    assert told(approved).count("has to wait") == 1
    assert Delivery.objects.get(text__contains="has to wait").purpose == Delivery.Purpose.PROGRESS


def test_a_short_pause_is_not_told(approved, model, work, again):
    model.fail_next(429, retry_after=1)
    work()
    again(approved)
    assert "wait." not in told(approved)


def test_a_pause_beyond_all_measure_fails_in_words(approved, model, work):
    model.fail_next(429, retry_after=86400)
    work()
    approved.refresh_from_db()
    assert (approved.state, approved.cause) == (State.FAILED, "The model: rate limit")
    assert "1,440 minutes" in told(approved)
    assert pending().kind == "retry"


def test_tries_are_counted_by_cause_and_then_it_fails_and_can_be_retried(approved, model, work, again, press):
    for fault in (lambda: model.cut_next(2), lambda: model.fail_next(529)) * 4:
        fault()
        again(approved)
    assert (approved.state, approved.failures) == (State.QUEUED, {Cause.CUT: 4, Cause.OVERLOADED: 4})
    model.cut_next(2)
    again(approved)
    assert (approved.state, approved.cause) == (State.FAILED, "The model: answer cut off")
    assert "I tried 5 times" in told(approved)

    press("retry")
    work()
    approved.refresh_from_db()
    assert (approved.state, approved.failures, approved.cause) == (State.DONE, {}, "")


def test_what_failed_before_the_work_got_on_is_forgotten(approved, model, brain, work, again):
    model.cut_next(2, n=3)
    for _ in range(3):
        again(approved)
    assert approved.failures == {Cause.CUT: 3}
    brain.turns = [call_tool("shell", {"command": "echo hi"})]
    model.script = fails_at_second_turn(model, brain)
    again(approved)
    assert (approved.failures, approved.failing_step, approved.attempts) == ({Cause.OVERLOADED: 1}, 3, 4)


def fails_at_second_turn(model, brain):
    def script(body):
        model.fail_next(529)
        return brain(body)

    return script


def test_a_job_that_fails_and_gets_on_for_ever_has_an_end(approved, model, work):
    Job.objects.update(attempts=MOST_ATTEMPTS - 1)
    model.fail_next(529)
    work()
    approved.refresh_from_db()
    assert approved.state == State.FAILED
    assert f"{MOST_ATTEMPTS} times" in told(approved)


def test_an_hour_of_failures_is_the_end(approved, model, work, again):
    model.fail_next(500, n=2)
    work()
    Job.objects.update(failing_since=timezone.now() - timedelta(seconds=retries.LONGEST_SERIES))
    assert again(approved).state == State.FAILED
    assert "60 minutes" in told(approved)


def test_no_automatic_retry_starts_the_limits_of_a_run_anew(approved, model, brain, work, again):
    brain.turns = [call_tool("shell", {"command": "echo hi"}), say("Done.")]
    model.script = fails_at_second_turn(model, brain)
    work()
    model.script = brain
    assert again(approved).state == State.DONE
    assert Run.objects.get().limits_from == 0


def test_a_refused_key_fails_at_once_and_says_what_to_do(approved, model, work):
    model.fail_next(401)
    work()
    approved.refresh_from_db()
    assert (approved.state, approved.attempts) == (State.FAILED, 0)
    assert "check ANTHROPIC_API_KEY" in told(approved)


def test_the_classification_waits_outside_of_the_worker_too(owner, hear, work, model, again, states):
    job = hear(owner, "Hello").job
    model.fail_next(429, retry_after=30)
    work()
    job.refresh_from_db()
    assert (job.state, job.lease_owner, len(model.requests)) == (State.QUEUED, "", 1)
    assert 29 < in_seconds(job) < 32
    assert told(job).startswith("Your message has to wait.")
    queue.enqueue("job.begin", job.pk)  # too early
    work()
    assert len(model.requests) == 1
    assert again(job).state == State.AWAITING
    assert states(job) == ["queued", "classifying", "queued", "classifying", "awaiting_approval"]


def test_a_classification_that_stays_impossible_fails_in_words(owner, hear, model, again):
    job = hear(owner, "Hello").job
    model.cut_next(1, n=5)
    for _ in range(5):
        again(job)
    assert job.state == State.FAILED
    assert "I tried 5 times" in told(job)


def test_a_small_model_that_is_too_slow_twice_is_done_without(owner, hear, model, again, monkeypatch):
    monkeypatch.setattr(classify, "SECONDS", 0.2)
    model.cut_next(0, end=End.SILENT, n=2)
    job = hear(owner, "Hello").job
    assert again(job).state == State.QUEUED
    again(job)
    assert (job.state, job.classification["confidence"]) == (State.AWAITING, 0.0)


def test_a_hint_that_comes_twice_does_not_take_up_a_run_that_waits_for_its_next_try(approved, model, work):
    model.fail_next(429, retry_after=60)
    work()
    calls = len(model.requests)
    queue.enqueue("run.advance", Run.objects.get().pk)
    work()
    assert len(model.requests) == calls


def test_a_run_that_somebody_else_has_finished_meanwhile_is_told(approved, model, work, again):
    model.fail_next(529)
    work()
    Run.objects.update(state="done", answer="Hi.", finished_at=timezone.now())
    assert again(approved).state == State.DONE
    assert told(approved).endswith("Hi.")


@pytest.mark.parametrize("error", [ModelUnavailable(cause=Cause.CUT), execute.LimitReached("Spent.")])
def test_a_worker_that_was_taken_over_moves_no_job(approved, error):
    run = Run.objects.get()
    run.lease_epoch = lease.claim(run)
    Run.objects.update(lease_epoch=run.lease_epoch + 1)  # somebody else
    execute._not_now(run, error)
    approved.refresh_from_db()
    assert approved.state == State.EXECUTING


def test_a_retry_by_hand_counts_from_nothing(approved, model, work):
    model.fail_next(429, retry_after=86400)
    work()
    approved.refresh_from_db()
    job_retry(approved, actor="user:1")
    approved.refresh_from_db()
    assert (approved.state, approved.attempts, approved.failing_since) == (State.QUEUED, 0, None)
