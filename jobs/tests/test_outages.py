"""After an outage: what was interrupted long ago is not revived, cards get their time back, and the master is told."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from agents.models import Run
from approvals.models import Approval
from jobs import tasks
from jobs.models import Job
from jobs.services.digest import outages_digest
from jobs.services.outages import lapsed_end, outages_settle
from jobs.services.recover import sweep
from jobs.states import State
from llm.scripted import call_tool, say
from ops.models import Notice, Outage
from tests.cast import pending, told
from threads.models import Delivery, Message, Thread

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "workspace")]


@pytest.fixture(autouse=True)
def _a_worker_that_has_just_started():
    tasks._outages.clear()
    yield
    tasks._outages.clear()


def down(*, hours: float, ended_ago: float = 0) -> Outage:
    """The system was down until just now; what stands in the rows is from before."""
    length = timedelta(hours=hours)
    ended = timezone.now() - timedelta(seconds=ended_ago)
    for model, fields in ((Job, ("moved_at", "created_at")), (Message, ("said_at", "created_at"))):
        for row in model.objects.all():
            moved = {
                name: getattr(row, name) - (timezone.now() - ended) - length - timedelta(minutes=1) for name in fields
            }
            model.objects.filter(pk=row.pk).update(**moved)
    Approval.objects.update(created_at=ended - length - timedelta(minutes=1))
    return Outage.objects.create(began_at=ended - length, ended_at=ended)


@pytest.fixture
def at_work(owner, hear, work, press, brain) -> Job:
    """A job whose run has made one call of a tool, and whose worker is gone; its wake-up still stands in the queue."""
    brain.turns = [call_tool("file_read", {"path": "a.txt"}), say("Done.")]
    job = hear(owner, "read a.txt").job
    work()
    press()
    work()
    job.refresh_from_db()
    job.run.steps.filter(number__gt=2).delete()
    Message.objects.filter(role="assistant").delete()
    Run.objects.update(state="ready", finished_at=None, answer="", lease_epoch=7)
    Job.objects.update(state=State.EXECUTING, finished_at=None)
    tasks._outages.clear()
    from common import queue

    queue.enqueue("run.advance", job.run.pk)
    return job


def test_work_interrupted_long_ago_is_not_revived_by_the_hint_that_waits_in_the_queue(at_work, work, model):
    down(hours=5)
    calls = len(model.requests)
    work()
    at_work.refresh_from_db()
    assert at_work.state == State.FAILED
    assert len(model.requests) == calls
    assert (at_work.run.state, at_work.run.lease_epoch) == ("failed", 8)
    text = told(at_work)
    assert "I was down from" in text
    assert "file_read" in text
    assert "Retry goes on from there" in text


def test_a_retry_goes_on_from_the_last_step(at_work, work, press, brain, model):
    down(hours=5)
    work()
    brain.turns = [say("Done.")]
    calls = len(model.requests)
    press("retry")
    work()
    at_work.refresh_from_db()
    assert at_work.state == State.DONE
    assert len(model.requests) == calls + 1


def test_after_a_short_outage_work_goes_on_by_itself(at_work, work, brain):
    down(hours=1.9)
    brain.turns = [say("Done.")]
    work()
    at_work.refresh_from_db()
    assert at_work.state == State.DONE


def test_the_limit_is_a_setting(at_work, work, settings):
    settings.INTERRUPTED_WORK_HOURS = 1
    down(hours=1.9)
    work()
    at_work.refresh_from_db()
    assert at_work.state == State.FAILED


def test_a_retry_that_waited_for_the_model_when_it_began_is_interrupted_work_too(at_work, work):
    Job.objects.update(state=State.QUEUED)
    down(hours=5)
    work()
    at_work.refresh_from_db()
    assert at_work.state == State.FAILED


def test_an_outage_is_settled_once(at_work):
    down(hours=5)
    outages_settle()
    Job.objects.update(state=State.EXECUTING, finished_at=None)
    Approval.objects.all().delete()
    outages_settle()
    at_work.refresh_from_db()
    assert at_work.state == State.EXECUTING


def test_a_card_that_waited_gets_back_the_time_in_which_nobody_could_press(owner, hear, work, press):
    job = hear(owner, "Hello").job
    work()
    Approval.objects.update(expires_at=timezone.now() - timedelta(hours=4, minutes=30))  # half an hour was left
    down(hours=5)
    sweep()
    left = pending().expires_at - timezone.now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE


def test_a_run_that_waits_for_a_person_is_not_interrupted_work(owner, hear, work, press, brain, workspace):
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "hi"}), say("Done.")]
    job = hear(owner, "write a.txt").job
    work()
    press()
    work()
    Approval.objects.filter(state="pending").update(expires_at=timezone.now() - timedelta(hours=4, minutes=30))
    down(hours=5)
    sweep()
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert (workspace / "a.txt").exists()


def test_what_waited_its_turn_shows_its_card_where_a_card_asks_anyway(owner, hear, work):
    job = hear(owner, "Hello").job
    down(hours=5)
    work()
    job.refresh_from_db()
    assert job.state == State.AWAITING


def test_what_waited_its_turn_is_offered_where_no_card_would_ask(owner, hear, work, press, settings, model):
    settings.APPROVAL_POLICY = "risky"
    job = hear(owner, "Hello").job
    down(hours=5)
    work()
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "I have not begun by myself" in told(job)
    assert model.requests == []
    press("retry")
    work()
    job.refresh_from_db()
    assert job.state == State.DONE


@pytest.mark.parametrize(("hours", "state"), [(5, State.FAILED), (1, State.DONE)])
def test_what_was_written_during_a_long_outage_and_came_late_is_offered_too(owner, hear, work, settings, hours, state):
    settings.APPROVAL_POLICY = "risky"
    down(hours=hours)
    job = hear(owner, "Hello", said_at=timezone.now() - timedelta(hours=hours - 0.5)).job
    settings.INTERRUPTED_WORK_HOURS = 2
    work()
    job.refresh_from_db()
    assert job.state == state


def test_a_fresh_message_after_a_long_outage_is_simply_answered(owner, hear, work, settings):
    settings.APPROVAL_POLICY = "risky"
    down(hours=5)
    job = hear(owner, "Hello").job
    work()
    job.refresh_from_db()
    assert job.state == State.DONE


def test_work_whose_worker_vanished_long_ago_is_ended_without_an_outage(at_work):
    Run.objects.update(lease_owner="gone:1:1", lease_expires_at=timezone.now() - timedelta(hours=3))
    assert lapsed_end() == 1
    at_work.refresh_from_db()
    assert at_work.state == State.FAILED
    assert "My worker was lost at" in told(at_work)


def test_the_master_is_told_what_happened_while_it_was_down(at_work, owner, hear):
    down(hours=5, ended_ago=90)
    outages_settle()
    hear(owner, "Hello?", said_at=timezone.now() - timedelta(hours=2))
    assert (outages_digest(), outages_digest()) == (1, 0)
    text = Notice.objects.get(kind="digest").text
    assert text.startswith("I was down for 5 h 0 min, from ")
    for line in ("messages that came in meanwhile: 1", "interrupted in the middle: 1", "(each offers a Retry): 1"):
        assert line in text


def test_of_a_short_outage_the_master_hears_what_went_on(at_work):
    down(hours=0.1, ended_ago=90)
    outages_settle()
    outages_digest()
    text = Notice.objects.get(kind="digest").text
    assert "- of these go on now: 1" in text
    assert "not taken up" not in text


def test_nothing_is_told_of_a_short_outage_in_which_nothing_happened(db):
    down(hours=0.1, ended_ago=90)
    outages_settle()
    assert outages_digest() == 0
    assert not Notice.objects.exists()
    assert Outage.objects.get().digested_at is not None


def test_a_long_outage_is_told_even_if_nothing_happened(db):
    down(hours=30, ended_ago=90)
    outages_settle()
    outages_digest()
    assert "1 d 6 h" in Notice.objects.get().text
    assert "Nothing came in" in Notice.objects.get().text


def test_the_digest_waits_until_what_was_late_has_come_in(owner):
    Thread.objects.create(channel=owner.channel, address=owner.external_id)
    outage = down(hours=5, ended_ago=5)
    sweep()
    assert not Delivery.objects.exists()
    Outage.objects.filter(pk=outage.pk).update(ended_at=timezone.now() - timedelta(seconds=61))
    sweep()
    sweep()
    assert Delivery.objects.get().text.startswith("I was down for")


def test_wakeups_after_the_first_ask_no_more_for_outages(owner, hear, work, django_assert_num_queries):
    assert tasks.after_outages() == []
    with django_assert_num_queries(0):
        tasks.after_outages()
    assert OrmQ.objects.count() == 0


def test_an_outage_puts_off_the_deadlines_of_messages(owner, hear):
    hear(owner, "Hello")
    Message.objects.update(due_at=timezone.now() - timedelta(hours=4))
    outage = down(hours=5)
    sweep()
    assert Message.objects.get().due_at == outage.ended_at + timedelta(minutes=10)
    assert not Delivery.objects.exists()
