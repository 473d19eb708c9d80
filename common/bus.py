"""Wake-ups between processes over PostgreSQL's NOTIFY and LISTEN: hints, so a lost one costs time, never a result."""

import logging
import select
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from common import backoff

logger = logging.getLogger(__name__)


def notify(channel: str, payload: str = "") -> None:
    """Wakes the listeners of `channel` when the current transaction commits (at once when there is none)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])


def connect(**changes: Any) -> psycopg.Connection[Any]:
    """A connection of its own to the default database, in autocommit mode, with other parameters where `changes` names
    them. The caller closes it."""
    params = connection.get_connection_params() | changes
    for django_only in ("cursor_factory", "context"):
        params.pop(django_only, None)
    return psycopg.connect(**params, autocommit=True)


class Listener:
    """Listens on channels over its own connection, which is made at the first wait and made again when it is lost.

    Belongs to one thread of one process (make it after a fork). `wake_fd` is a file descriptor that ends a wait early
    when it becomes readable: signal handlers write to it.
    """

    def __init__(self, *channels: str, wake_fd: int | None = None) -> None:
        self.channels = channels
        self.wake_fd = wake_fd
        self._connection: psycopg.Connection[Any] | None = None
        self._failures = 0

    def wait(self, timeout: float, *, beside: Sequence[int] = ()) -> list[tuple[str, str]]:
        """Waits up to `timeout` seconds and returns what came as (channel, payload). An empty list means: nothing, or
        the connection was lost or new, so that something may have been missed; look at the rows. Descriptors `beside`
        end the wait like `wake_fd`."""
        try:
            if self._connection is None:
                self.open()
                return []  # whatever was sent before LISTEN took effect is in the rows
            return self._receive(self._connection, timeout, beside)
        except (psycopg.Error, OSError) as error:
            logger.warning("The listening connection is lost: %s", str(error).strip())
            self.close()
            self._failures += 1
            self._select(beside, min(timeout, max(0.05, backoff.delay(self._failures))))
            return []

    def open(self) -> None:
        """Connects and listens; does nothing when it already does."""
        if self._connection is not None:
            return
        fresh = connect()
        for channel in self.channels:
            fresh.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self._connection = fresh
        self._failures = 0

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _receive(self, live: psycopg.Connection[Any], timeout: float, beside: Sequence[int]) -> list[tuple[str, str]]:
        notes = list(live.notifies(timeout=0))
        if not notes:
            self._select([live.fileno(), *beside], timeout)
            notes = list(live.notifies(timeout=0))
        return [(note.channel, note.payload) for note in notes]

    def _select(self, descriptors: Sequence[int], timeout: float) -> None:
        if self.wake_fd is not None:
            descriptors = [*descriptors, self.wake_fd]
        select.select(descriptors, [], [], timeout)
