"""Stops a job: `manage.py cancel 12`."""

from typing import Any

from jobs.management.shell import JobCommand
from jobs.models import Job
from jobs.services.end import job_cancel


class Command(JobCommand):
    help = "Stops an open job; whoever asked for it is told in the chat what had been done."

    def act(self, job: Job, *, actor: str, options: dict[str, Any]) -> None:
        job_cancel(job, actor=actor, reason="Cancelled via the terminal.")
