"""Ends the spinner of pressed buttons. Not a delivery: tried once, and not at all when it comes too late."""

import json
import logging
from threading import Event

from common.bus import Listener
from telegram_bridge.client import TelegramClient, TelegramPermanent, TelegramTransient
from telegram_bridge.inbound import ACK_CHANNEL

logger = logging.getLogger(__name__)


def serve(client: TelegramClient, stop: Event) -> None:
    """Answer presses as they are decided, until told to stop."""
    listener = Listener(ACK_CHANNEL)
    try:
        while not stop.is_set():
            for _, payload in listener.wait(1.0):
                answer(client, payload)
    finally:
        listener.close()


def answer(client: TelegramClient, payload: str) -> None:
    """One callback answer. A press that Telegram has forgotten meanwhile is no fault."""
    press = json.loads(payload)
    try:
        client.answer_callback(press["id"], press["text"])
    except (TelegramTransient, TelegramPermanent) as error:
        logger.info("a press could not be answered: %s", error)
