"""What can be done to a conversation."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from approvals.models import Approval
from common import bus
from common.rows import insert, insert_new
from common.text import redact_known, split_utf16, utf16_len
from common.transactions import joined
from ops import audit
from threads.channels import channel_of
from threads.errors import NotResent
from threads.models import Delivery, Message, MessageRevision, PairingRequest, Person, Thread

OUTBOX_CHANNEL = "outbox"
STANDS_THERE = """
SELECT EXISTS (SELECT 1 FROM threads_delivery d JOIN threads_thread t ON t.id = d.thread_id
               WHERE d.approval_id = %s AND t.channel = %s AND t.address = %s)
"""
# NO KEY: whoever holds a job of the thread may add rows that point to it meanwhile, and wait for nobody.
FIND_AND_LOCK = """
SELECT * FROM threads_thread WHERE channel = %s AND address = %s AND topic = %s FOR NO KEY UPDATE
"""


def thread_find_or_open(*, channel: str, address: str, topic: str = "", kind: str, title: str = "") -> Thread:
    """The thread of that chat and topic, opened at its first message; locked until the transaction ends.

    The lock puts the messages of one thread into an order, also between processes.
    """
    for thread in Thread.objects.raw(FIND_AND_LOCK, [channel, address, topic]):
        return thread
    insert_new(Thread(channel=channel, address=address, topic=topic, kind=kind, title=title[:200]))
    return Thread.objects.raw(FIND_AND_LOCK, [channel, address, topic])[0]


def message_store(
    *,
    thread: Thread,
    person: Person | None,
    text: str,
    external_id: str = "",
    reply_to: str = "",
    said_at: datetime | None = None,
    payload: dict[str, Any] | None = None,
) -> tuple[Message, bool]:
    """Keep what a person said; (the row, whether it is new). The thread must be locked by the caller.

    Within SILENCE_MINUTES its sender has heard something, or is told what is going on.
    """
    message = Message(
        thread=thread,
        role=Message.Role.USER,
        person=person,
        external_id=external_id,
        reply_to=reply_to,
        text=redact_known(text.replace("\x00", "")),
        said_at=said_at or timezone.now(),
        payload=payload or {},
        due_at=timezone.now() + timedelta(minutes=settings.SILENCE_MINUTES),
    )
    if insert_new(message):
        return message, True
    return Message.objects.get(thread=thread, role=Message.Role.USER, external_id=external_id), False


def messages_watch(ids: list[int]) -> None:
    """Whoever sent these messages is owed a word again, within SILENCE_MINUTES."""
    due = timezone.now() + timedelta(minutes=settings.SILENCE_MINUTES)
    Message.objects.filter(pk__in=ids).update(due_at=due, reminders=0)


@joined
def message_edit(*, message: Message, text: str, edited_at: datetime) -> Message:
    """Replace a message's text and keep the earlier one. An older or equal edit changes nothing."""
    message = Message.objects.select_for_update(no_key=True).get(pk=message.pk)
    text = redact_known(text.replace("\x00", ""))
    if text == message.text or (message.edited_at and edited_at < message.edited_at):
        return message
    MessageRevision.objects.create(message=message, text=message.text)
    message.text, message.edited_at = text, edited_at
    message.save(update_fields=["text", "edited_at"])
    return message


def say(
    *,
    thread: Thread,
    text: str,
    job_ref: str = "",
    approval: Approval | None = None,
    message: Message | None = None,
    purpose: str = Delivery.Purpose.ANSWER,
) -> list[Delivery]:
    """Queue a text for a thread, split at the channel's limit; a card's buttons go with the last part.

    Notices and progress may be left out of a backlog that has grown stale (backlog.py); answers never are.
    """
    channel = channel_of(thread.channel)
    parts = split_utf16(redact_known(text), channel.text_limit) or ["(empty)"]
    rows = [
        Delivery(thread=thread, text=part, job_ref=job_ref, message=message, purpose=purpose, **_arrival(channel.pulls))
        for part in parts
    ]
    if approval is not None:
        rows[-1].approval, rows[-1].buttons = approval, approval.choices
    for row in rows:
        insert(row)
    bus.notify(OUTBOX_CHANNEL, thread.channel)
    return rows


def card_was_sent_to(*, approval_id: int, channel: str, address: str) -> bool:
    """Whether an approval's card stands in that chat: its buttons work nowhere else."""
    with connection.cursor() as cursor:
        cursor.execute(STANDS_THERE, [approval_id, channel, address])
        return bool(cursor.fetchone()[0])


def card_close(*, approval: Approval, line: str) -> None:
    """Take the buttons off an approval's cards, wherever they were sent, and say under them what happened."""
    for card in Delivery.objects.filter(approval=approval, kind=Delivery.Kind.SEND).select_related("thread"):
        channel = channel_of(card.thread.channel)
        edit = Delivery(
            thread=card.thread,
            kind=Delivery.Kind.EDIT,
            edits=card,
            approval=approval,
            text=_closed(card.text, redact_known(line), channel.text_limit),
            job_ref=card.job_ref,
            **_arrival(channel.pulls),
        )
        insert(edit)
        bus.notify(OUTBOX_CHANNEL, card.thread.channel)


def _closed(text: str, line: str, limit: int) -> str:
    """The card with what became of it, within the limit: of a long card the beginning stays, of a long line too."""
    line = split_utf16(line, limit // 2)[0]
    return split_utf16(text, limit - utf16_len(line) - 2)[0] + f"\n\n{line}"


def _arrival(pulls: bool) -> dict[str, Any]:
    return {"state": Delivery.State.SENT, "sent_at": timezone.now()} if pulls else {}


@joined
def pairing_decide(*, request: PairingRequest, allow: bool, actor: str, role: str = Person.Role.OPERATOR) -> Person:
    """Let a stranger in with a role, or block him; recorded in the audit trail. May be decided anew later."""
    request = PairingRequest.objects.select_for_update(no_key=True).select_related("person").get(pk=request.pk)
    request.state = PairingRequest.State.ALLOWED if allow else PairingRequest.State.BLOCKED
    request.decided_at, request.decided_by = timezone.now(), actor
    request.save(update_fields=["state", "decided_at", "decided_by"])
    person = request.person
    person.state = Person.State.ALLOWED if allow else Person.State.BLOCKED
    person.role = role if allow else Person.Role.OBSERVER
    person.save(update_fields=["state", "role"])
    audit.record(actor=actor, action=f"pairing {request.state}", subject=f"person:{person.pk}", detail={"role": role})
    return person


@joined
def delivery_resend(*, delivery: Delivery, actor: str) -> Delivery:
    """Queue a failed delivery again, as a new row: what has failed stays as it was. Raises NotResent the second time,
    and where it has not failed."""
    copy = Delivery(
        thread=delivery.thread,
        kind=delivery.kind,
        purpose=delivery.purpose,
        edits=delivery.edits,
        text=delivery.text,
        buttons=delivery.buttons,
        approval=delivery.approval,
        message=delivery.message,
        job_ref=delivery.job_ref,
        copy_of=delivery,
    )
    delivery.refresh_from_db(fields=["state"])
    if delivery.state != Delivery.State.FAILED or not insert_new(copy):
        raise NotResent
    audit.record(actor=actor, action="delivery resent", subject=f"delivery:{delivery.pk}", detail={"new": copy.pk})
    bus.notify(OUTBOX_CHANNEL, delivery.thread.channel)
    return copy
