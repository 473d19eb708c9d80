import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from telegram_bridge.client import TelegramPermanent, TelegramTransient
from telegram_bridge.mode import webhook_set
from telegram_bridge.settings import client, webhook_url


class Command(BaseCommand):
    help = "Set, delete or show Telegram's webhook of this bot. Pending updates are kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["set", "delete", "info"])

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.TELEGRAM_BOT_TOKEN:
            raise CommandError("There is no TELEGRAM_BOT_TOKEN: get one from @BotFather and put it into .env.")
        try:
            getattr(self, options["action"])()
        except (TelegramTransient, TelegramPermanent) as error:
            raise CommandError(f"Telegram did not do it: {error}") from None

    def set(self) -> None:
        if not webhook_url():
            raise CommandError("There is no PUBLIC_URL: set it to the https address of this server.")
        self.stdout.write(f"The webhook is {webhook_set(client())}.")

    def delete(self) -> None:
        client().delete_webhook()
        self.stdout.write("The webhook is gone; updates wait for polling.")

    def info(self) -> None:
        self.stdout.write(json.dumps(client().webhook_info(), indent=1, ensure_ascii=False))
