"""Each decision leaves a line in the audit trail: who, what, about which row; in one transaction with what it decides.

Both at once or neither: the database is made to refuse the line, and then nothing may have been decided.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval
from approvals.services import approval_ask, approval_decide
from jobs.models import Job, JobMessage
from jobs.services.end import job_cancel, job_give_up, job_reason, job_retry
from jobs.services.recover import job_reopen
from jobs.services.talk import message_to_card
from jobs.states import State
from ops import secrets
from ops.models import AuditEvent, Connection, Secret, Switch
from ops.switches import switch_set
from telegram_bridge.dead_letters import update_retry
from telegram_bridge.mode import Way, mode_load, mode_switch
from telegram_bridge.models import TelegramUpdate
from threads.models import Delivery, Message, PairingRequest, Person, Thread
from threads.people import pairing_ask
from threads.services import delivery_resend, pairing_decide
from tools.mcp import catalog
from tools.models import Decision, Match, McpServer, McpTool, Scope, ToolRule
from tools.standing import Kind, standing_grant, standing_revoke
from tools.trash import trash_delete, trash_restore

ME = "person:7"


@dataclass(frozen=True, kw_only=True)
class Deed:
    """A decision: how it is made, the rows that it changes, and the line that it must leave."""

    make: Callable[[], object]
    rows: type[models.Model]
    action: str
    actor: str = ME


@contextmanager
def no_audit() -> Iterator[None]:
    """The database refuses the audit trail's lines."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT INTO") and "ops_auditevent" in sql:
            raise DatabaseError("No space left on device")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


numbers = itertools.count(1)


class Cast:
    """Makes what is decided about."""

    def __init__(self, owner: Person) -> None:
        self.owner = owner

    def job(self, state: str, **fields: Any) -> Job:
        thread = Thread.objects.create(channel="web", address=f"room {next(numbers)}")
        found = {"plan": ["Do it"], "commands": [], "needs_confirmation": False, "intent": "question"}
        ended = {"finished_at": timezone.now()} if state in (State.FAILED, State.EXPIRED) else {}
        given = {"classification": found, "summary": "It", "revision": 1, **ended, **fields}
        job = Job.objects.create(thread=thread, person=self.owner, state=state, **given)
        self.message(job)
        return job

    def message(self, job: Job) -> Message:
        now = timezone.now()
        message = Message.objects.create(thread=job.thread, role="user", person=self.owner, text="Do it", said_at=now)
        JobMessage.objects.create(job=job, message=message)
        return message

    def card(self, job: Job, kind: str = Approval.Kind.PLAN, **card: Any) -> Approval:
        approval = approval_ask(
            kind=kind,
            subject=job.ref,
            title="It",
            card={"text": "It", "calls": [], "kinds": [], **card},
            choices=[(word, word) for word in ("ok", "kind", "edit", "ask", "cancel")],
            expires_in=timedelta(hours=1),
        )
        Job.objects.filter(pk=job.pk).update(approval=approval)
        return approval

    def press(self, choice: str, **card: Any) -> Callable[[], object]:
        job = self.job(State.AWAITING)
        approval = self.card(job, **card)
        return lambda: approval_decide(
            approval_id=approval.pk, revision=1, choice=choice, actor=ME, via="web", note="As I said"
        )

    def reply(self, verb: str) -> Callable[[], object]:
        job = self.job(State.AWAITING)
        approval = self.card(job)
        Approval.objects.filter(pk=approval.pk).update(listening=verb, listener=f"person:{self.owner.pk}")
        said = Message.objects.create(
            thread=job.thread, role="user", person=self.owner, text="Not so", said_at=timezone.now()
        )
        return lambda: message_to_card(Job.objects.get(pk=job.pk), said, self.owner)


KIND = Kind(tool="shell", match=Match.PROGRAM, pattern="mkdir reports")


def grant() -> ToolRule:
    return standing_grant(
        kind=KIND,
        scope=Scope.EVERYWHERE,
        scope_ref="",
        expires_in=timedelta(days=1),
        max_uses=None,
        created_by=ME,
        reason="",
    )


def of_cards(cast: Cast) -> dict[str, Deed]:
    shown = {"tool": "shell", "match": "program", "pattern": "mkdir reports", "arguments": None}
    me = f"person:{cast.owner.pk}"
    return {
        "approve": Deed(make=cast.press("ok"), rows=Approval, action="plan approved"),
        "cancel": Deed(make=cast.press("cancel"), rows=Approval, action="plan rejected"),
        "permit": Deed(make=cast.press("kind", kinds=[shown]), rows=ToolRule, action="standing permission given"),
        "edit": Deed(make=cast.reply("edit"), rows=Approval, action="plan changed", actor=me),
        "ask": Deed(make=cast.reply("ask"), rows=JobMessage, action="plan asked about", actor=me),
    }


def of_jobs(cast: Cast) -> dict[str, Deed]:
    at_work, failed, dead, expired = (
        cast.job(state) for state in (State.AWAITING, State.FAILED, State.FAILED, State.EXPIRED)
    )
    return {
        "stop": Deed(make=lambda: job_cancel(at_work, actor=ME), rows=Job, action="job cancelled"),
        "reason": Deed(make=lambda: job_reason(dead, actor=ME, reason="x"), rows=Job, action="cancel explained"),
        "retry": Deed(make=lambda: job_retry(failed, actor=ME), rows=Job, action="job retried"),
        "give up": Deed(make=lambda: job_give_up(dead, actor=ME), rows=Job, action="job given up"),
        "reopen": Deed(make=lambda: job_reopen(expired, actor=ME), rows=Job, action="job reopened"),
    }


def of_the_owner(client: Any, user: Any) -> dict[str, Deed]:
    stranger = Person.objects.create(channel="web", external_id="99", name="Mallory")
    pairing_ask(person=stranger, first_words="Hello")
    asked, rule = PairingRequest.objects.get(), grant()
    edited = ToolRule.objects.create(tool="shell", match=Match.PROGRAM, pattern="make", decision=Decision.ASK)
    secret = secrets.secret_set(name="old", value="a-long-value", hosts=[], actor=ME)
    client.force_login(user)
    page = reverse("admin:tools_toolrule_change", args=[edited.pk])
    form = {"decision": "deny", "active": "on", "reason": "Never", "scope": "everywhere"}
    form |= dict.fromkeys(["max_uses", "expires_at_0", "expires_at_1", "scope_ref"], "")
    return {
        "permit": Deed(make=grant, rows=ToolRule, action="standing permission given"),
        "revoke": Deed(
            make=lambda: standing_revoke(rule_id=rule.pk, by=ME), rows=ToolRule, action="standing permission revoked"
        ),
        "rule": Deed(
            make=lambda: client.post(page, form), rows=ToolRule, action="rule changed", actor=f"user:{user.pk}"
        ),
        "secret": Deed(
            make=lambda: secrets.secret_set(name="new", value="a-long-value", hosts=[], actor=ME),
            rows=Secret,
            action="secret stored",
        ),
        "no secret": Deed(
            make=lambda: secrets.secret_delete(Secret.objects.get(pk=secret.pk), actor=ME),
            rows=Secret,
            action="secret deleted",
        ),
        "pairing": Deed(
            make=lambda: pairing_decide(request=asked, allow=True, actor=ME), rows=Person, action="pairing allowed"
        ),
        "freeze": Deed(
            make=lambda: switch_set(name=Switch.Name.FREEZE, on=True, actor=ME), rows=Switch, action="freeze on"
        ),
    }


def of_the_rest(cast: Cast) -> dict[str, Deed]:
    mode_load()
    update = TelegramUpdate.objects.create(bot_id=1, update_id=2, kind="poll", payload={"poll": {}}, state="failed")
    thread = Thread.objects.create(channel="web", address="rest")
    delivery = Delivery.objects.create(thread=thread, text="x", state=Delivery.State.FAILED, error="x")
    server = McpServer.objects.create(name="here", command="here")
    offered = server.tools.create(name="a", lent_name="here__a", last_seen=timezone.now())
    return {
        "mode": Deed(
            make=lambda: mode_switch(to=Way.POLLING, reason="x"),
            rows=Connection,
            action="telegram polling",
            actor="system",
        ),
        "update": Deed(
            make=lambda: update_retry(update=update, actor=ME), rows=TelegramUpdate, action="update tried again"
        ),
        "delivery": Deed(
            make=lambda: delivery_resend(delivery=delivery, actor=ME), rows=Delivery, action="delivery resent"
        ),
        "verdict": Deed(
            make=lambda: catalog.verdict_set(tools=[McpTool.objects.get(pk=offered.pk)], verdict="deny", actor=ME),
            rows=McpTool,
            action="mcp tool: deny",
        ),
    }


def rows_of(deed: Deed) -> list[Any]:
    return list(deed.rows._default_manager.order_by("pk").values())


@pytest.fixture
def cast(transactional_db, owner) -> Cast:
    return Cast(owner)


@pytest.fixture
def deeds(cast, workspace, client, superuser, settings) -> dict[str, Deed]:
    settings.PUBLIC_URL, settings.DATA_DIR = "https://agent.example.org", workspace.parent
    client.raise_request_exception = False
    found = {"cards": of_cards(cast), "jobs": of_jobs(cast), "rest": of_the_rest(cast)}
    found["owner"] = of_the_owner(client, superuser)
    return {f"{part}: {name}": deed for part, each in found.items() for name, deed in each.items()}


def test_each_decision_and_its_line_are_one(deeds):
    for title, deed in deeds.items():
        before, lines = rows_of(deed), AuditEvent.objects.count()
        with no_audit(), contextlib.suppress(DatabaseError):
            deed.make()
        assert (rows_of(deed), AuditEvent.objects.count()) == (before, lines), f"{title} was decided without a line"
        deed.make()
        left = AuditEvent.objects.filter(action=deed.action, actor=deed.actor).order_by("-pk").first()
        assert left is not None, (title, list(AuditEvent.objects.values_list("action", "actor", "subject")[:5]))
        assert left.subject or deed.action in ("freeze on", "telegram polling"), title
        assert AuditEvent.objects.count() > lines, title


def test_a_line_says_which_revision_where_and_why(db, owner):
    Cast(owner).press("cancel")()
    line = AuditEvent.objects.get(action="plan rejected")
    assert line.subject.startswith("job:")
    assert line.detail | {"approval": 0} == {
        "approval": 0,
        "revision": 1,
        "choice": "cancel",
        "via": "web",
        "note": "As I said",
    }


def test_an_undo_leaves_its_line_with_what_came_of_it(db, workspace):
    (workspace / "notes.txt").write_text("x")
    item = trash_delete(path=workspace / "notes.txt")
    with no_audit(), pytest.raises(DatabaseError), transaction.atomic():
        trash_restore(item, actor=ME)
    item.refresh_from_db()
    assert item.note == ""
    item = trash_delete(path=workspace / "notes.txt")
    said = trash_restore(item, actor=ME)
    line = AuditEvent.objects.get(action="trash restored")
    assert (line.actor, line.subject, line.detail) == (ME, f"trash:{item.pk}", {"outcome": said})
