"""One update: stored, understood, acted on, in one transaction. Webhook and polling both come here."""

import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DataError, transaction
from django.utils import timezone

from approvals.services import approval_decide
from common import bus
from common.errors import AgentError
from common.rows import insert_new
from common.state import move
from common.text import redact_within, shorten
from jobs.services.intake import Inbound, message_receive
from ops import secrets
from telegram_bridge import failures, payloads
from telegram_bridge.models import TelegramUpdate
from telegram_bridge.settings import bot_id
from threads.models import Message, Person, Thread
from threads.people import person_find_or_make
from threads.services import card_was_sent_to, message_edit

logger = logging.getLogger(__name__)
State = TelegramUpdate.State
CHANNEL = "telegram"
ACK_CHANNEL = "telegram_ack"
STRANGER_UPDATES_A_DAY = 20


class PressRefused(AgentError):
    """The press had no effect, and its person is told why."""

    def __init__(self, message: str, *, callback_id: str) -> None:
        super().__init__(message)
        self.callback_id = callback_id


@dataclass(frozen=True, kw_only=True)
class Handled:
    """What became of an update."""

    state: str
    message: Message | None = None
    stranger: Person | None = None


def update_receive(update: dict[str, Any]) -> bool:
    """Store an authentic update and act on it; false where it is known already. `update` must have its update_id.

    What goes wrong in handling undoes all but the update itself, which is kept with the reason as a dead letter: it
    must not make Telegram send it for ever. Only faults of the database or the machine are raised: nothing was stored.
    """
    secrets.refresh()
    update = redact_within(storable(update))
    try:
        with transaction.atomic():
            return _receive(update)
    except PressRefused as refused:
        return _keep(update, State.HANDLED, answer=refused)
    except Exception as error:
        if failures.is_passing(error):
            raise
        logger.exception("update %s could not be handled", update["update_id"])
        return _keep(update, State.FAILED, error=failures.reason_of(error))


def storable(update: dict[str, Any]) -> dict[str, Any]:
    """The update without what JSON allows and PostgreSQL's jsonb does not: U+0000 and halves of surrogate pairs."""
    text = json.dumps(update, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode(errors="replace").decode()
        update = json.loads(text)
    return update if "\\u0000" not in text else dict(json.loads(text.replace("\\u0000", "\ufffd")))


def _receive(update: dict[str, Any]) -> bool:
    row = _row(update)
    if not insert_new(row):
        return False
    handle_stored(row, expected=State.STORED)
    return True


def handle_stored(row: TelegramUpdate, *, expected: str, **saved: Any) -> None:
    """Act on a stored update, and move it from its `expected` state. Raises whatever handling raises, PressRefused
    where a press had no effect, StateConflict where somebody else has handled it: its transaction is to be given up."""
    handled = _handle(row.kind, row.payload)
    changes: dict[str, Any] = {"message": handled.message, **saved}
    if handled.stranger is not None:
        changes |= _bound_stranger(row, handled.stranger)
    move(row, to=handled.state, expected=[expected], **changes)


def _keep(update: dict[str, Any], state: str, *, error: str = "", answer: "PressRefused | None" = None) -> bool:
    """Store an update whose handling was undone."""
    row = _row(update)
    row.state, row.error = state, error
    try:
        with transaction.atomic():
            return _keep_row(row, answer)
    except DataError:  # not even the database can hold it: it must not stand in the way of what comes after it
        row.payload = {"update_id": row.update_id, "unstorable": ascii(row.payload)[:10_000]}
        with transaction.atomic():
            return _keep_row(row, answer)


def _keep_row(row: TelegramUpdate, answer: "PressRefused | None") -> bool:
    new = insert_new(row)
    if new and answer is not None:
        _acknowledge(answer.callback_id, str(answer))
    if new and row.state == State.FAILED:
        failures.tell(row, channel=CHANNEL, acknowledge=_acknowledge)
    return new


def _row(update: dict[str, Any]) -> TelegramUpdate:
    kind = payloads.kind_of(update)
    return TelegramUpdate(bot_id=bot_id(), update_id=update["update_id"], kind=kind, payload=update)


def _bound_stranger(row: TelegramUpdate, stranger: Person) -> dict[str, Any]:
    """Who is not let in can fill no disk: beyond a day's share only the number of his update is kept."""
    sender = int(stranger.external_id)
    today = TelegramUpdate.objects.filter(sender_id=sender, received_at__gt=timezone.now() - timedelta(days=1))
    if today.count() < STRANGER_UPDATES_A_DAY:
        return {"sender_id": sender}
    return {"sender_id": sender, "payload": {"update_id": row.update_id}}


def _handle(kind: str, update: dict[str, Any]) -> Handled:
    if kind == "message":
        return _said(payloads.message_of(update["message"]))
    if kind == "edited_message":
        return _edited(payloads.message_of(update["edited_message"]))
    if kind == "callback_query":
        return _pressed(payloads.press_of(update["callback_query"]))
    return Handled(state=State.IGNORED)


def _person(sender: payloads.Sender) -> Person:
    return person_find_or_make(
        channel=CHANNEL,
        external_id=str(sender.user_id),
        name=sender.name,
        is_master=sender.user_id in settings.MASTER_CHAT_IDS,
    )


def _said(said: payloads.ChatMessage | None) -> Handled:
    if said is None:
        return Handled(state=State.IGNORED)
    person = _person(said.sender)
    received = message_receive(
        Inbound(
            channel=CHANNEL,
            address=str(said.chat_id),
            topic=said.topic,
            kind=Thread.Kind.PRIVATE if said.chat_type == "private" else Thread.Kind.GROUP,
            title=said.title,
            person=person,
            text=said.text,
            external_id=str(said.message_id),
            reply_to=said.reply_to,
            said_at=said.said_at,
            payload={"outside": said.outside} if said.outside else {},
            files=said.files,
        )
    )
    stranger = None if person.state == Person.State.ALLOWED else person
    return Handled(state=State.HANDLED, message=received.message, stranger=stranger)


def _edited(edited: payloads.ChatMessage | None) -> Handled:
    """An edit changes the message and keeps the earlier text; one of a message that we never had is only stored."""
    if edited is None:
        return Handled(state=State.IGNORED)
    message = Message.objects.filter(
        thread__channel=CHANNEL,
        thread__address=str(edited.chat_id),
        person__external_id=str(edited.sender.user_id),
        external_id=str(edited.message_id),
        role=Message.Role.USER,
    ).first()
    if message is None:
        return Handled(state=State.IGNORED)
    message_edit(message=message, text=edited.text, edited_at=edited.edited_at or edited.said_at)
    return Handled(state=State.HANDLED, message=message)


def _pressed(press: payloads.Press | None) -> Handled:
    if press is None:
        return Handled(state=State.IGNORED)
    try:
        _acknowledge(press.callback_id, _decide(press))
    except AgentError as error:
        raise PressRefused(str(error), callback_id=press.callback_id) from error
    return Handled(state=State.HANDLED)


def _acknowledge(callback_id: str, text: str) -> None:
    bus.notify(ACK_CHANNEL, json.dumps({"id": callback_id, "text": shorten(text, 190)}))


def _decide(press: payloads.Press) -> str:
    """Carry out what a button says, if it is ours, belongs to this chat, and this person may."""
    person = _person(press.sender)
    if not person.may_decide:
        return "You can't decide this."
    parsed = parse_button(press.data)
    if parsed is None:
        return "I don't know this button."
    approval_id, revision, choice = parsed
    if not card_was_sent_to(approval_id=approval_id, channel=CHANNEL, address=str(press.chat_id)):
        return "This button belongs to another chat."
    approval = approval_decide(
        approval_id=approval_id, revision=revision, choice=choice, actor=f"person:{person.pk}", via=CHANNEL
    )
    return str(dict(approval.choices)[choice])


def button_data(*, approval_id: int, revision: int, choice: str) -> str:
    """A button's callback data, at most 64 bytes (https://core.telegram.org/bots/api#inlinekeyboardbutton)."""
    return f"a:{approval_id}:{revision}:{choice}"


def parse_button(data: str) -> tuple[int, int, str] | None:
    """Approval, revision and choice of our own callback data; None for anybody else's."""
    parts = data.split(":")
    if len(parts) != 4 or parts[0] != "a" or not all(part.isdecimal() and len(part) < 18 for part in parts[1:3]):
        return None
    return int(parts[1]), int(parts[2]), parts[3]
