"""What a model is told of the conversation: the last messages, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from common.text import shorten
from threads.models import Message

OLD_MESSAGE_LIMIT = 4000
"""Characters of an earlier message that are still told; the new ones are told whole."""


TOLD = """
SELECT m.id, m.text, ARRAY(
    SELECT concat(a.kind, ' ', a.name, ': ', a.error) FROM threads_artifact a WHERE a.message_id = m.id ORDER BY a.id
)
FROM threads_message m WHERE m.id = ANY(%s) ORDER BY m.id
"""
HISTORY = "SELECT role, text FROM threads_message WHERE thread_id = %s AND id < %s ORDER BY id DESC LIMIT %s"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Consecutive words of one side."""

    role: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """A message as a model is told it. `files`: a line on each."""

    id: int
    text: str
    files: list[str]


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


def messages_told(ids: Sequence[int]) -> list[Told]:
    """Those messages, oldest first, with what is known of their files; one query."""
    with connection.cursor() as cursor:
        cursor.execute(TOLD, [list(ids)])
        return [Told(id=row[0], text=row[1], files=row[2]) for row in cursor.fetchall()]


def new_messages(messages: Sequence[Told]) -> str:
    """The new messages as a model reads them: each between markers that it can tell apart from what is around."""
    return "\n".join(f"<new_message>\n{told(message)}\n</new_message>" for message in messages)


def told(message: Told) -> str:
    """The text of a message, and what came with it."""
    lines = [message.text] if message.text else []
    lines += [f"[{described}]" for described in message.files]
    return "\n".join(lines) or "(no text)"
