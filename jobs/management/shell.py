"""What the commands about jobs share: who gives them, which job they mean, and how a job is printed."""

import json
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.models import Job
from jobs.selectors import approval_waiting, job_of, line

VIA = "terminal"


def operator(name: str = "") -> User:
    """The staff user of that name; with none, ADMIN_USERNAME or the first superuser. Raises CommandError."""
    staff = User.objects.filter(is_active=True, is_staff=True)
    if name:
        user = staff.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no active staff user {name}. Make one in the admin.")
        return user
    user = (
        staff.filter(username=settings.ADMIN_USERNAME).first() or staff.filter(is_superuser=True).order_by("pk").first()
    )
    if user is None:
        raise CommandError("There is no admin user yet. ./run makes one, or: manage.py createsuperuser")
    return user


def job_json(job: Job) -> dict[str, Any]:
    """A job as scripts read it; times are ISO 8601, `approval` is the card that waits, null where none does."""
    approval = approval_waiting(job)
    return {
        "job": job.pk,
        "state": job.state,
        "summary": job.summary,
        "intent": job.intent,
        "origin": job.origin,
        "thread": job.thread_id,
        "channel": job.thread.channel,
        "error": job.error,
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "approval": approval
        and {
            "id": approval.pk,
            "revision": approval.revision,
            "kind": approval.kind,
            "text": approval.card.get("text", ""),
            "choices": [word for word, _ in approval.choices],
            "expires_at": approval.expires_at.isoformat(),
        },
    }


class JobCommand(BaseCommand):
    """One thing done to one job by a person at the shell; prints the job afterwards."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", help="its number, as `manage.py jobs` lists it")
        parser.add_argument("--user", default="", help="who does it; ADMIN_USERNAME unless given")
        parser.add_argument("--json", action="store_true", help="print the job as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        job = job_of(options["job"])
        self.act(job, actor=f"user:{operator(options['user']).pk}", options=options)
        job = job_of(str(job.pk))
        self.stdout.write(json.dumps(job_json(job)) if options["json"] else line(job))

    def act(self, job: Job, *, actor: str, options: dict[str, Any]) -> None:
        raise NotImplementedError
