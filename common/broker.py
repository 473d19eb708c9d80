"""django-q2's queue table as an at-least-once queue on PostgreSQL: SKIP LOCKED claims, LISTEN wake-ups.

A claim is a `lock` time in the future. It is short and its holder's guard renews it, so the claims of a host that died
lapse by themselves and several hosts can share a queue.

Claims, renewals and acknowledgements commit without waiting for the disk (`ASYNC`, for the statement's own transaction
only). After a crash of the server the last of them may be undone, at most 0.6 s of them; then a task runs again, which
it must bear anyway. What the task itself wrote, and the package with its cause, wait for the disk as ever.
"""

from django.db import connection
from django_q.brokers.orm import ORM

from common.bus import Listener

CLAIM_SECONDS = 5.0
"""Of a guard that died with its workers, what they were at is taken up so much later."""
POLL_SECONDS = 2.0
ASYNC = "set_config('synchronous_commit', 'off', true)"

# The id as payload, for PostgreSQL sends equal notes of a transaction only once, and each is to wake one worker.
INSERT = """
    WITH added AS (INSERT INTO django_q_ormq (key, payload, lock) VALUES (%s, %s, now()) RETURNING id)
    SELECT id, pg_notify(%s, id::text) FROM added
"""
INSERT_LATER = """
    INSERT INTO django_q_ormq (key, payload, lock) VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
    RETURNING id
"""
CLAIM = f"""
    UPDATE django_q_ormq SET lock = now() + make_interval(secs => %s) WHERE id = (
        SELECT id FROM django_q_ormq WHERE key = %s AND lock <= now() ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING id, payload, {ASYNC}
"""
RENEW = f"UPDATE django_q_ormq SET lock = now() + make_interval(secs => %s) WHERE id = ANY(%s) RETURNING {ASYNC}"
ACKNOWLEDGE = f"DELETE FROM django_q_ormq WHERE id = %s RETURNING {ASYNC}"
RELEASE = """
    WITH freed AS (UPDATE django_q_ormq SET lock = now() + make_interval(secs => %s) WHERE id = %s)
    SELECT pg_notify(%s, '')
"""


def channel(lane: str) -> str:
    """The NOTIFY channel that wakes the workers of a lane."""
    return f"queue_{lane}"


def insert(lane: str, payload: str) -> int:
    """Puts a signed q2 package on a lane in the current transaction, in one round trip; its workers wake at commit."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [lane, payload, channel(lane)])
        row: tuple[int, str] = cursor.fetchone()
    return row[0]


def insert_later(lane: str, payload: str, *, after: float) -> int:
    """Puts a package on a lane that nobody takes for so many seconds; a guard's look finds it within POLL_SECONDS."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT_LATER, [lane, payload, after])
        row: tuple[int] = cursor.fetchone()
    return row[0]


def claim(lane: str) -> tuple[int, str] | None:
    """Takes the oldest free package of a lane for CLAIM_SECONDS: (queue row id, payload), or None."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [CLAIM_SECONDS, lane])
        row: tuple[int, str, str] | None = cursor.fetchone()
    return row and row[:2]


def renew(claims: list[int]) -> None:
    """Keeps claims for another CLAIM_SECONDS."""
    with connection.cursor() as cursor:
        cursor.execute(RENEW, [CLAIM_SECONDS, claims])


def release(lane: str, claimed: int, *, after: float = 0.0) -> None:
    """Gives a claim back, to be taken again in `after` seconds, and wakes the lane."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [after, claimed, channel(lane)])


def waiting(lane: str) -> int:
    """How many packages of a lane are free to be taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_q_ormq WHERE key = %s AND lock <= now()", [lane])
        row: tuple[int] = cursor.fetchone()
    return row[0]


def acknowledge(claimed: int) -> None:
    """Takes a finished package off the queue."""
    with connection.cursor() as cursor:
        cursor.execute(ACKNOWLEDGE, [claimed])


class PostgresBroker(ORM):  # type: ignore[misc]
    """What django-q2 itself calls (its scheduler, admin and commands), set as `broker_class`."""

    _listener: Listener | None = None

    def enqueue(self, task: str) -> int:
        return insert(self.list_key, task)

    def dequeue(self) -> list[tuple[int, str]] | None:
        if found := claim(self.list_key):
            return [found]
        if self._listener is None:
            self._listener = Listener(channel(self.list_key))
        self._listener.wait(POLL_SECONDS)
        return None

    def acknowledge(self, task_id: int) -> None:
        acknowledge(task_id)
