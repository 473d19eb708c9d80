"""Long polling, for servers without public HTTPS: an update is asked for again until it is committed."""

from common.errors import StopCheck
from telegram_bridge.client import TelegramClient
from telegram_bridge.inbound import update_receive
from telegram_bridge.settings import ALLOWED_UPDATES

WAIT_SECONDS = 25.0
"""Telegram answers after that long when there is nothing."""


class Poller:
    """Asks for updates and hands them on. The offset begins anew with each process: what Telegram has not been told to
    forget comes again, and what is known already changes nothing. (Telegram may draw new update ids after a quiet
    week, so an offset kept for longer could skip them: it is forgotten after each empty answer.)"""

    def __init__(self, client: TelegramClient, stop: StopCheck) -> None:
        self.client = client
        self.stop = stop
        self.offset: int | None = None

    def tick(self) -> int:
        """One request, and each update of its answer committed; how many there were. Raises the client's errors,
        Stopped, and the database's."""
        updates = self.client.get_updates(self.offset, WAIT_SECONDS, self.stop, allowed_updates=ALLOWED_UPDATES)
        for update in updates:
            update_receive(update)
            self.offset = update["update_id"] + 1
        if not updates:
            self.offset = None
        return len(updates)
