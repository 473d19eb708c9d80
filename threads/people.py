"""Who somebody is. Authority comes from the sender's own id, never from a chat."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from common.text import shorten
from ops.notices import notice
from threads.models import PairingRequest, Person


def person_find_or_make(*, channel: str, external_id: str, name: str, is_master: bool) -> Person:
    """The person behind a channel's id; unknown ones are strangers, masters are owners from the start."""
    person = Person.objects.filter(channel=channel, external_id=external_id).first()
    if person is None:
        person = _make(channel=channel, external_id=external_id, name=name[:200])
    if is_master and (person.state, person.role) != (Person.State.ALLOWED, Person.Role.OWNER):
        person.state, person.role = Person.State.ALLOWED, Person.Role.OWNER
        person.save(update_fields=["state", "role"])
    return person


def _make(*, channel: str, external_id: str, name: str) -> Person:
    Person.objects.bulk_create(
        [Person(channel=channel, external_id=external_id, name=name)],
        ignore_conflicts=True,  # two first messages at once
    )
    return Person.objects.get(channel=channel, external_id=external_id)


def person_of_user(*, channel: str, user: User) -> Person:
    """The person that a Django user is in a page or a terminal: superusers own, staff operate."""
    role = Person.Role.OWNER if user.is_superuser else Person.Role.OPERATOR
    person, made = Person.objects.get_or_create(
        channel=channel,
        external_id=str(user.pk),
        defaults={"name": user.get_username(), "user": user, "state": Person.State.ALLOWED, "role": role},
    )
    if not made and person.role == Person.Role.OWNER != role:
        person.role = role  # no longer a superuser
        person.save(update_fields=["role"])
    return person


def pairing_ask(*, person: Person, first_words: str) -> bool:
    """Put a stranger's request before the owner; false where it stands there already."""
    try:
        with transaction.atomic():
            PairingRequest.objects.create(person=person, first_words=shorten(first_words, 200))
    except IntegrityError:
        return False
    notice(
        kind="pairing",
        key=f"person:{person.pk}",
        text=f"{person} ({person.channel} {person.external_id}) wants to talk to me. Allow or block in the admin.",
    )
    return True
