"""Cards answered in the admin."""

import pytest
from django.urls import reverse

from approvals.models import Approval
from jobs.models import Job
from jobs.states import State
from llm.scripted import call_tool, say
from tests.cast import pending

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "workspace")]


@pytest.fixture
def card(owner, hear, work, superuser, client) -> Approval:
    hear(owner, "What is the answer?")
    work()
    client.force_login(superuser)
    return pending()


def url(card: Approval) -> str:
    return reverse("admin:approvals_approval_decide", args=[card.pk])


def answer(client, card: Approval, choice: str, note: str = ""):
    return client.post(url(card), {"_form_submitted": "on", "choice": choice, "note": note})


def test_the_dialog_shows_the_card_and_its_choices(card, client):
    page = client.get(url(card)).content.decode()
    assert "Plan for job" in page
    assert 'type="radio" name="choice" value="ok"' in page


def test_a_button_that_was_pressed_needs_no_choice_any_more(card, client):
    page = client.get(url(card), {"choice": "cancel"}).content.decode()
    assert 'type="hidden" name="choice" value="cancel"' in page
    assert "radio" not in page


def test_an_ok_is_recorded_with_who_and_where(card, client, superuser):
    answer(client, card, "ok", "fine")
    card.refresh_from_db()
    assert (card.state, card.decided_by, card.decided_via, card.note) == (
        "approved",
        f"user:{superuser.pk}",
        "admin",
        "fine",
    )
    assert Job.objects.get().state == State.EXECUTING


def test_a_cancel_ends_the_job(card, client):
    answer(client, card, "cancel")
    assert Job.objects.get().state == State.CANCELLED


def test_a_second_answer_is_told_what_happened(card, client):
    answer(client, card, "cancel")
    response = answer(client, card, "ok")
    assert "Already answered with “Cancel” via the admin" in " ".join(
        str(each) for each in response.wsgi_request._messages
    )
    assert Job.objects.get().state == State.CANCELLED


def test_a_choice_that_the_card_does_not_have_is_refused(card, client):
    response = answer(client, card, "anything")
    assert response.status_code == 200
    card.refresh_from_db()
    assert card.state == "pending"


def test_all_choices_of_a_call_in_mid_run_are_offered(card, client, work, brain):
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "hi"})]
    answer(client, card, "ok")
    work()
    page = client.get(url(pending())).content.decode()
    for word in ("ok", "skip", "cancel"):
        assert f'value="{word}"' in page


@pytest.mark.parametrize("choice", ["edit", "ask"])
def test_what_needs_words_is_not_taken_without_them(card, client, choice):
    assert "Write it here" in answer(client, card, choice, "  ").content.decode()
    card.refresh_from_db()
    assert (card.state, card.listening) == ("pending", "")


def test_a_question_is_answered_on_the_jobs_page(card, brain, client, work):
    brain.turns = [say("It only reads.")]
    answer(client, card, "ask", "Is that safe?")
    job = Job.objects.get()
    url_of_job = reverse("admin:jobs_job_change", args=[job.pk])
    assert "being answered" in client.get(url_of_job).content.decode()
    work()
    page = client.get(url_of_job).content.decode()
    assert "Is that safe?" in page
    assert "It only reads." in page
    card.refresh_from_db()
    assert card.state == "pending"
