"""What has changed in a conversation, and what is going on: one cheap query, asked by each page every second."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from approvals.models import Approval
from approvals.services import ASK, EDIT
from common.text import shorten
from jobs.states import OPEN, State

WORKERS_ALIVE_SECONDS = 30
"""A cluster beats every 5 s; after six missed beats it counts as gone."""

ANSWER = "answer"
HEARS = {
    EDIT: "your next message changes job {job}",
    ASK: "your next message asks about job {job}",
    ANSWER: "your next message is the answer that job {job} waits for",
}
PROMPTS = {
    EDIT: "What should I change in job {job}?",
    ASK: "What do you want to know about job {job}?",
    ANSWER: "Your answer for job {job}",
}

# The last twenty ids instead of the greatest one: rows may be committed in another order than their ids.
PULSE = f"""
WITH t AS (SELECT id FROM threads_thread WHERE channel = %(channel)s AND address = %(address)s AND topic = '')
SELECT (SELECT id FROM t),
  (SELECT json_agg(m.id) FROM (SELECT id FROM threads_message
     WHERE thread_id = (SELECT id FROM t) AND role = 'user' ORDER BY id DESC LIMIT 20) m),
  (SELECT json_agg(d.id) FROM (SELECT id FROM threads_delivery
     WHERE thread_id = (SELECT id FROM t) ORDER BY id DESC LIMIT 20) d),
  (SELECT json_agg(a.id ORDER BY a.id) FROM approvals_approval a WHERE a.state = 'pending' AND EXISTS (
     SELECT 1 FROM threads_delivery d
     WHERE d.approval_id = a.id AND d.thread_id = (SELECT id FROM t) AND d.kind = 'send')),
  (SELECT json_agg(json_build_array(j.id, j.state, j.not_before, r.draft, c.name, c.arguments,
       w.kind, w.listening) ORDER BY j.id)
     FROM jobs_job j LEFT JOIN agents_run r ON r.id = j.run_id
     LEFT JOIN LATERAL (SELECT name, arguments FROM tools_toolexecution
       WHERE job_ref = 'job:' || j.id AND state = 'started' ORDER BY id DESC LIMIT 1) c ON j.state = 'executing'
     LEFT JOIN LATERAL (SELECT kind, listening FROM approvals_approval
       WHERE subject = 'job:' || j.id AND state = 'pending' AND listener LIKE 'person:%%'
       LIMIT 1) w ON j.state = 'awaiting_approval'
     WHERE j.thread_id = (SELECT id FROM t) AND j.state IN ({", ".join(f"'{state.value}'" for state in OPEN)})),
  EXISTS (SELECT 1 FROM ops_switch s WHERE s.name = 'freeze' AND s."on"),
  EXISTS (SELECT 1 FROM ops_heartbeat h WHERE h.name LIKE 'cluster.%%'
     AND h.alive_at > now() - make_interval(secs => {WORKERS_ALIVE_SECONDS}))
"""


@dataclass(frozen=True, kw_only=True)
class OpenJob:
    """An open job of the conversation; `call` is the tool call that is running now, `hears` what the next message is to
    its card; empty where none is."""

    pk: int
    state: str
    not_before: datetime | None
    draft: str
    call: str
    hears: str = ""


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """A conversation at one moment. `etag` differs whenever anything that a reader can see is different."""

    thread_id: int | None
    cards: list[int]
    jobs: list[OpenJob]
    frozen: bool
    workers: bool
    etag: str

    @property
    def draft(self) -> str:
        """What the model is writing now."""
        return next((job.draft for job in self.jobs if job.draft), "")

    @property
    def wanted(self) -> str:
        """What the next message is to say, as a prompt; empty where it is a message like any other."""
        return next((PROMPTS[job.hears].format(job=job.pk) for job in self.jobs if job.hears), "")


def pulse_of(*, channel: str, address: str) -> Pulse:
    """The pulse of a person's own conversation; before its first message there is no thread."""
    with connection.cursor() as cursor:
        cursor.execute(PULSE, {"channel": channel, "address": address})
        row = cursor.fetchone()
    jobs = [_job(fields) for fields in _decoded(row[4]) or []]
    return Pulse(
        thread_id=row[0],
        cards=_decoded(row[3]) or [],
        jobs=jobs,
        frozen=row[5],
        workers=row[6],
        etag=hashlib.md5(repr(row).encode(), usedforsecurity=False).hexdigest(),
    )


def _decoded(value: Any) -> Any:
    """Django leaves json columns of raw queries as text."""
    return json.loads(value) if isinstance(value, str) else value


def _job(fields: list[Any]) -> OpenJob:
    pk, state, not_before, draft, name, arguments, kind, listening = fields
    return OpenJob(
        pk=pk,
        state=state,
        not_before=parse_datetime(not_before) if not_before else None,
        draft=draft or "",
        call=_call(name, arguments) if name else "",
        hears=(ANSWER if kind == Approval.Kind.QUESTION else listening) if listening else "",
    )


def _call(name: str, arguments: dict[str, Any]) -> str:
    """A running call on a short line: its name and the argument that says most."""
    said = next((arguments[key] for key in ("command", "path", "url", "query") if key in arguments), "")
    return shorten(f"{name} {said}", 120)


def state_lines(pulse: Pulse) -> list[str]:
    """What is going on, a line for each open job, in words."""
    if pulse.frozen:
        return ["everything is frozen; /resume lets me work again"]
    if not pulse.workers and any(job.state != State.AWAITING for job in pulse.jobs):
        return ["the workers are not running, so nothing is answered; start them with ./run"]
    return [_line(job, pulse.jobs) for job in pulse.jobs]


def _line(job: OpenJob, jobs: list[OpenJob]) -> str:
    if job.state == State.CLASSIFYING:
        return "understanding"
    if job.state == State.AWAITING:
        return HEARS[job.hears].format(job=job.pk) if job.hears else "waiting for your OK"
    if job.state == State.EXECUTING:
        return f"working: {job.call}" if job.call else "writing" if job.draft else "working"
    if job.not_before is not None and job.not_before > timezone.now():
        return f"trying again at {timezone.localtime(job.not_before):%H:%M:%S}"
    before = next((other for other in jobs if other.pk != job.pk and _goes_first(other, job)), None)
    return f"queued behind job {before.pk}" if before is not None else "queued"


def _goes_first(other: OpenJob, job: OpenJob) -> bool:
    return other.state != State.QUEUED or other.pk < job.pk
