"""Taking back what tools changed in the workspace and what they are permitted to do, as commands."""

from collections.abc import Callable
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from common.commands import Call, command
from tools import undo
from tools.errors import ToolProblem
from tools.models import Scope, ToolRule
from tools.standing import standing_revoke, standing_rules

PERMISSIONS_SHOWN = 20


@command("undo", help="take the last change back: /undo, or of a job: /undo 12")
def undo_(call: Call) -> str:
    return _answer(call, undo.change_undo)


@command("redo", help="take the last /undo back")
def redo(call: Call) -> str:
    return _answer(call, undo.change_redo)


def _answer(call: Call, verb: Callable[..., str]) -> str:
    number = call.argument.split()[0] if call.argument else ""
    if number and not number.isdecimal():
        return f"Give the number of a job: /{call.name} 12."
    refs = [f"job:{number}"] if number else undo.jobs_of_thread(call.thread_ref)
    try:
        return verb(job_refs=refs, actor=call.actor)
    except undo.NothingToUndo:
        where = f"of job {number}" if number else "in this chat"
        return f"There is nothing {where} that /{call.name} could take back. /{call.name} 12 looks at job 12."
    except ToolProblem as problem:
        return str(problem)


@command("permissions", help="what an “OK for this kind” permits here; /permissions revoke 3 ends one")
def permissions(call: Call) -> str:
    words = call.argument.split()
    if not words:
        return _permissions_listed(call)
    number = words[-1].removeprefix("#")
    if len(words) != 2 or words[0].lower() != "revoke" or not number.isdecimal() or len(number) > 17:
        return "/permissions lists what is permitted here, /permissions revoke 3 ends number 3."
    rule = _permissions_here(call).filter(pk=int(number)).first()
    if rule is None:
        return f"No permission {number} is in force here. /permissions lists them."
    standing_revoke(rule_id=rule.pk, by=call.actor)
    return f"Revoked: {_permitted(rule)}. I ask about it again from now on."


def _permissions_here(call: Call) -> QuerySet[ToolRule]:
    here = Q(scope=Scope.EVERYWHERE) | Q(scope=Scope.THREAD, scope_ref=call.thread_ref)
    return standing_rules().filter(here)


def _permissions_listed(call: Call) -> str:
    rows = list(_permissions_here(call)[: PERMISSIONS_SHOWN + 1])
    if not rows:
        return "No standing permission holds here: “OK for this kind” on a card gives one."
    lines = [f"#{row.pk} {_permitted(row)}: {_rest(row)}" for row in rows[:PERMISSIONS_SHOWN]]
    more = ["…and more in the admin, under Rules."] if len(rows) > PERMISSIONS_SHOWN else []
    return "\n".join([*lines, *more, f"/permissions revoke {rows[0].pk} ends number {rows[0].pk}."])


def _permitted(rule: ToolRule) -> str:
    return f"{rule.tool} {rule.pattern}".strip()


def _rest(rule: ToolRule) -> str:
    uses = f"used {rule.uses} of {rule.max_uses} times" if rule.max_uses is not None else f"used {rule.uses} times"
    return f"{_left(rule.expires_at)} left, {uses}" if rule.expires_at else uses


def _left(until: datetime) -> str:
    """The rest of a time in its largest unit, rounded down."""
    seconds = max((until - timezone.now()).total_seconds(), 0)
    units = ((86400, "day"), (3600, "hour"), (60, "minute"))
    size, unit = next((pair for pair in units if seconds >= pair[0]), units[-1])
    count = int(seconds // size)
    return f"{count} {unit}{'' if count == 1 else 's'}"
