"""The buttons of a job: by POST only, for those who may, through the same services as everywhere."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval
from common import dead_letters
from jobs.dead_letters import PILE
from jobs.errors import IllegalMove
from jobs.models import Job
from jobs.services.end import job_retry
from jobs.states import State
from llm.scripted import call_tool, say
from ops.models import AuditEvent
from tests.cast import classified, pending
from threads.models import Message, Policy, Thread

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "workspace")]
YES = {"_form_submitted": "on"}


def url(name: str, job: Job) -> str:
    return reverse(f"admin:jobs_job_{name}", args=[job.pk])


@pytest.fixture
def waiting(owner, hear, work) -> Job:
    job = hear(owner, "What is the answer?").job
    work()
    job.refresh_from_db()
    assert job.state == State.AWAITING
    return job


@pytest.fixture
def operator(client, django_user_model):
    """Staff who may change jobs, and nothing else."""
    user = django_user_model.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="jobs", codename__endswith="_job"))
    client.force_login(user)
    return user


def message_of(response) -> str:
    return " ".join(str(each) for each in response.wsgi_request._messages)


def test_an_operator_approves_in_the_dialog(waiting, operator, client, work):
    dialog = client.get(url("approve", waiting))
    assert f'name="card" value="{pending().pk}"' in dialog.content.decode()
    assert "Plan for job" in dialog.content.decode()
    response = client.post(url("approve", waiting), YES | {"card": pending().pk, "note": "go"})
    assert response.status_code == 302
    approval = Approval.objects.get(subject=waiting.ref)
    assert (approval.state, approval.decided_by, approval.decided_via) == ("approved", f"user:{operator.pk}", "admin")
    assert approval.note == "go"
    assert AuditEvent.objects.filter(actor=f"user:{operator.pk}", subject=waiting.ref).exists()
    work()
    waiting.refresh_from_db()
    assert waiting.state == State.DONE


def test_an_answer_is_bound_to_the_card_that_was_shown(waiting, operator, client, hear, owner, work):
    shown = pending()
    hear(owner, "Forget it, something else!")
    work()
    response = client.post(url("approve", waiting), YES | {"card": shown.pk})
    assert "replaced by something newer" in message_of(response)
    assert pending().pk != shown.pk


def test_a_card_of_another_job_is_not_answered(waiting, operator, client):
    response = client.post(url("approve", waiting), YES | {"card": pending().pk + 1})
    assert "waits for no answer" in message_of(response)
    assert pending().state == "pending"


def test_htmx_is_sent_back_to_the_page_under_the_dialog(waiting, operator, client):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/admin/?a=1"}
    response = client.post(url("cancel", waiting), YES, headers=headers)
    assert response.headers["HX-Redirect"] == "http://testserver/admin/?a=1"
    elsewhere = client.post(url("cancel", waiting), YES, headers=headers | {"HX-Current-URL": "https://evil.example/"})
    assert elsewhere.headers["HX-Redirect"] == "/admin/"


def test_it_cancels_with_a_reason(waiting, operator, client):
    response = client.post(url("cancel", waiting), YES | {"reason": "not today"})
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED
    event = waiting.events.last()
    assert (event.actor, event.reason) == (f"user:{operator.pk}", "not today")
    assert "is cancelled" in message_of(response)


def test_what_does_not_fit_the_state_is_explained_and_changes_nothing(waiting, operator, client):
    response = client.post(url("retry", waiting), YES)
    assert "that can" in message_of(response)
    response = client.post(url("reopen", waiting), YES)
    assert "nothing to reopen" in message_of(response)
    waiting.refresh_from_db()
    assert waiting.state == State.AWAITING


def test_it_retries_a_failed_job(waiting, operator, client):
    Job.objects.filter(pk=waiting.pk).update(state=State.FAILED)
    client.post(url("retry", waiting), YES)
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED


def test_it_reopens_an_expired_job_with_a_new_card(waiting, operator, client):
    Approval.objects.update(expires_at=timezone.now())
    from approvals.services import approvals_expire

    approvals_expire()
    client.post(url("reopen", waiting), YES)
    waiting.refresh_from_db()
    assert waiting.state == State.AWAITING
    assert pending().revision == 2


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        (State.AWAITING, {"approve", "cancel"}),
        (State.EXECUTING, {"cancel"}),
        (State.FAILED, {"retry"}),
        (State.EXPIRED, {"reopen"}),
        (State.DONE, set()),
    ],
)
def test_only_the_buttons_that_fit_are_shown(state, offered, waiting, operator, client):
    Job.objects.filter(pk=waiting.pk).update(state=state)
    page = client.get(reverse("admin:jobs_job_change", args=[waiting.pk])).content.decode()
    assert {name for name in ("approve", "cancel", "retry", "reopen") if url(name, waiting) in page} == offered


@pytest.fixture
def several(owner, hear, work) -> list[Job]:
    found = [hear(owner, f"Question {number}", address=f"chat {number}").job for number in range(3)]
    work()
    return found


def run_on(client, action: str, rows: list[Job]):
    data = {"action": action, "_selected_action": [job.pk for job in rows], "index": "0"}
    return client.post(reverse("admin:jobs_job_changelist"), data)


def test_several_are_approved_at_once_and_counted(several, operator, client):
    Job.objects.filter(pk=several[0].pk).update(state=State.DONE)
    response = run_on(client, "approve_selected", several)
    assert "Jobs approved: 2" in message_of(response)
    assert set(Job.objects.exclude(pk=several[0].pk).values_list("state", flat=True)) == {"executing"}


def test_several_are_cancelled_at_once_and_counted(several, operator, client):
    assert "Jobs cancelled: 3" in message_of(run_on(client, "cancel_selected", several))
    assert not Job.objects.exclude(state=State.CANCELLED).exists()


def test_list_actions_do_nothing_for_an_observer(several, client, django_user_model):
    observer = django_user_model.objects.create_user("observer", is_staff=True)
    observer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(observer)
    for action in ("approve_selected", "cancel_selected", "retry_selected", "reopen_selected"):
        run_on(client, action, several)
    assert not Job.objects.exclude(state=State.AWAITING).exists()


def test_a_list_action_does_nothing_by_get(several, operator, client):
    query = f"?action=cancel_selected&_selected_action={several[0].pk}&index=0"
    client.get(reverse("admin:jobs_job_changelist") + query)
    assert not Job.objects.exclude(state=State.AWAITING).exists()


def test_everything_about_a_job_stands_on_its_page(owner, hear, work, press, brain, superuser, client):
    brain.classification = classified(intent="command", summary="Say hello", plan=["Say it"], commands=["echo hello"])
    brain.turns = [call_tool("shell", {"command": "echo hello"}), say("It said so.")]
    job = hear(owner, "please say hello").job
    work()
    press(note="do it")
    work()
    job.refresh_from_db()
    client.force_login(superuser)
    page = client.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    for words in ("please say hello", "Say it", "$ echo hello", "It said so.", "In total", "do it", "tool_use", "web"):
        assert words in page, words
    entry = job.run.steps.exclude(ledger_entry=None).first().ledger_entry
    for row in (job.thread, job.run, entry, job.run.steps.get(kind="tool").execution, Approval.objects.get()):
        assert f'href="/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"' in page


def queries_of(client, page: str, count) -> int:
    with count() as asked:
        assert client.get(page).status_code == 200
    return len(asked)


def test_the_list_asks_the_same_number_of_queries_however_long_it_is(several, superuser, client, owner):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.force_login(superuser)
    pages = [reverse(name) for name in ("admin:jobs_job_changelist", "admin:threads_thread_changelist")]
    for page in pages:  # what is read once a process is read now
        client.get(page)
    few = [queries_of(client, page, lambda: CaptureQueriesContext(connection)) for page in pages]
    for number in range(20):
        thread = Thread.objects.create(channel="web", address=f"more {number}")
        Message.objects.create(thread=thread, role="user", text="x", said_at=timezone.now())
        Job.objects.create(thread=thread, person=owner, state=State.AWAITING)
    many = [queries_of(client, page, lambda: CaptureQueriesContext(connection)) for page in pages]
    assert many == few
    assert max(many) < 15


def test_a_long_thread_is_shown_in_pages(superuser, client):
    thread = Thread.objects.create(channel="web", address="long", title="Long")
    for number in range(60):
        Message.objects.create(thread=thread, role="user", text=f"word{number:03}", said_at=timezone.now())
    client.force_login(superuser)
    page = reverse("admin:threads_thread_change", args=[thread.pk])
    first = client.get(page).content.decode()
    assert "word059" in first
    assert "word010" not in first
    oldest = Message.objects.filter(thread=thread).order_by("-pk")[24]
    assert f"?before={oldest.pk}#messages" in first
    second = client.get(page, {"before": oldest.pk}).content.decode()
    assert "word034" in second
    assert "word059" not in second
    assert client.get(page, {"before": "nonsense"}).status_code == 200


def test_the_policy_of_a_thread_is_changed_and_recorded(superuser, client):
    thread = Thread.objects.create(channel="web", address="1", title="A")
    client.force_login(superuser)
    page = reverse("admin:threads_thread_change", args=[thread.pk])
    client.post(page, {"policy": Policy.RISKY, "title": "hacked"})
    thread.refresh_from_db()
    assert (thread.policy, thread.title) == (Policy.RISKY, "A")
    assert AuditEvent.objects.get().detail == {"policy": "risky"}


@pytest.fixture
def dead(owner, hear, work, model) -> list[Job]:
    """Three jobs that have failed, of two causes."""
    jobs = []
    for number, status in enumerate((401, 401, 400)):
        model.fail_next(status)
        jobs.append(hear(owner, "Hello", address=f"chat {number}").job)
        work()
    return jobs


def test_failed_jobs_are_listed_by_cause(superuser, client, dead):
    client.force_login(superuser)
    page = client.get(reverse("admin:jobs_job_changelist"), {"dead": "all"}).content.decode()
    assert "Dead letters by cause" in page
    causes = {cause.text: cause.count for cause in dead_letters.causes(PILE)}
    assert sorted(causes.values()) == [1, 2]
    assert any("check ANTHROPIC_API_KEY" in text for text in causes)
    first = next(text for text, count in causes.items() if count == 2)
    page = client.get(reverse("admin:jobs_job_changelist"), {"dead": first}).content.decode()
    assert page.count('class="field-state_shown') == 2 or "2 jobs" in page


def test_all_failed_jobs_are_retried_at_once(superuser, client, dead, work):
    client.force_login(superuser)
    client.post(reverse("admin:jobs_job_retry_all"), YES)
    assert set(Job.objects.values_list("state", flat=True)) == {State.QUEUED}
    work()
    assert set(Job.objects.values_list("state", flat=True)) == {State.AWAITING}


def test_a_failed_job_that_is_left_as_it_is_can_not_be_retried(superuser, client, dead):
    client.force_login(superuser)
    client.post(url("give_up", dead[0]), YES)
    dead[0].refresh_from_db()
    assert dead[0].state == State.DEAD
    assert not Approval.objects.filter(subject=dead[0].ref, state=Approval.State.PENDING).exists()
    with pytest.raises(IllegalMove):
        job_retry(dead[0], actor="user:1")
    assert [letter.pk for letter in PILE.rows()] == [dead[2].pk, dead[1].pk]
