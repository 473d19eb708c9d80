from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Run
from approvals.models import Approval
from approvals.services import approval_ask
from jobs.models import Job
from jobs.states import State
from ops import heartbeats
from ops.models import Heartbeat
from ops.switches import switch_set
from tools.models import ToolExecution
from web_chat.pulse import pulse_of, state_lines


@pytest.fixture
def workers(db):
    heartbeats.beat("cluster.talk@here")


@pytest.fixture
def pulse(thread):
    return lambda: pulse_of(channel=thread.channel, address=thread.address)


def make_job(thread, **changes) -> Job:
    return Job.objects.create(thread=thread, **changes)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (State.QUEUED, "queued"),
        (State.CLASSIFYING, "understanding"),
        (State.AWAITING, "waiting for your OK"),
        (State.EXECUTING, "working"),
    ],
)
def test_each_open_state_has_its_words(thread, workers, pulse, state, line):
    make_job(thread, state=state)
    assert state_lines(pulse()) == [line]


@pytest.mark.parametrize("state", sorted(set(State) - {"queued", "classifying", "awaiting_approval", "executing"}))
def test_a_job_that_has_ended_is_not_spoken_of(thread, workers, pulse, state):
    make_job(thread, state=state)
    assert state_lines(pulse()) == []


def test_a_running_call_is_named(thread, workers, pulse):
    run = Run.objects.create()
    job = make_job(thread, state=State.EXECUTING, run=run)
    before = pulse().etag
    ToolExecution.objects.create(
        run_ref=run.ref,
        job_ref=job.ref,
        call_id="1",
        name="shell",
        arguments={"command": "uptime"},
        started_at=timezone.now(),
    )
    assert state_lines(pulse()) == ["working: shell uptime"]
    assert pulse().etag != before


def test_the_draft_is_part_of_the_pulse(thread, workers, pulse):
    run = Run.objects.create(draft="The machine")
    make_job(thread, state=State.EXECUTING, run=run)
    first = pulse()
    assert first.draft == "The machine"
    assert state_lines(first) == ["writing"]
    Run.objects.update(draft="The machine has been up")
    assert pulse().etag != first.etag


def test_a_job_in_the_queue_says_what_it_waits_for(thread, workers, pulse):
    first = make_job(thread, state=State.EXECUTING)
    make_job(thread, state=State.QUEUED)
    assert state_lines(pulse()) == ["working", f"queued behind job {first.pk}"]


def test_a_job_that_is_tried_again_says_when(thread, workers, pulse):
    at = timezone.now() + timedelta(minutes=2)
    make_job(thread, state=State.QUEUED, not_before=at)
    assert state_lines(pulse()) == [f"trying again at {timezone.localtime(at):%H:%M:%S}"]


def test_frozen_is_said_first(thread, workers, pulse):
    make_job(thread, state=State.EXECUTING)
    switch_set(name="freeze", on=True, actor="system")
    assert state_lines(pulse()) == ["everything is frozen; /resume lets me work again"]


def test_it_says_so_when_no_worker_is_there(thread, pulse):
    make_job(thread, state=State.QUEUED)
    assert "start them with ./run" in state_lines(pulse())[0]
    heartbeats.beat("cluster.talk@here")
    assert state_lines(pulse()) == ["queued"]
    Heartbeat.objects.update(alive_at=timezone.now() - timedelta(minutes=5))
    assert "start them with ./run" in state_lines(pulse())[0]


def test_nothing_moves_while_nothing_happens(thread, workers, pulse):
    make_job(thread, state=State.EXECUTING)
    assert pulse() == pulse()


@pytest.mark.parametrize(
    ("kind", "listening", "line", "wanted"),
    [
        ("plan", "edit", "your next message changes job {}", "What should I change in job {}?"),
        ("tool", "ask", "your next message asks about job {}", "What do you want to know about job {}?"),
        ("question", "edit", "your next message is the answer that job {} waits for", "Your answer for job {}"),
    ],
)
def test_a_card_that_waits_for_words_says_so(thread, workers, pulse, kind, listening, line, wanted):
    job = make_job(thread, state=State.AWAITING)
    card = approval_ask(
        kind=kind, subject=job.ref, title="", card={}, choices=[("ok", "OK")], expires_in=timedelta(hours=1)
    )
    before = pulse()
    assert (state_lines(before), before.wanted) == (["waiting for your OK"], "")
    Approval.objects.filter(pk=card.pk).update(listening=listening, listener="person:1")
    after = pulse()
    assert (state_lines(after), after.wanted) == ([line.format(job.pk)], wanted.format(job.pk))
    assert after.etag != before.etag
