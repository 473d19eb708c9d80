"""Who somebody is, and who lets him in."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connection

from ops.models import AuditEvent, Notice
from threads.models import PairingRequest, Person
from threads.people import pairing_ask, person_find_or_make, person_of_user
from threads.services import pairing_decide

pytestmark = pytest.mark.django_db


def meet(external_id: str = "7", *, name: str = "Ada", is_master: bool = False) -> Person:
    return person_find_or_make(channel="web", external_id=external_id, name=name, is_master=is_master)


def what(person: Person) -> tuple[str, str, bool]:
    person.refresh_from_db()
    return person.state, person.role, person.may_decide


def test_an_unknown_sender_is_a_stranger_who_decides_nothing():
    assert what(meet()) == ("stranger", "observer", False)


def test_a_master_is_an_owner_from_the_first_message():
    assert what(meet(is_master=True)) == ("allowed", "owner", True)


def test_who_becomes_a_master_later_is_an_owner_from_then_on():
    person = meet()
    assert meet(is_master=True) == person
    assert what(person) == ("allowed", "owner", True)


def test_who_is_known_stays_who_he_is():
    person = meet()
    Person.objects.update(state="blocked", role="operator")
    assert meet(name="Somebody else") == person
    assert what(person) == ("blocked", "operator", False)
    assert person.name == "Ada"


def test_the_same_id_in_another_channel_is_somebody_else():
    assert person_find_or_make(channel="telegram", external_id="7", name="Ada", is_master=False) != meet()


def test_a_long_name_is_kept_as_far_as_it_fits():
    assert meet(name="A" * 300).name == "A" * 200


@pytest.mark.django_db(transaction=True)
def test_two_first_messages_at_once_make_one_person():
    together = Barrier(2)

    def first_message(_: int) -> int:
        together.wait(5)
        try:
            return meet().pk
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        met = list(pool.map(first_message, range(2)))
    assert met == [Person.objects.get().pk] * 2


@pytest.mark.parametrize(("superuser", "role"), [(True, "owner"), (False, "operator")])
def test_a_user_of_the_admin_is_a_person_who_decides(superuser, role):
    user = User.objects.create(username="ada", is_superuser=superuser)
    person = person_of_user(channel="web", user=user)
    assert what(person) == ("allowed", role, True)
    assert (person.user, person.name, person.external_id) == (user, "ada", str(user.pk))
    assert person_of_user(channel="web", user=user) == person


@pytest.mark.parametrize(("before", "after"), [(True, "operator"), (False, "owner")])
def test_a_superuser_owns_only_as_long_as_he_is_one(before, after):
    user = User.objects.create(username="ada", is_superuser=before)
    person = person_of_user(channel="web", user=user)
    user.is_superuser = not before
    person_of_user(channel="web", user=user)
    assert what(person)[1] == after


def test_a_user_whom_the_owner_made_an_observer_stays_one():
    user = User.objects.create(username="ada")
    person = person_of_user(channel="web", user=user)
    Person.objects.update(role="observer")
    person_of_user(channel="web", user=user)
    assert what(person) == ("allowed", "observer", False)


def test_a_strangers_request_is_put_before_the_owner_once(stranger):
    assert pairing_ask(person=stranger, first_words="let\nme in")
    assert not pairing_ask(person=stranger, first_words="please")
    assert PairingRequest.objects.get().first_words == "let me in"
    assert "Mallory (web 6666) wants to talk to me" in Notice.objects.get().text


@pytest.fixture
def request_of(stranger) -> PairingRequest:
    pairing_ask(person=stranger, first_words="let me in")
    return PairingRequest.objects.get()


@pytest.mark.parametrize("role", ["operator", "observer", "owner"])
def test_the_owner_lets_a_stranger_in_with_a_role(request_of, stranger, role):
    assert pairing_decide(request=request_of, allow=True, actor="user:1", role=role) == stranger
    assert what(stranger) == ("allowed", role, role != "observer")
    request_of.refresh_from_db()
    assert (request_of.state, request_of.decided_by) == ("allowed", "user:1")
    assert request_of.decided_at is not None
    event = AuditEvent.objects.get()
    assert (event.actor, event.action, event.subject) == ("user:1", "pairing allowed", f"person:{stranger.pk}")


def test_who_is_blocked_keeps_no_role(request_of, stranger):
    pairing_decide(request=request_of, allow=True, actor="user:1", role="owner")
    pairing_decide(request=request_of, allow=False, actor="user:1")
    assert what(stranger) == ("blocked", "observer", False)
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
        "pairing allowed",
        "pairing blocked",
    ]
