"""What a model is told of the conversation: the last messages, oldest first."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import OuterRef, QuerySet, Value
from django.db.models.functions import Concat

from common.text import shorten
from threads.models import Artifact, Message

OLD_MESSAGE_LIMIT = 4000
"""Characters of an earlier message that are still told; the new ones are told whole."""


HISTORY = "SELECT role, text FROM threads_message WHERE thread_id = %s AND id < %s ORDER BY id DESC LIMIT %s"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Consecutive words of one side."""

    role: str
    text: str


def history(*, thread_id: int, before: int) -> list[Turn]:
    """The last MESSAGE_HISTORY_LIMIT messages older than message `before`, oldest first, one side after the other.

    Begins with a user's turn, as the Messages API wants it; messages without words are left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(HISTORY, [thread_id, before, settings.MESSAGE_HISTORY_LIMIT])
        rows = cursor.fetchall()
    turns: list[Turn] = []
    for role, whole in reversed(rows):
        text = _cut(whole)
        if not text.strip():
            continue
        if turns and turns[-1].role == role:
            turns[-1] = Turn(role=role, text=f"{turns[-1].text}\n{text}")
        elif turns or role == Message.Role.USER:
            turns.append(Turn(role=role, text=text))
    return turns


def _cut(text: str) -> str:
    return text if len(text) <= OLD_MESSAGE_LIMIT else shorten(text, OLD_MESSAGE_LIMIT)


def messages_told(messages: QuerySet[Message]) -> list[Message]:
    """Those messages, oldest first, with what is known of their files; one query."""
    files = Artifact.objects.filter(message=OuterRef("pk")).order_by("pk")
    known = ArraySubquery(files.values_list(Concat("kind", Value(" "), "name", Value(": "), "error"), flat=True))
    return list(messages.annotate(files=known).only("pk", "text").order_by("pk"))


def new_messages(messages: list[Message]) -> str:
    """The new messages as a model reads them: each between markers that it can tell apart from what is around."""
    return "\n".join(f"<new_message>\n{told(message)}\n</new_message>" for message in messages)


def told(message: Message) -> str:
    """The text of a message of `messages_told`, and what came with it."""
    lines = [message.text] if message.text else []
    lines += [f"[{described}]" for described in getattr(message, "files", [])]
    return "\n".join(lines) or "(no text)"
