"""Long polling, for servers without public HTTPS: an update is asked for again until it is committed."""

import logging
from threading import Event

from django.db import DatabaseError, connection

from common.backoff import delay
from common.errors import Stopped
from telegram_bridge.client import TelegramClient, TelegramConflict, TelegramPermanent, TelegramTransient
from telegram_bridge.inbound import update_receive
from telegram_bridge.settings import ALLOWED_UPDATES

logger = logging.getLogger(__name__)
WAIT_SECONDS = 25.0


class Poller:
    """Asks for updates and hands them on. The offset begins anew with each process: what Telegram has not been told to
    forget comes again, and what is known already changes nothing. (Telegram may draw new update ids after a quiet
    week, so an offset kept for longer could skip them: it is forgotten after each empty answer.)"""

    def __init__(self, client: TelegramClient, stop: Event) -> None:
        self.client = client
        self.stop = stop
        self.offset: int | None = None
        self.failures = 0

    def tick(self) -> int:
        """One request, and each update of its answer committed; how many there were."""
        updates = self.client.get_updates(self.offset, WAIT_SECONDS, self.stop.is_set, allowed_updates=ALLOWED_UPDATES)
        for update in updates:
            update_receive(update)
            self.offset = update["update_id"] + 1
        if not updates:
            self.offset = None
        return len(updates)

    def run(self) -> None:
        """Tick until told to stop; faults of either side are waited out."""
        while not self.stop.is_set():
            try:
                self.tick()
                self.failures = 0
            except Stopped:
                break
            except TelegramConflict:
                self._heal_conflict()
            except (TelegramTransient, TelegramPermanent, DatabaseError) as error:
                self._wait(error)
        connection.close()

    def _heal_conflict(self) -> None:
        """A webhook that somebody set stands in the way: take it away, nothing pending is lost by that."""
        try:
            self.client.delete_webhook()
        except (TelegramTransient, TelegramPermanent) as error:
            self._wait(error)
        else:
            self._wait(TelegramTransient("Another poller or a webhook was in the way."))

    def _wait(self, error: Exception) -> None:
        self.failures += 1
        logger.warning("polling: %s", error)
        if isinstance(error, DatabaseError):
            connection.close()
        retry_after = getattr(error, "retry_after", None)
        self.stop.wait(retry_after if retry_after is not None else 0.1 + delay(self.failures))
