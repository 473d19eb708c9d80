"""What the clusters run for jobs. Each is a hint that a row wants attention, and safe to repeat."""

from common.queue import Lane, task
from jobs.services import begin, execute, recover


@task("job.begin", lane=Lane.TALK)
def job_begin(job_id: int) -> None:
    """Give a queued job its turn."""
    begin.job_begin(job_id)


@task("run.advance", lane=Lane.WORK)
def run_advance(run_id: int) -> None:
    """Take the next steps of a run."""
    execute.run_advance(run_id)


def sweep() -> None:
    """Scheduled: find what was forgotten."""
    recover.sweep()
