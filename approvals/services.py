"""The one way to ask a person. First answer wins; a stale button explains itself."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from approvals.errors import ApprovalStale, UnknownChoice
from approvals.handlers import handler_of, talk_of
from approvals.models import Approval
from common.rows import insert
from common.state import StateConflict, move
from common.text import redact_known, redact_within
from common.transactions import joined
from ops import audit

State = Approval.State
VIA = {"telegram": "Telegram", "web": "the web chat", "terminal": "the terminal", "admin": "the admin"}
NO, SKIP = "cancel", "skip"
REFUSALS = (NO, SKIP)
EDIT, ASK = Approval.Talk.EDIT.value, Approval.Talk.ASK.value
TALK = (EDIT, ASK)


@joined
def approval_ask(
    *, kind: str, subject: str, title: str, card: dict[str, Any], choices: list[tuple[str, str]], expires_in: timedelta
) -> Approval:
    """Open a question about `subject` with the next revision; an open one about it is superseded.

    `choices` are pairs of word and label; the words "cancel" and "skip" reject, every other word approves.
    """
    earlier = Approval.objects.filter(subject=subject).order_by("-revision").values_list("revision", "state").first()
    last, state = earlier or (0, "")
    if state == State.PENDING:  # only the last one can be open
        approvals_supersede(subject=subject)
    approval = Approval(
        kind=kind,
        subject=subject,
        revision=last + 1,
        title=redact_known(title)[:200],
        card=redact_within(card),
        choices=[list(choice) for choice in choices],
        expires_at=timezone.now() + expires_in,
    )
    insert(approval)
    return approval


@joined
def approval_decide(*, approval_id: int, revision: int, choice: str, actor: str, via: str, note: str = "") -> Approval:
    """Record the first answer to this very revision, and tell whoever asked, in one transaction.

    "edit" and "ask" are no answers: the card stays open, and `note`, or else the actor's next message, is what is to
    be changed or asked. Raises ApprovalStale (with a sentence saying what happened instead) and UnknownChoice.
    """
    note = redact_known(note)
    approval = Approval.objects.select_for_update(no_key=True).filter(pk=approval_id, revision=revision).first()
    if approval is None:
        raise ApprovalStale("I don't know this card. /jobs lists what waits for you.", approval=None)
    _check_open(approval)
    if choice not in dict(approval.choices):
        raise UnknownChoice
    if choice in TALK:
        return _talk(approval, verb=choice, text=note.strip(), actor=actor)
    move(
        approval,
        to=State.REJECTED if choice in REFUSALS else State.APPROVED,
        expected=[State.PENDING],
        decision=choice,
        decided_at=timezone.now(),
        decided_by=actor,
        decided_via=via,
        note=note,
        listening="",
        listener="",
    )
    audit.record(
        actor=actor,
        action=f"{approval.kind} {approval.state}",
        subject=approval.subject,
        detail={"approval": approval.pk, "revision": revision, "choice": choice, "via": via, "note": note},
    )
    handler_of(approval.kind)(approval)
    return approval


def _talk(approval: Approval, *, verb: str, text: str, actor: str) -> Approval:
    """The words are here already, or those of the actor's next message are waited for."""
    approval.listening, approval.listener = ("", "") if text else (verb, actor)
    approval.save(update_fields=["listening", "listener"])
    talk_of(approval.kind)(approval, verb, text, actor)
    return approval


@joined
def approval_heard(*, approval: Approval, actor: str, replied: bool) -> str:
    """What a message of `actor` means to an open card: "edit", "ask", or "" where it is about something else.

    `replied`: the message answers the card itself, which changes it unless a question was announced. The card listens
    no more afterwards. The row is locked until the transaction ends.
    """
    row = Approval.objects.select_for_update(no_key=True).filter(pk=approval.pk, state=State.PENDING).first()
    if row is None or row.expires_at <= timezone.now():
        return ""
    verb = row.listening if row.listener == actor else ""
    if verb:
        Approval.objects.filter(pk=row.pk).update(listening="", listener="")
    offered = dict(row.choices)
    return verb or (EDIT if replied and EDIT in offered else "")


def where(approval: Approval) -> str:
    """The place of a decision, as people call it."""
    return f"via {VIA.get(approval.decided_via, approval.decided_via)}"


def _check_open(approval: Approval) -> None:
    if approval.state in (State.APPROVED, State.REJECTED):
        label = dict(approval.choices).get(approval.decision, approval.decision)
        raise ApprovalStale(f"Already answered with “{label}” {where(approval)}.", approval=approval)
    if approval.state == State.SUPERSEDED:
        raise ApprovalStale("This card was replaced by something newer. /jobs lists what waits.", approval=approval)
    if approval.state == State.EXPIRED or approval.expires_at <= timezone.now():
        raise ApprovalStale("This card has expired. Send the request again, or reopen it.", approval=approval)


def approvals_supersede(*, subject: str) -> int:
    """Withdraw the open question about `subject`, if any; returns how many (0 or 1)."""
    return Approval.objects.filter(subject=subject, state=State.PENDING).update(state=State.SUPERSEDED)


def approvals_prolong(*, waiting_at: datetime, by: timedelta) -> int:
    """Give the cards that waited at that time as much longer as nobody could answer them; returns how many."""
    waiting = Approval.objects.filter(state=State.PENDING, created_at__lte=waiting_at, expires_at__gt=waiting_at)
    return waiting.update(expires_at=F("expires_at") + by)


def approvals_expire(*, limit: int = 100) -> int:
    """Expire what has waited too long and tell whoever asked; returns how many."""
    due = Approval.objects.filter(state=State.PENDING, expires_at__lte=timezone.now()).order_by("expires_at")
    return sum(_expire(approval) for approval in due[:limit])


@joined
def _expire(approval: Approval) -> bool:
    try:
        move(approval, to=State.EXPIRED, expected=[State.PENDING])
    except StateConflict:  # answered in the last moment: the answer wins
        return False
    audit.record(actor="system", action=f"{approval.kind} expired", subject=approval.subject)
    handler_of(approval.kind)(approval)
    return True
