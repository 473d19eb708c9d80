"""How updates come in: by webhook or by polling, as the settings say. Pending updates are never dropped."""

import logging

from django.conf import settings

from common.commands import all_commands
from telegram_bridge.client import TelegramClient
from telegram_bridge.settings import ALLOWED_UPDATES, uses_webhook, webhook_url

logger = logging.getLogger(__name__)
MAX_CONNECTIONS = 16


def arrange(client: TelegramClient) -> None:
    """Tell Telegram how to reach us, and which commands there are; safe to repeat. Raises the client's errors."""
    if uses_webhook():
        webhook_set(client)
    else:
        client.delete_webhook()
    client.set_commands([(each.name, each.help) for each in all_commands()])


def webhook_set(client: TelegramClient) -> str:
    """Set the webhook; its URL."""
    url = webhook_url()
    # Set each time: whether the secret is still ours can't be asked.
    client.set_webhook(
        url,
        secret_token=settings.TELEGRAM_WEBHOOK_SECRET,
        allowed_updates=ALLOWED_UPDATES,
        max_connections=MAX_CONNECTIONS,
    )
    logger.info("webhook set to %s", url)
    return url
