"""Who somebody is. Authority comes from the sender's own id, never from a chat."""

from django.contrib.auth.models import User

from common.rows import insert_new
from common.text import shorten
from ops.notices import notice
from threads.models import PairingRequest, Person

FIND = "SELECT * FROM threads_person WHERE channel = %s AND external_id = %s"


def person_find_or_make(*, channel: str, external_id: str, name: str, is_master: bool) -> Person:
    """The person behind a channel's id; unknown ones are strangers, masters are owners from the start."""
    person = next(iter(Person.objects.raw(FIND, [channel, external_id])), None)
    if person is None:
        person = _make(channel=channel, external_id=external_id, name=name[:200])
    if is_master and (person.state, person.role) != (Person.State.ALLOWED, Person.Role.OWNER):
        person.state, person.role = Person.State.ALLOWED, Person.Role.OWNER
        person.save(update_fields=["state", "role"])
    return person


def _make(*, channel: str, external_id: str, name: str) -> Person:
    person = Person(channel=channel, external_id=external_id, name=name)
    if insert_new(person):
        return person
    return Person.objects.get(channel=channel, external_id=external_id)  # two first messages at once


def person_of_user(*, channel: str, user: User) -> Person:
    """The person that a Django user is in a page or a terminal: superusers own, staff operate."""
    role = Person.Role.OWNER if user.is_superuser else Person.Role.OPERATOR
    person, made = Person.objects.get_or_create(
        channel=channel,
        external_id=str(user.pk),
        defaults={"name": user.get_username(), "user": user, "state": Person.State.ALLOWED, "role": role},
    )
    if not made and person.role != role and person.role != Person.Role.OBSERVER:
        person.role = role  # a superuser now, or no longer one
        person.save(update_fields=["role"])
    return person


def pairing_ask(*, person: Person, first_words: str) -> bool:
    """Put a stranger's request before the owner; false where it stands there already."""
    if not insert_new(PairingRequest(person=person, first_words=shorten(first_words, 200))):
        return False
    notice(
        kind="pairing",
        key=f"person:{person.pk}",
        text=f"{person} ({person.channel} {person.external_id}) wants to talk to me. Allow or block in the admin.",
    )
    return True
