"""The one way in: channels, the API and proactive work hand over a frozen value; it becomes thread, message and job."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from approvals.services import approvals_supersede
from common import commands, queue
from common.errors import AgentError
from common.rows import insert_parts
from common.state import StateConflict
from common.text import redact_known
from common.transactions import joined
from jobs.models import Job, JobMessage
from jobs.services.moves import job_move
from jobs.services.talk import message_to_card
from jobs.states import OPEN, State
from ops import secrets
from threads.models import Artifact, Message, Person, Thread
from threads.people import pairing_ask
from threads.services import card_close, message_store, say, thread_find_or_open

# The thread's latest open job, and which of its jobs waits for an answer: asked for every message, so in one query.
LATEST = """
SELECT j.*, (
    SELECT max(w.id) FROM jobs_job w WHERE w.thread_id = j.thread_id AND w.state = 'awaiting_approval'
) AS waiting_id
FROM jobs_job j WHERE j.thread_id = %s AND j.state = ANY(%s) ORDER BY j.id DESC LIMIT 1
"""
OPEN_JOB = """
WITH job AS (INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING id),
     link AS (INSERT INTO jobs_jobmessage (job_id, message_id) SELECT id, %s FROM job),
     event AS (INSERT INTO jobs_jobevent (job_id, at, from_state, to_state, actor, reason)
               SELECT id, now(), '', %s::text, %s::text, %s::text FROM job)
SELECT id FROM job
"""
JOINABLE = (State.QUEUED, State.CLASSIFYING)
REFUSAL = "I work for my owner only. I have told him that you wrote; he may let you in."


@dataclass(frozen=True, kw_only=True)
class InboundFile:
    """A file that came with a message, as far as the channel describes it; `size` in bytes."""

    kind: str
    external_id: str = ""
    name: str = ""
    mime_type: str = ""
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """What a channel heard."""

    channel: str
    address: str
    person: Person
    text: str
    topic: str = ""
    kind: str = Thread.Kind.PRIVATE
    title: str = ""
    external_id: str = ""
    reply_to: str = ""
    said_at: datetime | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    files: tuple[InboundFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Received:
    """What became of it: the message (None for strangers) and its job (None for commands, strangers, repetitions)."""

    thread: Thread
    message: Message | None = None
    job: Job | None = None


@joined
def message_receive(inbound: Inbound) -> Received:
    """Store a message and open the job that answers it, join it to the one that is not yet shown, or obey a command.

    All of it in one transaction; receiving the same message again changes nothing.
    """
    thread = thread_find_or_open(
        channel=inbound.channel, address=inbound.address, topic=inbound.topic, kind=inbound.kind, title=inbound.title
    )
    secrets.refresh()  # who writes a known secret into the chat does not have it stored there
    person, text = inbound.person, redact_known(inbound.text)
    if person.state != Person.State.ALLOWED:
        return _refuse(thread, person, text)
    message, new = message_store(
        thread=thread,
        person=person,
        text=text,
        external_id=inbound.external_id,
        reply_to=inbound.reply_to,
        said_at=inbound.said_at,
        payload=inbound.payload,
    )
    if not new:
        return Received(thread=thread, message=message)
    _keep_files(message, inbound.files)
    if (command := commands.parse(text)) is not None:
        _obey(thread, person, *command)
        return Received(thread=thread, message=message)
    if not person.may_decide:
        say(thread=thread, text="You may look, but not ask for work. The owner can change your role in the admin.")
        return Received(thread=thread, message=message)
    return Received(thread=thread, message=message, job=job_for(thread, message, person))


def _refuse(thread: Thread, person: Person, text: str) -> Received:
    """A stranger is told once, politely; his request waits in the admin. The blocked hear nothing."""
    if person.state == Person.State.STRANGER and pairing_ask(person=person, first_words=text):
        say(thread=thread, text=REFUSAL)
    return Received(thread=thread)


def _keep_files(message: Message, files: tuple[InboundFile, ...]) -> None:
    Artifact.objects.bulk_create(
        Artifact(
            message=message,
            kind=file.kind,
            external_id=file.external_id,
            name=file.name,
            mime_type=file.mime_type,
            size=file.size,
            state=Artifact.State.FAILED,
            error="I can't look into files yet; only this description is known.",
        )
        for file in files
    )


def _obey(thread: Thread, person: Person, name: str, argument: str) -> None:
    call = commands.Call(
        name=name,
        argument=argument,
        thread_ref=thread.ref,
        actor=f"person:{person.pk}",
        may_decide=person.may_decide,
        via=thread.channel,
    )
    try:
        with transaction.atomic():  # a command that fails half-way must not undo the message
            reply = commands.run(call)
    except AgentError as error:
        reply = str(error)
    say(thread=thread, text=reply)


def job_for(thread: Thread, message: Message, person: Person) -> Job:
    """The job that answers a message. A worker or a press may move the thread's job meanwhile: then it is looked at
    anew, as it is by now."""
    while True:
        latest = next(iter(Job.objects.raw(LATEST, [thread.pk, list(OPEN)])), None)
        try:
            return _job_after(latest, thread, message, person)
        except StateConflict:
            continue


def _job_after(latest: Job | None, thread: Thread, message: Message, person: Person) -> Job:
    """Join the thread's latest open job, answer its card, take its place, or stand behind it. Raises StateConflict
    where it moved."""
    if latest is not None and (job := _about_a_card(latest, message, person)):
        return job
    if latest is not None and latest.run_id is None and latest.person_id == person.pk:
        if latest.state in JOINABLE:
            return _join(latest, message)
        if latest.state == State.AWAITING:
            job_supersede(latest, actor=f"person:{person.pk}")
    return _open(thread, message, person)


def _about_a_card(latest: Job, message: Message, person: Person) -> Job | None:
    """The job whose open card the message is about: the latest, or an earlier one that the latest stands behind."""
    waiting_id = vars(latest)["waiting_id"]
    if waiting_id is None:
        return None
    waiting = latest if waiting_id == latest.pk else Job.objects.filter(pk=waiting_id).first()
    return message_to_card(waiting, message, person) if waiting is not None else None


def _join(job: Job, message: Message) -> Job:
    """The job's card is not out yet: it is classified with this message too. Raises StateConflict where it is out by
    now: whoever ends the classification and whoever joins wait for each other at the job's row."""
    mine = Job.objects.filter(pk=job.pk, state__in=JOINABLE, run=None)
    if not mine.update(revision=F("revision") + 1):
        raise StateConflict
    JobMessage.objects.create(job=job, message=message)
    queue.enqueue("job.begin", job.pk)
    return job


def _open(thread: Thread, message: Message, person: Person) -> Job:
    job = Job(thread=thread, person=person)
    _insert(job, message, actor=f"person:{person.pk}")
    queue.enqueue("job.begin", job.pk)
    return job


def _insert(job: Job, message: Message, *, actor: str) -> None:
    """The job, its message and its first event, in one statement: this is done for every message that comes in."""
    parts, values = insert_parts(job)
    with connection.cursor() as cursor:
        cursor.execute(OPEN_JOB.format(**parts), [*values, message.pk, job.state, actor, "A message came in."])
        job.pk = cursor.fetchone()[0]
    job._state.adding = False


def job_supersede(job: Job, *, actor: str) -> Job:
    """A newer message takes the place of a plan that waits."""
    job_move(job, to=State.SUPERSEDED, actor=actor, reason="A newer message came before the OK.")
    approvals_supersede(subject=job.ref)
    if job.approval is not None:
        card_close(approval=job.approval, line="Replaced by your newer message.")
    return job
