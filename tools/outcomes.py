"""The row of a call: written when it starts, or ends before it starts, and settled once, by who still holds the run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from common.errors import StopCheck
from common.host import host_id
from common.text import redact, redact_within
from tools.base import ToolCall
from tools.errors import ExecutionLost
from tools.models import Decision, ExecutionState, ToolExecution
from tools.rules import Context, Verdict
from tools.standing import rules_use

NOT_JUDGED = Verdict(decision=Decision.DENY, reason="", rule="")
"""Of a call that no gate could judge: of an unknown tool, or with bad arguments."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A call, for whom, and how far its caller may go."""

    call: ToolCall
    run_ref: str
    job_ref: str
    epoch: int
    approved: bool
    fence: Callable[[], None]
    stop: StopCheck
    context: Context


def record(attempt: Attempt, verdict: Verdict, *, state: ExecutionState, output: str = "") -> ToolExecution:
    """The row of a call that starts, or that ends before it starts. A start uses the permissions that let it through:
    raises RuleUsedUp where one has ended since."""
    now = timezone.now()
    over = state != ExecutionState.STARTED
    # durable: a start that an outer transaction could undo would not be known after a crash.
    with transaction.atomic(durable=True):
        attempt.fence()
        if not over and verdict.lifted_by:
            rules_use(verdict)
        return ToolExecution.objects.create(
            run_ref=attempt.run_ref,
            call_id=attempt.call.call_id,
            job_ref=attempt.job_ref,
            name=attempt.call.name[:100],
            arguments=redact_within(storable(attempt.call.arguments)),
            decision=verdict.decision if verdict is not NOT_JUDGED else "",
            rule=verdict.rule,
            reason=verdict.reason,
            state=state,
            output=_text(output),
            epoch=attempt.epoch,
            host=host_id(),
            started_at=now,
            finished_at=now if over else None,
            duration=0.0 if over else None,
        )


def settle(
    attempt: Attempt,
    execution: ToolExecution,
    *,
    state: ExecutionState,
    output: str,
    exit_code: int | None = None,
    truncated: bool = False,
) -> ToolExecution:
    """Writes the outcome, once: fenced, and only over a row that is still started."""
    now = timezone.now()
    fields: dict[str, Any] = {
        "state": state,
        "output": _text(output),
        "exit_code": exit_code,
        "truncated": truncated,
        "epoch": attempt.epoch,
        "finished_at": now,
        "duration": (now - execution.started_at).total_seconds(),
    }
    with transaction.atomic():
        attempt.fence()
        if not ToolExecution.objects.filter(pk=execution.pk, state=ExecutionState.STARTED).update(**fields):
            raise ExecutionLost
    for name, value in fields.items():
        setattr(execution, name, value)
    return execution


def _text(output: str) -> str:
    """Without secrets, and without what PostgreSQL's text can't hold."""
    return redact(output.replace("\0", "�").encode(errors="replace").decode())


def storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "�").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    return [storable(each) for each in value] if isinstance(value, list) else value
