"""What a model is told of a job: the conversation before it, and the messages that it answers."""

from dataclasses import dataclass

from django.db import connection

from jobs.models import Job
from threads.context import Turn, history, messages_told, new_messages


@dataclass(frozen=True, kw_only=True)
class Told:
    """Read once, for the classification and for the work. `asked`: the new messages, marked as such."""

    revision: int
    turns: list[Turn]
    asked: str
    last_text: str


def told_of(job: Job) -> Told:
    """The job's messages as they are at its present revision, and the history before them. Three short queries."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id FROM jobs_jobmessage WHERE job_id = %s", [job.pk])
        messages = messages_told([row[0] for row in cursor.fetchall()])
    return Told(
        revision=job.revision,
        turns=history(thread_id=job.thread_id, before=messages[0].id),
        asked=new_messages(messages),
        last_text=messages[-1].text,
    )
