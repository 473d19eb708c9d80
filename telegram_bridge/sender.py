"""The one sender of this bot: carries the outbox, woken by NOTIFY, with a slow look as a fallback."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
from django.db import Error, connection

from common.backoff import delay
from common.bus import Listener
from telegram_bridge.inbound import CHANNEL
from threads.channels import channel_of
from threads.outbox import Tick, outbox_recover, sender_lock, tick
from threads.services import OUTBOX_CHANNEL

logger = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
BEAT_SECONDS = 5.0
THREADS = 32


class Sender:
    """Sends until told to stop. `wake_fd` becomes readable when it is to look up from its wait."""

    def __init__(self, *, stop: Event, wake_fd: int | None, on_beat: Callable[[bool], None]) -> None:
        self.stop = stop
        self.wake_fd = wake_fd
        self.on_beat = on_beat
        self.beat_at = 0.0
        self.failures = 0
        self.worked = False

    def run(self) -> None:
        """Hold the sender's lock and send; a lost database is waited for, and the lock taken anew."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="send") as pool:
            while not self.stop.is_set():
                try:
                    with sender_lock(CHANNEL) as mine:
                        if mine:
                            self._serve(pool)
                        else:
                            self._beat(Tick(carried=0, next_in=None))
                            self.stop.wait(1.0)
                except (Error, psycopg.Error, OSError) as error:  # the listener's connection is psycopg's own
                    self.failures += 1
                    logger.warning("the sender lost the database: %s", str(error).strip())
                    connection.close()
                    self.stop.wait(max(0.05, delay(self.failures)))

    def _serve(self, pool: ThreadPoolExecutor) -> None:
        listener = Listener(OUTBOX_CHANNEL, wake_fd=self.wake_fd)
        try:
            listener.open()  # before the first look, so that nothing falls between the two
            outbox_recover(CHANNEL)
            while not self.stop.is_set():
                done = tick(channel_of(CHANNEL), pool)
                self.failures = 0
                self._beat(done)
                if not done.carried:
                    listener.wait(min(LOOK_SECONDS, max(done.next_in or LOOK_SECONDS, 0.001)))
        finally:
            listener.close()

    def _beat(self, done: Tick) -> None:
        self.worked = self.worked or bool(done.carried)
        if time.monotonic() - self.beat_at >= BEAT_SECONDS:
            self.beat_at = time.monotonic()
            self.on_beat(self.worked)
            self.worked = False
