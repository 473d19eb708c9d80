"""What the clusters run for jobs. Each is a hint that a row wants attention, and safe to repeat."""

import os

from common.queue import Lane, task
from jobs.services import begin, execute, outages, recover, talk
from ops.models import Outage

_outages: dict[int, list[Outage]] = {}


def after_outages() -> list[Outage]:
    """Before its first task each worker sees to it that the last outage is settled: hints from before it wait in the
    queue, and what is too old must not be taken up. Returns the outage's row, for messages that come in late."""
    pid = os.getpid()
    if pid not in _outages:
        _outages[pid] = outages.outages_settle()
    return _outages[pid]


@task("job.begin", lane=Lane.TALK)
def job_begin(job_id: int) -> None:
    """Give a queued job its turn, or ask first where it has waited for a long outage to end."""
    recent = after_outages()
    if not (recent and outages.late_offer(job_id, recent)):
        begin.job_begin(job_id)


@task("run.advance", lane=Lane.WORK)
def run_advance(run_id: int) -> None:
    """Take the next steps of a run."""
    after_outages()
    execute.run_advance(run_id)


@task("job.question", lane=Lane.TALK)
def job_question(question_id: int) -> None:
    """Answer what was asked about an open card."""
    talk.question_answer(question_id)


def sweep() -> None:
    """Scheduled: find what was forgotten."""
    recover.sweep()
