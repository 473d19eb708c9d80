"""What others ask about jobs."""

from django.db.models import QuerySet

from approvals.models import Approval
from jobs.errors import JobNotFound
from jobs.models import Job
from jobs.states import OPEN, State
from threads.models import Thread


def job_of(ref: str, *, thread_id: int | None = None) -> Job:
    """The job of a number as people write it (`12`, `#12`, `job:12`), in one thread or anywhere. Raises JobNotFound."""
    digits = ref.strip().lower().removeprefix("job:").removeprefix("#")
    jobs = Job.objects.select_related("thread", "person", "run", "approval")
    if thread_id is not None:
        jobs = jobs.filter(thread_id=thread_id)
    job = jobs.filter(pk=int(digits)).first() if digits.isdecimal() and len(digits) < 18 else None
    if job is None:
        raise JobNotFound
    return job


def with_thread(job: Job) -> Job:
    """The job with its thread beside it, read without the ORM's query building: this is done for every message."""
    job.thread = Thread.objects.raw("SELECT * FROM threads_thread WHERE id = %s", [job.thread_id])[0]
    return job


def job_of_run(run_id: int) -> Job | None:
    """The job whose work a run is, with its thread."""
    for job in Job.objects.raw("SELECT * FROM jobs_job WHERE run_id = %s", [run_id]):
        return with_thread(job)
    return None


def jobs_open() -> QuerySet[Job]:
    """Every job that has not ended, the newest first."""
    return Job.objects.filter(state__in=OPEN).select_related("thread", "approval")


def approval_waiting(job: Job) -> Approval | None:
    """The card that a job waits for, if it waits."""
    return Approval.objects.filter(subject=job.ref, state=Approval.State.PENDING).first()


def line(job: Job) -> str:
    """A job on one line of a list."""
    return f"#{job.pk} {State(job.state).label.lower()}: {job.summary or 'not understood yet'}"
