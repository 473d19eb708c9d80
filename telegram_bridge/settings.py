"""What the bridge derives from the settings."""

from django.conf import settings

from telegram_bridge.client import TelegramClient

WEBHOOK_PATH = "/webhook/telegram"
# What Telegram must be asked for by name; the rest it sends by itself.
ALLOWED_UPDATES = ["message", "edited_message", "callback_query", "my_chat_member", "message_reaction", "inline_query"]


def bot_id() -> int:
    """The bot's id: the part of its token before the colon (0 without a token)."""
    head = settings.TELEGRAM_BOT_TOKEN.partition(":")[0]
    return int(head) if head.isdecimal() else 0


def client() -> TelegramClient:
    """The door to the configured Bot API server."""
    return TelegramClient(settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_API_URL)


def webhook_url() -> str:
    """Where Telegram is to send updates; empty without a PUBLIC_URL."""
    return settings.PUBLIC_URL.rstrip("/") + WEBHOOK_PATH if settings.PUBLIC_URL else ""
