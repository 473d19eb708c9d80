"""Runs the workers of one lane: `manage.py cluster talk` or `manage.py cluster work`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agent_site import warm
from agent_site.clusters import run_cluster
from common.queue import Lane


class Command(BaseCommand):
    help = "Runs the workers of one lane until it is told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("lane", choices=Lane.values)

    def handle(self, *args: Any, **options: Any) -> None:
        warm.warm_up()
        run_cluster(Lane(options["lane"]))
