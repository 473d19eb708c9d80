"""People and deliveries in the admin."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from ops.models import AuditEvent
from threads.models import Delivery, PairingRequest, Person, Thread
from threads.people import pairing_ask

pytestmark = pytest.mark.django_db
YES = {"_form_submitted": "on"}


@pytest.fixture
def request_of(stranger) -> PairingRequest:
    pairing_ask(person=stranger, first_words="let me in")
    return PairingRequest.objects.get()


@pytest.fixture
def failed() -> Delivery:
    thread = Thread.objects.create(channel="web", address="1")
    return Delivery.objects.create(thread=thread, text="hello", state=Delivery.State.FAILED)


def test_the_owner_lets_a_stranger_in_with_a_role(request_of, superuser, client):
    client.force_login(superuser)
    client.post(reverse("admin:threads_pairingrequest_allow", args=[request_of.pk]), YES | {"role": "observer"})
    person = Person.objects.get()
    assert (person.state, person.role) == ("allowed", "observer")
    assert AuditEvent.objects.get().actor == f"user:{superuser.pk}"


def test_the_owner_blocks_a_stranger(request_of, superuser, client):
    client.force_login(superuser)
    client.post(reverse("admin:threads_pairingrequest_block", args=[request_of.pk]), YES)
    assert Person.objects.get().state == "blocked"


def test_an_operator_decides_neither_who_comes_in_nor_who_is_what(request_of, client, django_user_model):
    operator = django_user_model.objects.create_user("operator", is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label="threads"))
    client.force_login(operator)
    allow = reverse("admin:threads_pairingrequest_allow", args=[request_of.pk])
    assert client.post(allow, YES | {"role": "owner"}).status_code == 403
    person = reverse("admin:threads_person_change", args=[request_of.person_id])
    assert client.post(person, {"role": "owner"}).status_code == 403
    assert Person.objects.get().state == "stranger"


def test_a_changed_role_is_recorded(owner, superuser, client):
    client.force_login(superuser)
    client.post(reverse("admin:threads_person_change", args=[owner.pk]), {"role": "observer", "user": ""})
    owner.refresh_from_db()
    assert owner.role == "observer"
    assert AuditEvent.objects.get().detail == {"role": "observer"}


def test_a_failed_delivery_is_queued_again_as_a_copy(failed, superuser, client):
    client.force_login(superuser)
    client.post(reverse("admin:threads_delivery_resend", args=[failed.pk]), YES)
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "queued"]


def test_only_failed_ones_of_the_selected_are_sent_again(failed, superuser, client):
    sent = Delivery.objects.create(thread=failed.thread, text="was sent", state=Delivery.State.SENT)
    client.force_login(superuser)
    data = {"action": "resend_selected", "_selected_action": [failed.pk, sent.pk], "index": "0"}
    response = client.post(reverse("admin:threads_delivery_changelist"), data)
    assert "Failed deliveries queued again: 1" in " ".join(str(each) for each in response.wsgi_request._messages)
    assert Delivery.objects.filter(text="was sent").count() == 1
