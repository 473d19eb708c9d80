"""Runs one tool call: judged, committed as started, done, settled. Each call of a run has one row and one effect."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from approvals.errors import ApprovalRequired
from common.errors import AgentError, StopCheck, Stopped
from common.host import host_id
from common.text import redact
from tools import paths, process, registry
from tools.base import Effect, Tool, ToolCall, ToolContext, ToolResult
from tools.errors import ExecutionLost, OutcomeUnknown, ToolStopped
from tools.models import Decision, ExecutionState, ToolExecution
from tools.rules import Verdict, decide

log = logging.getLogger(__name__)

UNKNOWN_OUTCOME = (
    "The outcome of this call is unknown: the worker ended while it ran. It may have happened in full, in part or not "
    "at all. Look at the state of things before you decide whether to do it again."
)


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    call: ToolCall
    run_ref: str
    job_ref: str
    epoch: int
    approved: bool
    fence: Callable[[], None]
    stop: StopCheck


def tool_execute(
    *,
    call: ToolCall,
    run_ref: str,
    job_ref: str,
    epoch: int,
    approved: bool,
    fence: Callable[[], None],
    stop: StopCheck,
) -> ToolExecution:
    """Runs `call` once, however often it is asked to, and returns its row.

    `approved`: a person said yes to exactly this call. `fence` raises when the caller no longer holds the run.
    Raises ApprovalRequired (nothing was done), Stopped (the row, if any, says how far it came), what `fence` raises.
    """
    attempt = _Attempt(
        call=call, run_ref=run_ref, job_ref=job_ref, epoch=epoch, approved=approved, fence=fence, stop=stop
    )
    earlier = ToolExecution.objects.filter(run_ref=run_ref, call_id=call.call_id).first()
    if earlier is not None and earlier.state not in (ExecutionState.STARTED, ExecutionState.ASKED):
        return earlier
    tool = registry.tool_named(call.name)
    complaint = _complaint(tool, call)
    if tool is None or complaint:
        return _record(attempt, _NOT_JUDGED, state=ExecutionState.FAILED, output=complaint)
    verdict = decide(call)
    if earlier is not None and earlier.state == ExecutionState.ASKED:
        return _answered(attempt, tool, verdict, earlier)
    if earlier is not None:
        return _pick_up(attempt, tool, verdict, earlier)
    return _first_time(attempt, tool, verdict)


def _complaint(tool: Tool | None, call: ToolCall) -> str:
    if tool is None:
        return f"There is no tool called {call.name}. There are: {', '.join(registry.names())}."
    return registry.complaint(tool, call.arguments)


def _first_time(attempt: _Attempt, tool: Tool, verdict: Verdict) -> ToolExecution:
    if verdict.decision == Decision.DENY:
        return _record(attempt, verdict, state=ExecutionState.REFUSED, output=f"Refused: {verdict.reason}")
    _check_approved(attempt, verdict)
    return _run(attempt, tool, verdict, _record(attempt, verdict, state=ExecutionState.STARTED))


def _check_approved(attempt: _Attempt, verdict: Verdict) -> None:
    if verdict.decision == Decision.ASK and not attempt.approved:
        raise ApprovalRequired(calls=[_as_dict(attempt.call)], reason=verdict.reason, rule=verdict.rule)
    if attempt.stop():
        raise Stopped


def _answered(attempt: _Attempt, tool: Tool, verdict: Verdict, earlier: ToolExecution) -> ToolExecution:
    """A person was asked something before this call could be finished: it is made again, with what he answered."""
    if verdict.decision != Decision.DENY:
        _check_approved(attempt, verdict)
    _restart(attempt, earlier, state=ExecutionState.ASKED)
    if verdict.decision == Decision.DENY:
        return _settle(attempt, earlier, state=ExecutionState.REFUSED, output=f"Refused: {verdict.reason}")
    return _run(attempt, tool, verdict, earlier)


def _pick_up(attempt: _Attempt, tool: Tool, verdict: Verdict, earlier: ToolExecution) -> ToolExecution:
    """A worker died in the middle of this call."""
    _end_leftovers(earlier)
    if not (tool.effect is Effect.READ or verdict.read_only) or verdict.decision == Decision.DENY:
        return _settle(attempt, earlier, state=ExecutionState.UNKNOWN, output=UNKNOWN_OUTCOME)
    if attempt.stop():
        raise Stopped
    _restart(attempt, earlier, state=ExecutionState.STARTED)
    return _run(attempt, tool, verdict, earlier)


def _restart(attempt: _Attempt, earlier: ToolExecution, *, state: ExecutionState) -> None:
    now = timezone.now()
    fresh: dict[str, Any] = {"state": ExecutionState.STARTED, "epoch": attempt.epoch, "started_at": now}
    with transaction.atomic(durable=True):
        attempt.fence()
        mine = ToolExecution.objects.filter(pk=earlier.pk, state=state)
        if not mine.update(**fresh, pid=None, pid_started=None, finished_at=None, duration=None):
            raise ExecutionLost
    earlier.refresh_from_db()


def _end_leftovers(execution: ToolExecution) -> None:
    pid, started = execution.pid, execution.pid_started
    here = execution.host == host_id()
    if here and pid is not None and started is not None and process.is_same(pid, started):
        process.end_tree(pid)


def _run(attempt: _Attempt, tool: Tool, verdict: Verdict, execution: ToolExecution) -> ToolExecution:
    try:
        result = tool.run(_context(attempt, verdict, execution), attempt.call.arguments)
    except ToolStopped as stopped:
        _settle(attempt, execution, state=ExecutionState.STOPPED, output=stopped.output, exit_code=stopped.exit_code)
        raise
    except Stopped as stopped:
        _settle(attempt, execution, state=ExecutionState.STOPPED, output=str(stopped))
        raise
    except ApprovalRequired as question:
        _settle(attempt, execution, state=ExecutionState.ASKED, output=question.reason)
        raise
    except OutcomeUnknown as error:
        return _settle(attempt, execution, state=ExecutionState.UNKNOWN, output=str(error))
    except AgentError as error:
        return _settle(attempt, execution, state=ExecutionState.FAILED, output=str(error))
    except Exception as error:  # a tool's fault is the model's to know and the log's to keep, not the run's end
        log.exception("The tool %s broke", tool.name)
        return _settle(attempt, execution, state=ExecutionState.FAILED, output=f"{tool.name} broke: {error!r}")
    return _settle_result(attempt, execution, result)


def _context(attempt: _Attempt, verdict: Verdict, execution: ToolExecution) -> ToolContext:
    def on_process(pid: int, started: float) -> None:
        ToolExecution.objects.filter(pk=execution.pk, epoch=attempt.epoch).update(pid=pid, pid_started=started)

    return ToolContext(
        workspace=paths.workspace(),
        stop=attempt.stop,
        run_ref=attempt.run_ref,
        job_ref=attempt.job_ref,
        call_id=attempt.call.call_id,
        # What the rules allow by themselves stays at the lowest level, whatever else was approved.
        approved=verdict.decision == Decision.ASK,
        on_process=on_process,
    )


def _settle_result(attempt: _Attempt, execution: ToolExecution, result: ToolResult) -> ToolExecution:
    return _settle(
        attempt,
        execution,
        state=ExecutionState.FAILED if result.is_error else ExecutionState.DONE,
        output=result.output,
        exit_code=result.exit_code,
        truncated=result.truncated,
    )


def _record(attempt: _Attempt, verdict: Verdict, *, state: ExecutionState, output: str = "") -> ToolExecution:
    """The row of a call that starts, or that ends before it starts."""
    now = timezone.now()
    over = state != ExecutionState.STARTED
    # durable: a start that an outer transaction could undo would not be known after a crash.
    with transaction.atomic(durable=True):
        attempt.fence()
        return ToolExecution.objects.create(
            run_ref=attempt.run_ref,
            call_id=attempt.call.call_id,
            job_ref=attempt.job_ref,
            name=attempt.call.name[:100],
            arguments=_storable(attempt.call.arguments),
            decision=verdict.decision if verdict is not _NOT_JUDGED else "",
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


def _settle(
    attempt: _Attempt,
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


_NOT_JUDGED = Verdict(decision=Decision.DENY, reason="", rule="")


def _as_dict(call: ToolCall) -> dict[str, Any]:
    return {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}


def _text(output: str) -> str:
    """Without secrets, and without what PostgreSQL's text can't hold."""
    return redact(output.replace("\0", "�").encode(errors="replace").decode())


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "�").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
