"""The cards as a person reads them: what is wanted, what each part changes, how it is undone, what it may cost."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from agents import limits
from budget.models import Limit
from budget.prices import bound_cost
from budget.reports import limit_states
from common.text import shorten
from jobs.models import Job
from llm.routing import DEMO, is_demo
from tools import paths, snapshots
from tools.base import ToolCall
from tools.levels import card_text
from tools.models import Decision
from tools.rules import Verdict, decide

Call = dict[str, Any]
OUTSIDE = "What is done outside of the workspace stays done."
READS = "This changes nothing; whatever would is asked about first."


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A call of a card, and what the gate thinks of it."""

    call: ToolCall
    verdict: Verdict


def judged(calls: list[Call]) -> list[Judged]:
    """The calls of a plan, each with the gate's verdict of now; the gate judges again when they are made."""
    made = [ToolCall(call_id="", name=call["name"], arguments=call["arguments"]) for call in calls]
    return [Judged(call=call, verdict=decide(call)) for call in made]


def plan_text(job: Job, calls: list[Judged]) -> str:
    """Goal, steps, the exact calls with their risk, undo, bounds."""
    lines = [f"Plan for job {job.pk}: {job.summary}"]
    lines += [f"{number}. {step}" for number, step in enumerate(job.classification["plan"], 1)]
    if calls:
        lines += ["", "An OK permits exactly these commands:", *(line for each in calls for line in _call(each))]
    return "\n".join([*lines, "", *_footer(job, calls)])


def calls_text(job: Job, calls: list[Judged]) -> str:
    """What is asked in mid-run: only what no card has signed yet, each call in full, and why it is asked about."""
    signed = len(job.run.permitted_calls) if job.run else 0
    beyond = f"Beyond the {signed} approved call{'' if signed == 1 else 's'}, job" if signed else "Job"
    lines = [f"{beyond} {job.pk} wants to go on with:", *(line for each in calls for line in _call(each))]
    if job.run and job.run.tainted_by:
        lines += ["", f"It has read {job.run.tainted_by}, which might have asked for this."]
    return "\n".join([*lines, "", *_footer(job, calls)])


def _call(each: Judged) -> list[str]:
    call, verdict = each.call, each.verdict
    lines = [f"({RISK[verdict.decision]}{verdict.reason})"]
    if verdict.decision == Decision.ASK:
        lines += card_text(call.name, call.arguments).splitlines()
    return [describe_call(call.name, call.arguments), *(f"   {line}" for line in lines)]


RISK = {Decision.ALLOW: "", Decision.ASK: "", Decision.DENY: "will be refused: "}


def describe_call(name: str, arguments: dict[str, Any]) -> str:
    """A call on a line or more: a shell command as it would be typed, others with their arguments."""
    if name == "shell":
        return f"$ {arguments.get('command', '')}"
    return f"{name} " + ", ".join(f"{key}={shorten(str(value), 300)}" for key, value in arguments.items())


def _footer(job: Job, calls: list[Judged]) -> list[str]:
    changes = any(not each.verdict.read_only for each in calls) or bool(job.classification.get("needs_confirmation"))
    return [f"{snapshots.forecast(paths.workspace())} {OUTSIDE}" if changes else READS, _bounds()]


def _bounds() -> str:
    """The most that a run may use, and what the day's limit leaves."""
    model = DEMO if is_demo() else settings.CLAUDE_MODEL
    written = min(limits.TURNS * limits.ANSWER_TOKENS, limits.TOKENS)
    usd, known = bound_cost(model=model, input_bound=limits.TOKENS - written, output_bound=written)
    bound = f"At most {limits.TOKENS:,} tokens" + (f" or ${usd:.2f}" if known else "")
    left = [limit.amount - limit.used - limit.reserved for limit in limit_states() if limit.unit == Limit.Unit.USD]
    return f"{bound}; ${max(min(left), Decimal(0)):.2f} left today." if left else f"{bound}."
