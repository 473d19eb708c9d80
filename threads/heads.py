"""The heads of the chats' queues: what each tick of a sender reads. In SQL, because it is asked all the time."""

import json
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

HEADS = """
SELECT d.id, d.kind = 'edit', d.state, d.text, d.buttons::text, d.approval_id, COALESCE(a.revision, 0),
       COALESCE(s.external_id, ''), d.attempts, d.repeated, d.not_before, d.created_at, d.address, d.topic
FROM (
    SELECT DISTINCT ON (q.thread_id) q.*, t.address, t.topic
    FROM threads_delivery q JOIN threads_thread t ON t.id = q.thread_id
    WHERE q.state IN ('queued', 'sending', 'unknown') AND t.channel = %s ORDER BY q.thread_id, q.id
) d
LEFT JOIN approvals_approval a ON a.id = d.approval_id LEFT JOIN threads_delivery s ON s.id = d.edits_id
ORDER BY d.id
"""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The oldest open delivery of a chat, with what a channel needs to carry it. `edited_id`: what an edit edits."""

    id: int
    is_edit: bool
    state: str
    text: str
    buttons: list[tuple[str, str]]
    approval_id: int | None
    revision: int
    edited_id: str
    attempts: int
    repeated: bool
    not_before: datetime | None
    created_at: datetime
    address: str
    topic: str


def heads_of(channel: str) -> list[Head]:
    """The head of each thread, the longest waiting first, so that no chat starves another. One query."""
    with connection.cursor() as cursor:
        cursor.execute(HEADS, [channel])
        rows = cursor.fetchall()
    return [
        Head(
            id=row[0],
            is_edit=row[1],
            state=row[2],
            text=row[3],
            buttons=[(word, label) for word, label in json.loads(row[4])],
            approval_id=row[5],
            revision=row[6],
            edited_id=row[7],
            attempts=row[8],
            repeated=row[9],
            not_before=row[10],
            created_at=row[11],
            address=row[12],
            topic=row[13],
        )
        for row in rows
    ]
