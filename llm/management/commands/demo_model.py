"""`manage.py demo_model`: the model that answers when no key is set, and the one that benchmarks use."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from llm.routing import DEMO_URL_FILE
from llm.scripted.serve import SCRIPTS, serve


class Command(BaseCommand):
    help = "Serves a scripted model on loopback (the Messages API) until it is stopped."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--script", choices=sorted(SCRIPTS), default="demo")
        parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
        parser.add_argument("--first-token-delay", type=float, default=0.0, metavar="SECONDS")

    def handle(self, *args: Any, **options: Any) -> None:
        script = options["script"]
        # Only the demo model stands where routing looks for it: a benchmark's is given by ANTHROPIC_BASE_URL.
        url_file = Path(settings.DATA_DIR, DEMO_URL_FILE) if script == "demo" else None
        serve(script=script, port=options["port"], first_token_delay=options["first_token_delay"], url_file=url_file)
