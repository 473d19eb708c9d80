"""What a person does in the page or in the terminal: says something, answers a card."""

from django.contrib.auth.models import User
from django.db import transaction

from approvals.models import Approval
from approvals.services import approval_decide
from common.errors import NotPermitted
from jobs.services.intake import Inbound, Received, message_receive
from threads.models import Delivery, Person
from threads.people import person_of_user
from web_chat.errors import Blocked, EmptyMessage, ForeignCard, MessageTooLong

TEXT_LIMIT = 16_000


def message_send(*, user: User, channel: str, text: str, external_id: str = "") -> Received:
    """Take in what a user said in his own conversation; with an `external_id` a repetition changes nothing.

    Raises EmptyMessage, MessageTooLong (over 16,000 characters), Blocked.
    """
    text = text.strip()
    if not text:
        raise EmptyMessage
    if len(text) > TEXT_LIMIT:
        raise MessageTooLong
    person = person_of_user(channel=channel, user=user)
    if person.state != Person.State.ALLOWED:
        raise Blocked
    return message_receive(
        Inbound(channel=channel, address=str(user.pk), person=person, text=text, external_id=external_id)
    )


@transaction.atomic
def card_decide(*, user: User, channel: str, approval_id: int, revision: int, choice: str, note: str = "") -> Approval:
    """Answer a card that was shown in the user's own conversation.

    Raises NotPermitted, ForeignCard, and what approval_decide raises.
    """
    person = person_of_user(channel=channel, user=user)
    if not person.may_decide:
        raise NotPermitted("You may look, but not decide. The owner can change your role in the admin.")
    own = Delivery.objects.filter(
        approval_id=approval_id, thread__channel=channel, thread__address=str(user.pk), thread__topic=""
    )
    if not own.exists():
        raise ForeignCard
    return approval_decide(
        approval_id=approval_id,
        revision=revision,
        choice=choice,
        actor=f"person:{person.pk}",
        via=channel,
        note=note.strip()[:1000],
    )
