"""What goes wrong with an update: what passes is raised and comes again, the rest is a dead letter and is told."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, InternalError, OperationalError, transaction

from common.dead_letters import cause_of
from common.errors import AgentError
from common.text import redact
from ops.models import Notice
from ops.notices import notice
from telegram_bridge import payloads
from telegram_bridge.models import TelegramUpdate
from threads.models import Person, Thread
from threads.services import say

logger = logging.getLogger(__name__)
# What has nothing to do with the update itself. A deadlock or a full disk is an OperationalError too.
PASSING = (OperationalError, InterfaceError, InternalError, MemoryError, OSError)
NOT_UNDERSTOOD = "I could not take in your last message; it is kept, and can be tried again in the admin."
PRESS_FAILED = "That failed. It is kept, and can be tried again in the admin."
Acknowledge = Callable[[str, str], None]


def is_passing(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is a fault of the database or the machine: then the update is to come
    again, and is no dead letter."""
    while error is not None:
        if isinstance(error, PASSING):
            return True
        error = error.__cause__ or error.__context__
    return False


def reason_of(error: Exception) -> str:
    """Why an update is a dead letter, for the person who looks at it."""
    if isinstance(error, AgentError):
        return redact(str(error))[:1000]
    return redact(f"I can't handle this, which is a fault of mine: {type(error).__name__} {error}")[:1000]


def tell(row: TelegramUpdate, *, channel: str, acknowledge: Acknowledge) -> None:
    """Tell whoever wrote or pressed, and the master (once an hour for each cause), that an update failed.

    Whatever is wrong with the update may be in the way here too; it is stored all the same.
    """
    try:
        with transaction.atomic():
            _tell_master(row)
            _tell_sender(row, channel, acknowledge)
    except Exception as error:
        if is_passing(error):
            raise
        logger.exception("nobody could be told that update %s failed", row.update_id)


def _tell_master(row: TelegramUpdate) -> None:
    text = (
        f"Something that came from Telegram could not be handled: {row.error} It is kept; the admin lists it under "
        "dead letters, where it can be tried again."
    )
    key = f"update:{cause_of(row.error)}"[:200]
    notice(kind="dead letter", key=key, text=text, severity=Notice.Severity.WARNING)


def _tell_sender(row: TelegramUpdate, channel: str, acknowledge: Acknowledge) -> None:
    """In his own chat, where he is let in and the chat is known; strangers learn nothing."""
    origin = payloads.origin_of(row.payload)
    if origin is None:
        return
    if origin.callback_id:
        acknowledge(origin.callback_id, PRESS_FAILED)
    person = Person.objects.filter(channel=channel, external_id=str(origin.user_id)).first()
    thread = Thread.objects.filter(channel=channel, address=str(origin.chat_id), topic=origin.topic).first()
    if row.kind == "message" and thread is not None and person is not None and person.state == Person.State.ALLOWED:
        say(thread=thread, text=NOT_UNDERSTOOD)
