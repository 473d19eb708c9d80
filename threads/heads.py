"""The heads of the chats' queues: what each tick of a sender reads. In SQL, because it is asked all the time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

# The threads with open deliveries are found by skipping from one to the next along the index `delivery_open`, and of
# each the head by one or two looks into it: a backlog of many rows costs no more than one of a few. Progress lets all
# else pass, and is overtaken by whatever is said of its job later; an edit by a later one of the same message.
HEADS = """
WITH RECURSIVE waiting AS (
    (SELECT thread_id FROM threads_delivery WHERE state IN ('queued', 'sending', 'unknown')
     ORDER BY thread_id LIMIT 1)
    UNION ALL
    SELECT (SELECT n.thread_id FROM threads_delivery n
            WHERE n.state IN ('queued', 'sending', 'unknown') AND n.thread_id > w.thread_id
            ORDER BY n.thread_id LIMIT 1)
    FROM waiting w WHERE w.thread_id IS NOT NULL
)
SELECT d.id, d.kind = 'edit', d.state, d.purpose, d.text, d.buttons::text, d.approval_id, COALESCE(a.revision, 0),
       COALESCE(s.external_id, ''), d.attempts, d.unknown_sends, d.not_before, d.created_at, t.address, t.topic,
       d.thread_id,
       CASE WHEN d.kind = 'edit' THEN EXISTS (
           SELECT 1 FROM threads_delivery n
           WHERE n.edits_id = d.edits_id AND n.id > d.id AND n.state IN ('queued', 'sending', 'unknown')
       ) WHEN d.purpose = 'progress' AND d.job_ref <> '' THEN EXISTS (
           SELECT 1 FROM threads_delivery n
           WHERE n.job_ref = d.job_ref AND n.id > d.id AND n.kind = 'send' AND n.state <> 'failed'
       ) ELSE false END
FROM waiting w
JOIN threads_thread t ON t.id = w.thread_id AND t.channel = %s AND NOT t.id = ANY(%s::bigint[])
CROSS JOIN LATERAL (
    (SELECT * FROM threads_delivery q
     WHERE q.thread_id = w.thread_id AND q.state IN ('queued', 'sending', 'unknown') AND q.purpose <> 'progress'
     ORDER BY q.id LIMIT 1)
    UNION ALL
    (SELECT * FROM threads_delivery q
     WHERE q.thread_id = w.thread_id AND q.state IN ('queued', 'sending', 'unknown') ORDER BY q.id LIMIT 1)
    ORDER BY purpose LIMIT 1  -- the words happen to stand in this order: progress is the last
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


def heads_of(channel: str, *, busy: Collection[int] = ()) -> list[Head]:
    """The head of each thread but the `busy` ones, the longest waiting first, so that no chat starves another.

    One query."""
    with connection.cursor() as cursor:
        cursor.execute(HEADS, [channel, list(busy)])
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
