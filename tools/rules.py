"""The gate: what a tool call may do without asking, what a person must be asked, what is never done.

First the gate's own rules (judges.py), then the owner's rows (rule_rows.py): of several the strictest counts. A row can
allow what would be asked about, never what is denied. At last taint: who has read an outsider's text may only read.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from tools import sandbox
from tools.base import ToolCall
from tools.catalogue import BUILTIN, NOT_LIFTED, STRICTNESS
from tools.judges import judge
from tools.models import Decision as Decision
from tools.models import Match, ToolRule
from tools.rule_rows import lifting, rules_for, strictest
from tools.verdicts import Context as Context
from tools.verdicts import Verdict as Verdict
from tools.verdicts import ask

log = logging.getLogger(__name__)
NOBODY = Context()


def decide(call: ToolCall, *, context: Context = NOBODY) -> Verdict:
    """Judges one call. Never raises, has no effect, asks no name server; a fault of its own counts as ask.

    Of the caller's transaction it reads the rules; where these can't be read nothing is allowed.
    """
    try:
        verdict = judge(call)
        if verdict.decision is Decision.DENY:
            return verdict
        return _confined(with_rules(call, verdict, rules_for(call, verdict, context), context))
    except Exception:
        log.exception("The gate could not judge a call of %s", call.name)
        return ask("gate.error", "The gate could not judge this call.")


def decide_by_code(call: ToolCall) -> Verdict:
    """As `decide`, by the gate's own rules alone: for where there is no database."""
    try:
        return _confined(judge(call))
    except Exception:
        log.exception("The gate could not judge a call of %s", call.name)
        return ask("gate.error", "The gate could not judge this call.")


def with_rules(call: ToolCall, verdict: Verdict, rules: Iterable[ToolRule], context: Context) -> Verdict:
    """What the owner's rules, and taint, make of the gate's own verdict."""
    rules = list(rules)
    verdict = _own_decision(verdict, rules)
    rule = strictest(rules, call)
    if rule is not None and STRICTNESS[Decision(rule.decision)] >= STRICTNESS[verdict.decision]:
        return Verdict(
            decision=Decision(rule.decision), rule=f"rule:{rule.pk}", reason=_reason(rule), read_only=verdict.read_only
        )
    if verdict.decision is Decision.ASK and verdict.rule not in NOT_LIFTED and rule is None:
        verdict = _lifted(verdict, lifting(rules, call))
    return _tainted(call, verdict, context) if context.tainted else verdict


def _own_decision(verdict: Verdict, rules: list[ToolRule]) -> Verdict:
    """The owner made a rule of the gate itself stricter, or looser where that is safe."""
    own = next((rule for rule in rules if rule.match == Match.BUILTIN and rule.pattern == verdict.rule), None)
    if own is None or own.decision == verdict.decision:
        return verdict
    wanted = Decision(own.decision)
    if STRICTNESS[wanted] > STRICTNESS[verdict.decision]:
        return replace(verdict, decision=wanted, reason=f"{verdict.reason} Your rule {own.pk} wants it so.")
    builtin = BUILTIN.get(verdict.rule)
    if builtin is None or not builtin.looser or verdict.decision is Decision.DENY:
        return verdict
    return replace(verdict, decision=wanted, lifted_by=(own.pk,))


def _lifted(verdict: Verdict, rules: tuple[ToolRule, ...]) -> Verdict:
    if not rules:
        return verdict
    return replace(
        verdict,
        decision=Decision.ALLOW,
        rule=f"rule:{rules[0].pk}",
        reason=" ".join(dict.fromkeys(_reason(rule) for rule in rules)),
        lifted_by=tuple(rule.pk for rule in rules),
    )


def _reason(rule: ToolRule) -> str:
    said = rule.reason.strip() or f"A rule of the owner: {rule}"
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _tainted(call: ToolCall, verdict: Verdict, context: Context) -> Verdict:
    """What an outsider's text may have asked for. A request to a host that the owner didn't name may carry data out."""
    if verdict.decision is not Decision.ALLOW:
        return verdict
    if not verdict.read_only:
        return ask("taint", "It acts, and this run has read text of outsiders, who might have asked for it.")
    if verdict.rule.startswith("mcp."):
        return ask("taint", "It tells a server outside something, and this run has read text of outsiders.", True)
    if call.name == "http_request":
        host = (urlsplit(str(call.arguments.get("url", ""))).hostname or "").rstrip(".").lower()
        if host not in context.named_hosts:
            return ask("taint", f"You have not named {host}, and this run has read text of outsiders.", True)
    return verdict


def _confined(verdict: Verdict) -> Verdict:
    if verdict.decision is Decision.ALLOW and not sandbox.available():
        return ask("sandbox.missing", "Without bubblewrap nothing runs here without asking.", verdict.read_only)
    return verdict
