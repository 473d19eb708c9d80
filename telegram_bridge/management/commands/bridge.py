from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from telegram_bridge import runner


class Command(BaseCommand):
    help = "Run the Telegram bridge: the sender and, where that is the mode, the poller."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.TELEGRAM_BOT_TOKEN:
            raise CommandError("There is no TELEGRAM_BOT_TOKEN: get one from @BotFather and put it into .env.")
        runner.main()
