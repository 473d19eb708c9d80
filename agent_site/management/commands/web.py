"""Runs the web server alone: `manage.py web`."""

from typing import Any

from django.core.management.base import BaseCommand

from agent_site import warm, web


class Command(BaseCommand):
    help = "Runs the web server until it is told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        warm.warm_up()
        web.serve()
