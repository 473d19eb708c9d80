"""Answers the card of a job: `manage.py approve 12`, `manage.py approve 12 --choice skip --note "not that file"`."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from approvals.services import REFUSALS, approval_decide
from jobs.management.shell import VIA, JobCommand
from jobs.models import Job
from jobs.selectors import approval_waiting


class Command(JobCommand):
    help = "Says OK to what a job asks, or another of the words that its card offers."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--choice", default="", help="a word of the card, as `manage.py jobs --json` lists them (OK)"
        )
        parser.add_argument("--note", default="", help="a word to the agent, with a refusal")

    def act(self, job: Job, *, actor: str, options: dict[str, Any]) -> None:
        approval = approval_waiting(job)
        if approval is None:
            raise CommandError(f"Job {job.pk} waits for no OK. `manage.py jobs` lists what is open.")
        words = [word for word, _ in approval.choices]
        if options["choice"] and options["choice"] not in words:
            raise CommandError(f"The card of job {job.pk} offers: {', '.join(words)}.")
        choice = options["choice"] or next(word for word in words if word not in REFUSALS)
        approval_decide(
            approval_id=approval.pk,
            revision=approval.revision,
            choice=choice,
            actor=actor,
            via=VIA,
            note=options["note"],
        )
