"""`manage.py fake_telegram --port 8081`: the Bot API stand-in as a process of its own, for benches and trying out."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from telegram_bridge.fake import FakeTelegram
from telegram_bridge.fake.server import TOKEN


class Command(BaseCommand):
    help = "Runs a stand-in for Telegram's Bot API on loopback; set TELEGRAM_API_URL and TELEGRAM_BOT_TOKEN to it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8081, help="0 takes a free one")
        parser.add_argument("--token", default=TOKEN)
        parser.add_argument("--no-flood", action="store_true", help="switch Telegram's rate limits off")
        parser.add_argument(
            "--https-only", action="store_true", help="refuse webhooks that are not https, as Telegram does"
        )
        parser.add_argument("--retry-seconds", type=float, default=1.0, help="first pause after a webhook that failed")

    def handle(self, *args: Any, **options: Any) -> None:
        ended = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: ended.set())
        with FakeTelegram(
            host=options["host"],
            port=options["port"],
            token=options["token"],
            flood=not options["no_flood"],
            allow_http=not options["https_only"],
            retry_seconds=options["retry_seconds"],
        ) as fake:
            self.stdout.write(f"ready: {fake.url}\nTELEGRAM_API_URL={fake.url}\nTELEGRAM_BOT_TOKEN={fake.token}")
            self.stdout.flush()
            ended.wait()
