"""Standing permissions: rules that a person gives with a card (“OK for this kind”), with an end and a count of uses."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from common.transactions import joined
from ops import audit
from tools import judges
from tools.base import ToolCall
from tools.errors import RuleUsedUp
from tools.judges import read_script
from tools.models import Decision, Match, Origin, Scope, ToolRule
from tools.rule_checks import check_rule
from tools.rule_rows import keeps_its_level
from tools.shell import programs, reading
from tools.shell.bounds import DoubtError
from tools.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What "this kind" means for a call: the matcher that a standing permission for it gets, and its words for a card.

    All words of a command count: `systemctl restart nginx` does not permit `systemctl restart postgresql`.
    """

    tool: str
    match: Match
    pattern: str
    arguments: dict[str, Any] | None = None

    @property
    def words(self) -> str:
        return self.pattern or f"exactly this call of {self.tool}"


def kinds_of(call: ToolCall) -> tuple[Kind, ...]:
    """The kinds that a call consists of, one for each command of a line that has to be asked about; none if it has no
    kind: when it is denied, or what it does isn't known."""
    verdict = judges.judge(call)
    if verdict.decision is not Decision.ASK:
        return ()
    if call.name == "shell":
        if not keeps_its_level(call):
            return ()
        return _kinds_of_script(str(call.arguments.get("command", "")))
    if call.name in ("file_write", "file_delete"):
        return (Kind(tool=call.name, match=Match.PATH, pattern=str(call.arguments.get("path", ""))),)
    if call.name == "http_request":
        host = next(iter(_hosts(call)), "")
        method = str(call.arguments.get("method", "GET")).upper()
        return (Kind(tool=call.name, match=Match.HOST, pattern=f"{method} {host}"),) if host else ()
    return (Kind(tool=call.name, match=Match.TOOL, pattern=""),)


def _hosts(call: ToolCall) -> list[str]:
    from urllib.parse import urlsplit

    host = urlsplit(str(call.arguments.get("url", ""))).hostname
    return [host] if host else []


def _kinds_of_script(line: str) -> tuple[Kind, ...]:
    script, trouble = read_script(line)
    found: list[Kind] = []
    for command in () if trouble or None in script.folders else script.commands:
        try:
            reading.check_command(command, script.folders)
        except DoubtError:
            inner = programs.wrapped(command.name, command) or command
            texts = [word.text or "" for word in inner.words if not (word.pattern or word.home)]
            if len(texts) < len(inner.words) or not all(texts) or any(set(text) & set(" *?[…") for text in texts):
                return ()
            found.append(Kind(tool="shell", match=Match.PROGRAM, pattern=" ".join(texts)))
    return tuple(dict.fromkeys(found))


def kind_check(kind: Kind) -> None:
    """Raises ValidationError, with a sentence, for what is never permitted."""
    check_rule(_rule_of(kind))


def _rule_of(kind: Kind) -> ToolRule:
    return ToolRule(
        decision=Decision.ALLOW,
        tool=kind.tool,
        match=kind.match,
        pattern=kind.pattern,
        arguments=kind.arguments,
        origin=Origin.STANDING,
    )


@joined
def standing_grant(
    *,
    kind: Kind,
    scope: Scope,
    scope_ref: str,
    expires_in: timedelta,
    max_uses: int | None,
    created_by: str,
    reason: str,
) -> ToolRule:
    """Permit calls of one kind from now on. Raises ValidationError, with a sentence, for what is never permitted."""
    rule = _rule_of(kind)
    rule.scope, rule.scope_ref = scope, scope_ref
    rule.expires_at, rule.max_uses = timezone.now() + expires_in, max_uses
    rule.reason, rule.created_by = reason, created_by
    check_rule(rule)
    rule.save()
    audit.record(
        actor=created_by,
        action="standing permission given",
        subject=f"rule:{rule.pk}",
        detail={"rule": str(rule), "scope": scope_ref, "until": str(rule.expires_at), "uses": max_uses},
    )
    return rule


@joined
def standing_revoke(*, rule_id: int, by: str) -> ToolRule:
    """Take a permission back; from the next verdict on it is gone. Again does nothing."""
    mine = ToolRule.objects.filter(pk=rule_id, active=True)
    if mine.update(active=False, revoked_at=timezone.now(), revoked_by=by):
        audit.record(actor=by, action="standing permission revoked", subject=f"rule:{rule_id}")
    return ToolRule.objects.get(pk=rule_id)


def standing_rules() -> QuerySet[ToolRule]:
    """The permissions in force, the newest first."""
    return ToolRule.in_force().filter(origin=Origin.STANDING).order_by("-pk")


def rules_use(verdict: Verdict) -> None:
    """Count one use of each rule that let a call through, all or none; in the transaction that starts the call.

    Raises RuleUsedUp when one was revoked, has expired or was used up since the verdict.
    """
    with transaction.atomic():
        for rule_id in sorted(verdict.lifted_by):
            if not ToolRule.in_force().filter(pk=rule_id).update(uses=F("uses") + 1):
                raise RuleUsedUp
