"""Lists jobs: `manage.py jobs`, `manage.py jobs --all --limit 50 --json`."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs.management.shell import job_json
from jobs.models import Job
from jobs.selectors import job_of, jobs_open, line
from jobs.states import State


class Command(BaseCommand):
    help = "Lists the open jobs, the newest first; with a number, that job."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", nargs="?", default="", help="only this one")
        parser.add_argument("--all", action="store_true", help="those that have ended too")
        parser.add_argument("--state", choices=State.values, help="only those in this state")
        parser.add_argument("--limit", type=int, default=50, help="at most so many (50)")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        jobs = [job_of(options["job"])] if options["job"] else _chosen(options)
        for job in jobs:
            self.stdout.write(json.dumps(job_json(job)) if options["json"] else line(job))
        if not jobs and not options["json"]:
            self.stdout.write("No such jobs." if options["all"] or options["state"] else "No open jobs.")


def _chosen(options: dict[str, Any]) -> list[Job]:
    everything = Job.objects.select_related("thread")
    jobs = (
        everything.filter(state=options["state"]) if options["state"] else everything if options["all"] else jobs_open()
    )
    return list(jobs.order_by("-pk")[: max(options["limit"], 0)])
