"""Tries a failed job again: `manage.py retry 12`."""

from typing import Any

from django.db import transaction

from approvals.services import approval_decide
from jobs.management.shell import VIA, JobCommand
from jobs.models import Job
from jobs.selectors import approval_waiting
from jobs.services.end import job_retry


class Command(JobCommand):
    help = "Puts a failed job back into the queue; its run goes on from the last step that was saved."

    @transaction.atomic
    def act(self, job: Job, *, actor: str, options: dict[str, Any]) -> None:
        approval = approval_waiting(job)
        if approval is not None and approval.kind == approval.Kind.RETRY:
            # pressing the card's own button also closes the card wherever it was shown
            approval_decide(approval_id=approval.pk, revision=approval.revision, choice="retry", actor=actor, via=VIA)
        else:
            job_retry(job, actor=actor)
