"""The front page says what waits, runs, failed and was spent, and what to do where there is nothing."""

import pytest
from django.urls import reverse

from jobs.models import Job
from jobs.states import State
from ops.heartbeats import beat
from ops.switches import switch_set
from tests.cast import pending

pytestmark = pytest.mark.django_db


@pytest.fixture
def front(superuser, client):
    client.force_login(superuser)
    return lambda: client.get(reverse("admin:index")).content.decode()


def test_the_root_leads_to_the_admin(client):
    response = client.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")


def test_an_empty_place_says_what_to_do(front):
    page = front()
    for words in ("Nothing waits for you", "No job is running", "No job has failed", "No model was called today"):
        assert words in page
    assert "Start them with" in page
    assert "Demo mode" in page


@pytest.mark.usefixtures("model", "workspace")
def test_a_card_that_waits_has_a_button_for_each_choice(owner, hear, work, front):
    hear(owner, "What is <b>this</b>?")
    work()
    page = front()
    decide = reverse("admin:approvals_approval_decide", args=[pending().pk])
    assert f'hx-get="{decide}?choice=ok"' in page
    assert f'hx-get="{decide}?choice=cancel"' in page
    assert "Demo mode" not in page
    assert "1 call<" in page
    assert "<b>this</b>" not in page


@pytest.mark.usefixtures("model", "workspace")
def test_running_and_failed_jobs_are_shown(owner, hear, front):
    hear(owner, "first")
    Job.objects.update(state=State.FAILED, error="It broke.")
    failed = Job.objects.get()
    hear(owner, "second", address="other")
    page = front()
    assert "It broke." in page
    assert reverse("admin:jobs_job_retry", args=[failed.pk]) in page
    assert "Queued" in page


def test_the_switches_and_processes_are_shown(front):
    beat("cluster.talk")
    switch_set(name="freeze", on=True, actor="user:1", reason="danger")
    page = front()
    assert "cluster.talk" in page
    assert "danger" in page
    assert reverse("admin:ops_switch_freeze_off") in page
    assert reverse("admin:ops_switch_pause_on") in page


def test_the_number_of_queries_does_not_grow_with_the_rows(
    owner, hear, superuser, client, django_assert_max_num_queries
):
    for number in range(12):
        hear(owner, "more", address=f"chat {number}")
    client.force_login(superuser)
    client.get(reverse("admin:index"))
    with django_assert_max_num_queries(25):
        client.get(reverse("admin:index"))
