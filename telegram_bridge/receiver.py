"""Lets updates come in: by polling, or by minding the webhook. One process of the whole system does this at a time.

Nothing ends it but the stop: an error is told, waited out by the common policy, and the next turn begins anew.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from threading import Event

from django.db import Error, connection
from django.db.models import Max
from django.utils import timezone

from common.backoff import delay
from common.errors import Stopped
from ops.connections import connection_failed, connection_ok
from ops.downtime import TELEGRAM_KEEPS, gap_tell
from ops.models import Connection
from ops.selectors import outages_since
from telegram_bridge.client import (
    TelegramClient,
    TelegramConflict,
    TelegramPermanent,
    TelegramTransient,
    TelegramUnauthorized,
)
from telegram_bridge.link import LINK, POLLING, UNAUTHORIZED_SECONDS, WEBHOOK
from telegram_bridge.mode import Way, arrange, is_pinned, mode_switch, way_now
from telegram_bridge.polling import Poller
from telegram_bridge.pulse import Pulse
from telegram_bridge.settings import bot_id
from telegram_bridge.watchdog import CHECK_SECONDS, trial_is_due, webhook_check, webhook_try

logger = logging.getLogger(__name__)
STANDBY_SECONDS = 2.0
TURN_SECONDS = 90.0
"""A turn beyond this is stuck: a poll takes 25 s when nothing comes, and the client cuts it at 65."""
LEAST_WAIT = 0.1


class Receiver:
    """`tick` is one turn; `run` repeats it until told to stop. `pulse` is what the process's watch looks at."""

    def __init__(self, client: TelegramClient, stop: Event, pulse: Pulse | None = None) -> None:
        self.client = client
        self.stop = stop
        self.pulse = pulse or Pulse()
        self.poller = Poller(client, stop.is_set)
        self.way: Way | None = None
        self.failures = 0
        self.is_well = False

    def run(self) -> None:
        """Turns while this process is the one that receives; otherwise it stands by."""
        while not self.stop.is_set():
            try:
                with receiver_lock() as mine:
                    self.way = None  # whoever received meanwhile may have arranged it otherwise
                    while mine and not self.stop.is_set():
                        self.turn()
                    self._rest(STANDBY_SECONDS)
            except Exception as error:
                self._recover(error)
        self.pulse.rest()
        connection.close()

    def turn(self) -> None:
        """A tick, or the wait after one that Telegram did not answer well. Raises the database's errors."""
        self.pulse.expect(TURN_SECONDS)
        try:
            self.tick()
            self.failures = 0
        except Stopped:
            return
        except TelegramConflict as error:
            self._give_way(error)
        except (TelegramTransient, TelegramPermanent) as error:
            self._wait_out(error)

    def tick(self) -> None:
        """One request by polling, or one look at the webhook; before that the mode is arranged where it has changed."""
        way = way_now()
        if way is not self.way:
            self._arrange(way)
        elif way is Way.WEBHOOK:
            self._rest(CHECK_SECONDS)
            if not self.stop.is_set() and not webhook_check(self.client):
                self._well(WEBHOOK)
        else:
            self.poller.tick()
            self._well(POLLING)
            if trial_is_due():
                webhook_try(self.client)

    def _arrange(self, way: Way) -> None:
        try:
            arrange(self.client, way)
        except TelegramUnauthorized:
            raise
        except TelegramPermanent as error:
            if way is Way.WEBHOOK:
                connection_failed(WEBHOOK, error, fatal=True, host="")
                if not is_pinned() and mode_switch(to=Way.POLLING, reason=str(error)):
                    return
            raise
        self.way = way

    def _well(self, name: str) -> None:
        """Updates can come. After a start or a failure: was it away for longer than Telegram keeps them?"""
        if not self.is_well:
            self.is_well = True
            gap_look()
        connection_ok(name, host="")
        LINK.tell()

    def _give_way(self, error: TelegramConflict) -> None:
        """Somebody else gets this bot's updates. A webhook is taken away: nothing that is pending is lost by that."""
        webhook = "webhook" in str(error).lower()
        self.is_well = False
        self.failures += 1
        pause = max(LEAST_WAIT, delay(self.failures))
        connection_failed(POLLING, HOOKED if webhook else DOUBLED, retry_in=pause, host="")
        logger.warning("polling: %s (%s)", HOOKED if webhook else DOUBLED, error)
        if webhook:
            with suppress(TelegramTransient, TelegramPermanent):  # the next conflict comes here again
                self.client.delete_webhook()
        self._rest(pause)

    def _wait_out(self, error: TelegramTransient | TelegramPermanent) -> None:
        self.is_well = False
        self.failures += 1
        pause = self._pause(error)
        logger.warning("telegram: %s (next try in %.1f s)", error, pause)
        LINK.tell(retry_in=pause)
        self._rest(pause)

    def _pause(self, error: TelegramTransient | TelegramPermanent) -> float:
        if isinstance(error, TelegramUnauthorized):
            return UNAUTHORIZED_SECONDS
        asked = error.retry_after if isinstance(error, TelegramTransient) else None
        return asked if asked is not None else max(LEAST_WAIT, delay(self.failures))

    def _recover(self, error: Exception) -> None:
        """The database is away, or something is wrong that nobody thought of: log it, and begin anew."""
        self.failures += 1
        if isinstance(error, Error):
            logger.warning("receiving: the database does not answer: %s", str(error).strip())
        else:
            logger.exception("receiving failed, and begins anew")
        connection.close()
        self._rest(max(LEAST_WAIT, delay(self.failures)))

    def _rest(self, seconds: float) -> None:
        self.pulse.expect(seconds + TURN_SECONDS)
        self.stop.wait(seconds)


HOOKED = (
    "A webhook is set for this bot although updates are to come by polling. It is taken away; if it comes again, "
    "another program uses the bot's token: stop that one."
)
DOUBLED = (
    "Another program fetches this bot's updates with the same token. Stop that one, or get a new token from "
    "@BotFather: until then each of the two gets only some of the messages."
)


@contextmanager
def receiver_lock() -> Iterator[bool]:
    """Whether this process may receive for the bot: held by one database session at a time, freed by its death."""
    key = f"receive:{bot_id()}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [key])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        with suppress(Error):  # a session that is gone holds nothing
            if mine and connection.is_usable():
                connection.cursor().execute("SELECT pg_advisory_unlock(hashtext(%s))", [key])


def gap_look() -> None:
    """Tell the master of a possible gap when Telegram was out of reach for longer than it keeps updates. An outage of
    the whole system has been told of at its start."""
    rows = Connection.objects.filter(name__in=(POLLING, WEBHOOK), host="")
    last: datetime | None = rows.aggregate(last=Max("last_ok_at"))["last"]
    now = timezone.now()
    if last is None or now - last <= TELEGRAM_KEEPS:
        return
    # Between the last look and the last beat may lie as much as a look takes.
    told = (outage.ended_at - outage.began_at > TELEGRAM_KEEPS - timedelta(minutes=2) for outage in outages_since(last))
    if not any(told):
        gap_tell(last, now)
