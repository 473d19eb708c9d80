"""What must be done before the processes start one by one: `manage.py prepare`. `manage.py up` does it by itself."""

from typing import Any

from django.core.management.base import BaseCommand

from agent_site import boot


class Command(BaseCommand):
    help = "Brings the database up to date and makes the first user; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        boot.prepare()
        if password := boot.admin_ensure():
            self.stdout.write(boot.password_tell(password))
        self.stdout.write("The database is ready.")
