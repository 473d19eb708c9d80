"""How the outside is reached: one row a connection and host, said by whoever uses it, as a side effect of its work.

Saying so must cost nothing where messages wait: each process remembers what it wrote last, and writes again only when
the state changes, or now and then. The row is the truth; it lags by at most REFRESH_SECONDS when several processes of
a host see different things. The database's own state is no row: it is asked for live, see health.py.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

from django.db import Error, connection

from common.host import host_id
from common.rows import RELAXED
from common.text import redact, shorten
from ops.models import Connection

logger = logging.getLogger(__name__)
State = Connection.State

REFRESH_SECONDS = 15.0
"""Between two writes of a state that has not changed."""
FAILURES_UNTIL_DOWN = 3
SECONDS_UNTIL_DOWN = 30
"""Degraded at the first failure; down at the third, or when half a minute after the first it still fails."""

WELL = f"""
INSERT INTO ops_connection (name, host, state, since, last_ok_at, seen_at, failures, last_error, detail)
VALUES (%s, %s, 'connected', now(), now(), now(), 0, '', '{{}}')
ON CONFLICT ON CONSTRAINT one_row_a_connection DO UPDATE SET
    state = 'connected', last_ok_at = now(), seen_at = now(), failures = 0, failing_since = NULL, next_try_at = NULL,
    since = CASE WHEN ops_connection.state = 'connected' THEN ops_connection.since ELSE now() END
RETURNING state, {RELAXED}
"""
FAILED = f"""
INSERT INTO ops_connection AS old
    (name, host, state, since, failing_since, seen_at, failures, last_error, next_try_at, detail)
VALUES (%(name)s, %(host)s, CASE WHEN %(fatal)s THEN 'down' ELSE 'degraded' END,
        now(), now(), now(), %(count)s, %(error)s, now() + make_interval(secs => %(retry_in)s), '{{}}')
ON CONFLICT ON CONSTRAINT one_row_a_connection DO UPDATE SET
    failures = old.failures + EXCLUDED.failures, last_error = EXCLUDED.last_error, seen_at = now(),
    failing_since = COALESCE(old.failing_since, now()), next_try_at = EXCLUDED.next_try_at,
    (state, since) = (
        SELECT fresh, CASE WHEN fresh = old.state THEN old.since ELSE now() END
        FROM (SELECT CASE WHEN %(fatal)s OR old.state = 'down'
                            OR old.failures + EXCLUDED.failures >= {FAILURES_UNTIL_DOWN}
                            OR now() - old.failing_since >= make_interval(secs => {SECONDS_UNTIL_DOWN})
                          THEN 'down' ELSE 'degraded' END AS fresh) AS judged)
RETURNING state, {RELAXED}
"""


@dataclass(kw_only=True)
class _Memo:
    """What this process wrote last: the state that came out of it, when, and the failures not counted yet."""

    state: str
    written: float
    untold: int = 0


_memos: dict[tuple[str, str], _Memo] = {}


def connection_ok(name: str, *, host: str | None = None) -> None:
    """`name` has just answered. Nearly always free; never raises. An empty `host`: of the whole system."""
    key = (name, host_id() if host is None else host)
    memo = _memos.get(key)
    if memo is not None and memo.state == State.CONNECTED and time.monotonic() - memo.written < REFRESH_SECONDS:
        return
    _write(key, WELL, list(key))


def connection_failed(
    name: str,
    error: Exception | str,
    *,
    retry_in: float | None = None,
    fatal: bool = False,
    host: str | None = None,
) -> None:
    """`name` did not answer; tried again in `retry_in` seconds, if that is known. Never raises.

    `fatal`: trying again can't help until somebody does something (a key was revoked), so it is down at once.
    """
    key = (name, host_id() if host is None else host)
    memo = _memos.get(key)
    if memo is not None and memo.state == State.DOWN and time.monotonic() - memo.written < REFRESH_SECONDS / 3:
        memo.untold += 1
        return
    values = {
        "name": key[0],
        "host": key[1],
        "fatal": fatal,
        "count": 1 + (memo.untold if memo is not None else 0),
        "error": shorten(redact(str(error)), 500) or type(error).__name__,
        "retry_in": retry_in,
    }
    _write(key, FAILED, values)


def forget() -> None:
    """Lets this process write anew, whatever it wrote before."""
    _memos.clear()


def _write(key: tuple[str, str], sql: str, values: Any) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            state = cursor.fetchone()[0]
    except Error as error:  # the report must not break what is reported on; the database is its user's to mind
        logger.warning("The state of the connection %s could not be written: %s", key[0], str(error).strip())
        return
    _memos[key] = _Memo(state=state, written=time.monotonic())
