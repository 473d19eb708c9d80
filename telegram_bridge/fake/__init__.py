"""A stand-in for Telegram's Bot API server: real HTTP on loopback, the rules of the real one, no network."""

from telegram_bridge.fake.server import FakeTelegram
from telegram_bridge.fake.world import CallbackAnswer, Edit, Message

__all__ = ["CallbackAnswer", "Edit", "FakeTelegram", "Message"]
