"""The bridge process: the sender, the answers to presses, and the poller where there is no webhook."""

import logging
import os
import signal
from threading import Event, Thread

from common.backoff import delay
from ops.heartbeats import beat
from telegram_bridge import acks
from telegram_bridge.client import TelegramClient, TelegramPermanent, TelegramTransient
from telegram_bridge.mode import arrange
from telegram_bridge.polling import Poller
from telegram_bridge.sender import Sender
from telegram_bridge.settings import client, uses_webhook

logger = logging.getLogger(__name__)
NAME = "bridge"


def main() -> None:
    """Run until SIGTERM or SIGINT; what is being sent is finished, the rest stays in the outbox."""
    stop = Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def end(*_: object) -> None:
        stop.set()
        os.write(writer, b"x")

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    door = client()
    threads = [
        Thread(target=acks.serve, args=(door, stop), name="acks", daemon=True),
        Thread(target=receive, args=(door, stop), name="receive", daemon=True),
    ]
    for thread in threads:
        thread.start()
    Sender(stop=stop, wake_fd=reader, on_beat=lambda worked: beat(NAME, progressed=worked)).run()
    for thread in threads:
        thread.join(timeout=5)


def receive(door: TelegramClient, stop: Event) -> None:
    """Arrange the mode, as often as it takes; then poll, where that is the mode."""
    failures = 0
    while not stop.is_set():
        try:
            arrange(door)
            break
        except (TelegramTransient, TelegramPermanent) as error:
            failures += 1
            logger.warning("Telegram could not be told how to reach us: %s", error)
            stop.wait(1 + delay(failures))
    if not uses_webhook() and not stop.is_set():
        Poller(door, stop).run()
