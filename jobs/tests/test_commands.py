"""The commands at the shell: what they do is the services' business; here is what they print and refuse."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError

from approvals.models import Approval
from common.errors import AgentError
from jobs.errors import IllegalMove, JobNotFound
from jobs.services.end import job_fail
from jobs.services.moves import job_move
from jobs.states import State
from ops.models import AuditEvent


@pytest.fixture
def admin(db, settings) -> User:
    return User.objects.create_superuser(settings.ADMIN_USERNAME)


@pytest.fixture
def run(capsys, admin):
    """Runs a command; the lines that it prints."""

    def called(*args: str) -> list[str]:
        call_command(*args)
        return capsys.readouterr().out.splitlines()

    return called


@pytest.fixture
def waiting(owner, hear, work, model, brain):
    """A job whose plan waits for an OK."""
    brain.classification |= {"summary": "Ask for the uptime", "commands": ["uptime"]}
    job = hear(owner, "uptime?").job
    work()
    job.refresh_from_db()
    return job


@pytest.fixture
def failed(owner, hear):
    job = hear(owner, "uptime?").job
    job_move(job, to=State.CLASSIFYING, reason="test")
    return job_fail(job, error="The model is on holiday.")


def test_no_jobs_are_a_sentence(run):
    assert run("jobs") == ["No open jobs."]
    assert run("jobs", "--json") == []


def test_it_lists_the_open_jobs(run, waiting):
    assert run("jobs") == [f"#{waiting.pk} waiting for approval: Ask for the uptime"]
    assert run("jobs", "--state", "done") == ["No such jobs."]


def test_a_program_can_read_the_list(run, waiting):
    (line,) = run("jobs", "--json")
    told = json.loads(line)
    assert (told["job"], told["state"], told["channel"]) == (waiting.pk, "awaiting_approval", "web")
    assert told["approval"]["choices"] == ["ok", "edit", "ask", "cancel"]
    assert "$ uptime" in told["approval"]["text"]


def test_ended_jobs_are_listed_on_demand(run, failed):
    assert run("jobs") == ["No open jobs."]
    assert run("jobs", "--all") == run("jobs", "--state", "failed") == run("jobs", str(failed.pk))


def test_approve_starts_the_job_and_says_who_did_it(run, waiting, admin):
    assert run("approve", str(waiting.pk)) == [f"#{waiting.pk} at work: Ask for the uptime"]
    decision = Approval.objects.get()
    assert (decision.state, decision.decided_by, decision.decided_via) == ("approved", f"user:{admin.pk}", "terminal")


def test_approve_can_choose_another_button(run, waiting):
    (line,) = run("approve", str(waiting.pk), "--choice", "cancel", "--note", "Not now.", "--json")
    assert json.loads(line)["state"] == "cancelled"
    assert Approval.objects.get().note == "Not now."


def test_approve_refuses_a_word_that_is_not_on_the_card(run, waiting):
    with pytest.raises(CommandError, match="offers: ok, edit, ask, cancel"):
        run("approve", str(waiting.pk), "--choice", "explode")


def test_approve_refuses_what_waits_for_nothing(run, waiting):
    run("approve", str(waiting.pk))
    with pytest.raises(CommandError, match="waits for no OK"):
        run("approve", str(waiting.pk))


def test_cancel_stops_the_job(run, waiting):
    assert run("cancel", f"job:{waiting.pk}") == [f"#{waiting.pk} cancelled: Ask for the uptime"]
    with pytest.raises(IllegalMove):
        run("cancel", str(waiting.pk))


def test_retry_queues_a_failed_job_and_closes_its_card(run, failed):
    (line,) = run("retry", str(failed.pk), "--json")
    assert json.loads(line)["state"] == "queued"
    assert json.loads(line)["approval"] is None
    assert failed.thread.deliveries.order_by("-pk").first().text.endswith("Tried again via the terminal")


def test_retry_works_when_the_card_has_expired(run, failed):
    Approval.objects.update(state=Approval.State.EXPIRED)
    assert run("retry", str(failed.pk)) == [f"#{failed.pk} queued: not understood yet"]


def test_retry_refuses_what_has_not_failed(run, waiting):
    with pytest.raises(AgentError):
        run("retry", str(waiting.pk))


@pytest.mark.parametrize("name", ["jobs", "approve", "cancel", "retry"])
def test_a_job_that_is_not_there_is_said_so(run, name):
    with pytest.raises(JobNotFound):
        run(name, "999")


def test_another_staff_user_can_be_named(run, waiting, django_user_model):
    otto = django_user_model.objects.create_user("otto", is_staff=True)
    run("approve", str(waiting.pk), "--user", "otto")
    assert AuditEvent.objects.filter(actor=f"user:{otto.pk}").exists()


@pytest.mark.parametrize("name", ["nobody", "guest"])
def test_only_staff_give_commands(run, waiting, django_user_model, name):
    django_user_model.objects.create_user("guest")
    with pytest.raises(CommandError, match="no active staff user"):
        run("approve", str(waiting.pk), "--user", name)


def test_without_an_admin_it_says_how_to_make_one(waiting):
    with pytest.raises(CommandError, match="createsuperuser"):
        call_command("approve", str(waiting.pk))
