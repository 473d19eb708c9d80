"""Writes agent_site/schedule.py to the database: `manage.py sync_schedule`."""

from typing import Any

from django.core.management.base import BaseCommand

from agent_site.schedule import schedule_sync


class Command(BaseCommand):
    help = "Writes the table of everything that runs by itself to the database."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{schedule_sync()} schedules changed.")
