"""How this process's calls to Telegram went: kept in memory by each call, written to the row by the bridge's beat.

A send must not wait for the report that it worked, and the threads that send have no connection to the database.
"""

import threading

from ops.connections import connection_failed, connection_ok
from telegram_bridge.errors import TelegramConflict, TelegramPermanent, TelegramTransient, TelegramUnauthorized

TELEGRAM, POLLING, WEBHOOK = "Telegram", "Telegram polling", "Telegram webhook"
"""The connections: any call, of a host; and the two ways in which updates come, of the whole system."""
UNAUTHORIZED_SECONDS = 60.0
"""A token that was revoked does not come back: asked for once a minute, in case Telegram was wrong."""

Heard = TelegramTransient | TelegramPermanent | None


class Link:
    """The last thing heard. Guarded by its lock: any thread calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._news = False

    def heard(self, error: Heard) -> None:
        """A call ended. An answer is an answer, also a refusal, a flood limit or a conflict."""
        with self._lock:
            self._error, self._news = (error if _is_outage(error) else None), True

    def tell(self, *, retry_in: float | None = None) -> None:
        """Write what was heard since the last time to the row; on a thread that has a connection to the database."""
        with self._lock:
            error, news, self._news = self._error, self._news, False
        if news and error is None:
            connection_ok(TELEGRAM)
        elif news and error is not None:
            connection_failed(TELEGRAM, error, retry_in=retry_in, fatal=isinstance(error, TelegramUnauthorized))


def _is_outage(error: Heard) -> bool:
    if isinstance(error, TelegramUnauthorized):
        return True
    answered = isinstance(error, TelegramConflict) or getattr(error, "retry_after", None) is not None
    return isinstance(error, TelegramTransient) and not answered


LINK = Link()
