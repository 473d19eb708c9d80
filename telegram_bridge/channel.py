"""Telegram as a channel: renders what the outbox hands over, and knows no rule."""

from django.conf import settings

from telegram_bridge.client import TelegramPermanent, TelegramTransient, TelegramUnauthorized
from telegram_bridge.inbound import CHANNEL, button_data
from telegram_bridge.link import UNAUTHORIZED_SECONDS
from telegram_bridge.settings import client
from threads.channels import Outgoing, Rate, register
from threads.errors import DeliveryPermanent, DeliveryTransient

# Telegram's published limits (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this): 1 a
# second in a chat, 20 a minute in a group, 30 a second over all. A group's burst and rate together stay within its
# minute. Over all, a few may follow each other at once (a card, its edit and an answer), and the rate stays below 30.
CHAT_SECONDS, GROUP_SECONDS, CHAT_BURST = 1.0, 60 / 17, 3
BOT = Rate(key="bot", seconds=1 / 29.5, burst=5)

ROW = 3
"""Buttons beside each other that a phone still shows with their words."""


class TelegramChannel:
    """https://core.telegram.org/bots/api#sendmessage"""

    name = CHANNEL
    pulls = False
    text_limit = 4096

    def send(self, outgoing: Outgoing) -> str:
        topic = int(outgoing.topic) if outgoing.topic else None
        try:
            sent = client().send_message(
                int(outgoing.address), outgoing.text, topic=topic, buttons=_buttons(outgoing) or None
            )
        except (TelegramTransient, TelegramPermanent) as error:
            raise _sorted(error) from None
        return str(sent)

    def edit(self, outgoing: Outgoing) -> None:
        try:
            client().edit_message(
                int(outgoing.address), int(outgoing.external_id), outgoing.text, buttons=_buttons(outgoing) or None
            )
        except (TelegramTransient, TelegramPermanent) as error:
            raise _sorted(error) from None

    def rates(self, address: str) -> list[Rate]:
        if not settings.TELEGRAM_RATE_LIMITS:
            return []
        seconds = GROUP_SECONDS if address.startswith("-") else CHAT_SECONDS
        return [Rate(key=f"chat:{address}", seconds=seconds, burst=CHAT_BURST), BOT]


def _buttons(outgoing: Outgoing) -> list[list[tuple[str, str]]]:
    """Rows of buttons: label, and data that names approval, revision and choice."""
    if outgoing.approval_id is None or not outgoing.buttons:
        return []
    row = [
        (label, button_data(approval_id=outgoing.approval_id, revision=outgoing.revision, choice=word))
        for word, label in outgoing.buttons
    ]
    return [row[at : at + ROW] for at in range(0, len(row), ROW)]


def _sorted(error: TelegramTransient | TelegramPermanent) -> DeliveryTransient | DeliveryPermanent:
    if isinstance(error, TelegramUnauthorized):  # it says nothing of the message, which waits for a token
        return DeliveryTransient(str(error), retry_after=UNAUTHORIZED_SECONDS)
    if isinstance(error, TelegramPermanent):
        return DeliveryPermanent(str(error))
    return DeliveryTransient(
        str(error), retry_after=error.retry_after, unknown_outcome=error.unknown_outcome, refused=error.refused
    )


register(TelegramChannel())
