"""Whoever has heard nothing for too long is told what is going on: in words, once a deadline, ever more seldom."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from agents.models import Run
from approvals.models import Approval
from jobs.models import Job, JobMessage, Question
from jobs.services.recover import sweep
from jobs.services.silence import LONGEST, interval_after, silence_break
from jobs.states import State
from ops.switches import switch_set
from tests.cast import told
from threads.models import Delivery, Message

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "workspace")]


def wait(**time: float) -> None:
    """Time passes: all that stands in the rows is that much older."""
    gone = timedelta(**time)
    for model, fields in (
        (Message, ("due_at", "created_at", "said_at")),
        (Delivery, ("created_at",)),
        (Job, ("moved_at", "created_at", "not_before")),
        (Run, ("created_at", "lease_expires_at")),
    ):
        for row in model.objects.all():
            changes = {name: getattr(row, name) - gone for name in fields if getattr(row, name) is not None}
            model.objects.filter(pk=row.pk).update(**changes)


def words() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("text", flat=True))


def test_before_the_deadline_nothing_is_said(owner, hear):
    hear(owner, "Hello")
    wait(minutes=9)
    assert silence_break() == 0
    assert words() == []


def test_a_queued_message_is_told_that_it_waits_for_a_worker(owner, hear):
    job = hear(owner, "Hello").job
    wait(minutes=11)
    assert silence_break() == 1
    assert words() == [f"Job {job.pk} waits for a free worker (tasks in the queue: 1). It is not forgotten."]
    row = Delivery.objects.get()
    assert (row.purpose, row.job_ref) == ("progress", job.ref)


def test_it_is_told_once_a_deadline_and_ever_more_seldom(owner, hear):
    hear(owner, "Hello")
    said = []
    for _ in range(70):  # an hour and ten minutes
        wait(minutes=1)
        said.append(silence_break())
    assert [minute for minute, count in enumerate(said, 1) if count] == [10, 30, 70]
    assert Message.objects.get().reminders == 3
    assert interval_after(30) == LONGEST


def test_a_message_behind_another_job_is_told_which(owner, hear, work, press):
    first = hear(owner, "Hello").job
    work()
    press()
    OrmQ.objects.all().delete()
    second = hear(owner, "And then?").job
    wait(minutes=11)
    silence_break()
    text = words()[-1]
    assert f"Job {second.pk} waits for its turn behind job {first.pk}, which is at work since" in text
    assert f"/cancel {first.pk}" in text
    assert f"Job {first.pk} (A question) waits for a free worker, after 0 steps" in text


def test_work_that_takes_long_says_how_far_it_is(owner, hear, work, press):
    job = hear(owner, "Hello").job
    work()
    press()
    wait(minutes=11)
    Run.objects.update(lease_owner="somebody", lease_expires_at=timezone.now() + timedelta(seconds=10))
    silence_break()
    assert "is at work since" in words()[-1]
    assert "0 steps so far" in words()[-1]
    assert f"/cancel {job.pk}" in words()[-1]


def test_a_message_that_waits_for_the_model_is_told_when_the_next_try_is(owner, hear):
    job = hear(owner, "Hello").job
    wait(minutes=11)
    job.events.update(reason="Trying again in 90 s: the model is overloaded.")
    Job.objects.update(not_before=timezone.now() + timedelta(seconds=90))
    silence_break()
    assert "I try again at" in words()[0]
    assert "overloaded" in words()[0]


def test_under_a_freeze_it_is_told_who_froze_and_what_ends_it(owner, hear):
    hear(owner, "Hello")
    switch_set(name="freeze", on=True, actor="person:1", reason="too hot")
    wait(minutes=11)
    silence_break()
    assert "everything is frozen since" in words()[0]
    assert "(too hot)" in words()[0]
    assert "/resume" in words()[0]


def test_a_card_is_an_answer_and_what_has_ended_owes_nothing(owner, hear, work, press):
    job = hear(owner, "Hello").job
    work()
    before = words()
    wait(minutes=11)
    assert silence_break() == 0
    assert Message.objects.get(role="user").due_at is not None  # it is watched until the job ends
    press()
    work()
    wait(minutes=11)
    silence_break()
    assert Message.objects.get(role="user").due_at is None
    assert told(job).startswith(before[0])
    assert "Job" not in words()[-1]


def test_a_command_was_answered_at_once(owner, hear):
    hear(owner, "/jobs")
    wait(minutes=11)
    assert silence_break() == 0
    assert Message.objects.get().due_at is None


def test_a_message_without_a_job_gets_one(owner, hear, work):
    hear(owner, "Hello")
    JobMessage.objects.all().delete()
    Job.objects.all().delete()
    OrmQ.objects.all().delete()
    wait(minutes=11)
    assert silence_break() == 1
    job = Job.objects.get()
    assert (job.state, job.messages.get().text) == (State.QUEUED, "Hello")
    assert "I had not taken up what you wrote at" in words()[0]
    assert silence_break() == 0
    work()
    job.refresh_from_db()
    assert job.state == State.AWAITING


def test_several_messages_of_a_chat_are_told_together(owner, hear):
    for number in range(3):
        hear(owner, f"Hello {number}")
    Job.objects.update(run=None)
    wait(minutes=11)
    assert silence_break() == 1
    assert len(words()) == 1


def test_the_sweep_goes_on_where_one_of_its_parts_fails(owner, hear, monkeypatch):
    from jobs.services import recover

    def broken() -> None:
        raise ValueError("a corrupt row")

    hear(owner, "Hello")
    wait(minutes=11)
    monkeypatch.setattr(recover, "PARTS", (broken, *recover.PARTS))
    sweep()
    assert len(words()) == 1


def test_a_question_about_a_card_is_no_message_without_a_job(owner, hear, work):
    job = hear(owner, "Hello").job
    work()
    message = Message.objects.create(
        thread=job.thread, role="user", person=owner, text="Why?", said_at=timezone.now(), due_at=timezone.now()
    )
    question = Question.objects.create(job=job, approval=job_card(job), message=message)
    assert silence_break() == 1
    assert "is not answered yet" in words()[-1]
    assert Job.objects.count() == 1
    Question.objects.filter(pk=question.pk).update(answered_at=timezone.now())
    wait(minutes=21)
    silence_break()
    message.refresh_from_db()
    assert message.due_at is None


def job_card(job: Job) -> Approval:
    return Approval.objects.get(subject=job.ref, state="pending")
