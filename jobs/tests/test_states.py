"""Each move of the table leaves an event; every other one is refused. Generated from the table."""

import itertools

import pytest
from django.db import transaction

from common.state import StateConflict
from jobs.errors import IllegalMove, JobBusy
from jobs.models import Job
from jobs.services.moves import job_move
from jobs.states import MOVES, State
from threads.models import Thread

pytestmark = pytest.mark.django_db
PAIRS = list(itertools.product(State.values, State.values))


@pytest.fixture
def thread():
    return Thread.objects.create(channel="web", address="1")


@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if pair[1] in MOVES[pair[0]]])
def test_an_allowed_move_leaves_an_event(thread, before, after):
    job = Job.objects.create(thread=thread, state=before)
    job_move(job, to=after, reason="Because.", actor="person:1")
    event = job.events.get()
    assert (event.from_state, event.to_state, event.actor, event.reason) == (before, after, "person:1", "Because.")


@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if pair[1] not in MOVES[pair[0]]])
def test_any_other_move_is_refused(thread, before, after):
    job = Job.objects.create(thread=thread, state=before)
    with pytest.raises(IllegalMove):
        job_move(job, to=after, reason="Because.")
    job.refresh_from_db()
    assert job.state == before
    assert not job.events.exists()


def test_of_two_workers_one_wins(thread):
    job = Job.objects.create(thread=thread)
    mine, yours = Job.objects.get(pk=job.pk), Job.objects.get(pk=job.pk)
    job_move(mine, to=State.CLASSIFYING, reason="Mine.")
    with pytest.raises(StateConflict):
        job_move(yours, to=State.CANCELLED, reason="Yours.")
    assert job.events.count() == 1


def test_the_database_holds_one_running_job_a_thread(thread):
    Job.objects.create(thread=thread, state=State.EXECUTING)
    other = Job.objects.create(thread=thread)
    with pytest.raises(JobBusy), transaction.atomic():
        job_move(other, to=State.CLASSIFYING, reason="Too early.")
    other.refresh_from_db()
    assert other.state == State.QUEUED
