"""The heads of the chats' queues: what each tick of a sender reads. In SQL, because it is asked all the time."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

# What is being sent stands before all else of its chat; progress lets everything else pass, and is overtaken by
# whatever is said of its job later; an edit is overtaken by a later one of the same message.
HEADS = """
SELECT d.id, d.kind = 'edit', d.state, d.purpose, d.text, d.buttons::text, d.approval_id, COALESCE(a.revision, 0),
       COALESCE(s.external_id, ''), d.attempts, d.unknown_sends, d.not_before, d.created_at, d.address, d.topic,
       d.thread_id,
       CASE WHEN d.kind = 'edit' THEN EXISTS (
           SELECT 1 FROM threads_delivery n
           WHERE n.edits_id = d.edits_id AND n.id > d.id AND n.state IN ('queued', 'sending', 'unknown')
       ) WHEN d.purpose = 'progress' AND d.job_ref <> '' THEN EXISTS (
           SELECT 1 FROM threads_delivery n
           WHERE n.job_ref = d.job_ref AND n.id > d.id AND n.kind = 'send' AND n.state <> 'failed'
       ) ELSE false END
FROM (
    SELECT DISTINCT ON (q.thread_id) q.*, t.address, t.topic
    FROM threads_delivery q JOIN threads_thread t ON t.id = q.thread_id
    WHERE q.state IN ('queued', 'sending', 'unknown') AND t.channel = %s
    ORDER BY q.thread_id, q.state <> 'sending', q.purpose = 'progress', q.id
) d
LEFT JOIN approvals_approval a ON a.id = d.approval_id LEFT JOIN threads_delivery s ON s.id = d.edits_id
ORDER BY d.purpose = 'progress', d.id
"""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What stands next in a chat's queue, with what a channel needs to carry it.

    `buttons` is JSON as it is stored; `edited_id` is what an edit edits; `is_overtaken`: something newer says it all.
    """

    id: int
    is_edit: bool
    state: str
    purpose: str
    text: str
    buttons: str
    approval_id: int | None
    revision: int
    edited_id: str
    attempts: int
    unknown_sends: int
    not_before: datetime | None
    created_at: datetime
    address: str
    topic: str
    thread_id: int
    is_overtaken: bool


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
            purpose=row[3],
            text=row[4],
            buttons=row[5],
            approval_id=row[6],
            revision=row[7],
            edited_id=row[8],
            attempts=row[9],
            unknown_sends=row[10],
            not_before=row[11],
            created_at=row[12],
            address=row[13],
            topic=row[14],
            thread_id=row[15],
            is_overtaken=row[16],
        )
        for row in rows
    ]
