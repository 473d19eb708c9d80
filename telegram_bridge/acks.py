"""Ends the spinner of pressed buttons. Not a delivery: tried once, and not at all when it comes too late."""

import json
import logging
from threading import Event

from common.backoff import delay
from common.bus import Listener
from telegram_bridge.client import TelegramClient, TelegramPermanent, TelegramTransient
from telegram_bridge.inbound import ACK_CHANNEL

logger = logging.getLogger(__name__)


def serve(client: TelegramClient, stop: Event) -> None:
    """Answer presses as they are decided, until told to stop. The listener waits a lost database out by itself."""
    listener = Listener(ACK_CHANNEL)
    failures = 0
    while not stop.is_set():
        try:
            for _, payload in listener.wait(1.0):
                answer(client, payload)
            failures = 0
        except Exception:  # one bad press must not leave all others without an answer
            logger.exception("a press could not be answered")
            failures += 1
            stop.wait(delay(failures))
    listener.close()


def answer(client: TelegramClient, payload: str) -> None:
    """One callback answer. A press that Telegram has forgotten meanwhile is no fault."""
    press = json.loads(payload)
    try:
        client.answer_callback(press["id"], press["text"])
    except (TelegramTransient, TelegramPermanent) as error:
        logger.info("a press could not be answered: %s", error)
