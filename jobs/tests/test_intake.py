"""Races at the door: the thread's job is moved by a worker or by a press just after a new message has looked at it."""

from contextlib import contextmanager

import pytest
from django.db import connection

from jobs.models import Job, JobMessage
from jobs.states import State

pytestmark = pytest.mark.django_db
LOOK = "FROM jobs_job j WHERE j.thread_id"


@contextmanager
def moved_after_the_look(job, *, to):
    """Somebody moves the job once, between the look at it and what follows from that."""
    left = [to]

    def wrapper(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if LOOK in sql and left:
            Job.objects.filter(pk=job.pk).update(state=left.pop())
        return result

    with connection.execute_wrapper(wrapper):
        yield
    assert not left


@pytest.mark.parametrize("state", [State.QUEUED, State.CLASSIFYING])
def test_a_message_joins_no_job_that_has_begun_its_work_meanwhile(owner, hear, state):
    first = hear(owner, "Sort my mail").job
    Job.objects.update(state=state)
    with moved_after_the_look(first, to=State.EXECUTING):
        second = hear(owner, "and delete the rest").job
    assert second.pk != first.pk
    assert JobMessage.objects.filter(job=second).count() == 1
    assert Job.objects.get(pk=first.pk).revision == 1


def test_a_message_replaces_a_job_whose_card_has_come_out_meanwhile(owner, hear):
    first = hear(owner, "Sort my mail").job
    with moved_after_the_look(first, to=State.AWAITING):
        second = hear(owner, "and delete the rest").job
    assert Job.objects.get(pk=first.pk).state == State.SUPERSEDED
    assert Job.objects.get(pk=second.pk).state == State.QUEUED


def test_a_message_waits_behind_a_plan_that_is_approved_in_the_same_moment(owner, hear):
    first = hear(owner, "Sort my mail").job
    Job.objects.update(state=State.AWAITING)
    with moved_after_the_look(first, to=State.EXECUTING):
        second = hear(owner, "and delete the rest").job
    assert second.pk != first.pk
    assert Job.objects.get(pk=first.pk).state == State.EXECUTING
