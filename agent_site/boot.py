"""What happens between `manage.py up` and the first request: schema, schedules, the first user."""

import os
import secrets
import sys

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from agent_site.first_password import hash_made, password_path
from agent_site.schedule import schedule_sync
from common.errors import AgentError
from jobs.services.outages import outages_settle
from ops.downtime import downtime_note

LEAST_VERSION = 15


class DatabaseUnusable(AgentError):
    """The database cannot be used."""


def database_check() -> None:
    """Raises DatabaseUnusable unless the server answers and is new enough."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            version = int(cursor.fetchone()[0]) // 10000
    except OperationalError as error:
        raise DatabaseUnusable(f"The database does not answer: {' '.join(str(error).split())}") from None
    if version < LEAST_VERSION:
        raise DatabaseUnusable(f"PostgreSQL {LEAST_VERSION} or later is needed, this server is version {version}.")


def migrate() -> int:
    """Brings the schema up to date; returns how many migrations that took."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")  # of this session: a large table takes its time
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)


@transaction.atomic
def admin_ensure() -> str:
    """Makes the admin user when there is no superuser; returns the password that was made up for it, or "". That one
    must be changed at the first login."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return ""
    user = users.create_superuser(settings.ADMIN_USERNAME, password=settings.ADMIN_PASSWORD or None)
    if settings.ADMIN_PASSWORD:
        return ""
    made = secrets.token_urlsafe(12)
    user.password = hash_made(made)
    user.save(update_fields=["password"])
    return made


def password_tell(password: str) -> str:
    """Where the owner finds the password that was made: on the terminal only, else in a file of mode 0600."""
    if sys.stdout.isatty():
        return f"Log in as {settings.ADMIN_USERNAME} with the password {password} (it is shown only now)."
    path = password_path()
    path.unlink(missing_ok=True)  # an older file could have a wider mode
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{password}\n")
    return f"Log in as {settings.ADMIN_USERNAME}; the password is in {path}."


def prepare() -> None:
    """Schema, schedules and folders; and how long the system was down, before anything beats again."""
    database_check()
    migrate()
    downtime_note()
    outages_settle()  # before a press that waited at Telegram finds its card expired
    schedule_sync()
    settings.WORKSPACE_DIR.mkdir(parents=True, exist_ok=True)
