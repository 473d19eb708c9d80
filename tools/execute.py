"""Runs one tool call: judged, committed as started, done, settled. Each call of a run has one row and one effect."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from approvals.errors import ApprovalRequired
from common.errors import AgentError, StopCheck, Stopped
from common.host import host_id
from ops import secrets
from tools import paths, registry
from tools.base import Effect, Tool, ToolCall, ToolContext, ToolResult
from tools.confinement import marks, trees
from tools.errors import ExecutionLost, OutcomeUnknown, RuleUsedUp, ToolStopped
from tools.models import Decision, ExecutionState, ToolExecution
from tools.outcomes import NOT_JUDGED, Attempt, record, settle
from tools.rules import NOBODY, Context, Verdict, decide

log = logging.getLogger(__name__)

UNKNOWN_OUTCOME = (
    "The outcome of this call is unknown: the worker ended while it ran. It may have happened in full, in part or not "
    "at all. Look at the state of things before you decide whether to do it again."
)


def tool_execute(
    *,
    call: ToolCall,
    run_ref: str,
    job_ref: str,
    epoch: int,
    approved: bool,
    fence: Callable[[], None],
    stop: StopCheck,
    context: Context = NOBODY,
) -> ToolExecution:
    """Runs `call` once, however often it is asked to, and returns its row.

    `context`: for whom, as the gate wants to know it. `approved`: a person said yes to exactly this call. `fence`
    raises when the caller no longer holds the run. Raises ApprovalRequired (nothing was done), Stopped (the row, if
    any, says how far it came), what `fence` raises.
    """
    attempt = Attempt(
        call=call,
        run_ref=run_ref,
        job_ref=job_ref,
        epoch=epoch,
        approved=approved,
        fence=fence,
        stop=stop,
        context=context,
    )
    earlier = ToolExecution.objects.filter(run_ref=run_ref, call_id=call.call_id).first()
    if earlier is not None and earlier.state not in (ExecutionState.STARTED, ExecutionState.ASKED):
        return earlier
    tool = registry.tool_named(call.name)
    complaint = _complaint(tool, call)
    if tool is None or complaint:
        return record(attempt, NOT_JUDGED, state=ExecutionState.FAILED, output=complaint)
    secrets.refresh()
    verdict = decide(call, context=context)
    if earlier is not None and earlier.state == ExecutionState.ASKED:
        return _answered(attempt, tool, verdict, earlier)
    if earlier is not None:
        return _pick_up(attempt, tool, verdict, earlier)
    return _first_time(attempt, tool, verdict)


def _complaint(tool: Tool | None, call: ToolCall) -> str:
    if tool is None:
        return f"There is no tool called {call.name}. There are: {', '.join(registry.names())}."
    return registry.complaint(tool, call.arguments)


def _first_time(attempt: Attempt, tool: Tool, verdict: Verdict) -> ToolExecution:
    if verdict.decision == Decision.DENY:
        return record(attempt, verdict, state=ExecutionState.REFUSED, output=f"Refused: {verdict.reason}")
    _check_approved(attempt, verdict)
    try:
        started = record(attempt, verdict, state=ExecutionState.STARTED)
    except RuleUsedUp:  # a permission has ended since the verdict: judged again, without it
        return _first_time(attempt, tool, decide(attempt.call, context=attempt.context))
    return _run(attempt, tool, verdict, started)


def _check_approved(attempt: Attempt, verdict: Verdict) -> None:
    if verdict.decision == Decision.ASK and not attempt.approved:
        raise ApprovalRequired(calls=[_as_dict(attempt.call)], reason=verdict.reason, rule=verdict.rule)
    if attempt.stop():
        raise Stopped


def _answered(attempt: Attempt, tool: Tool, verdict: Verdict, earlier: ToolExecution) -> ToolExecution:
    """A person was asked something before this call could be finished: it is made again, with what he answered."""
    if verdict.decision != Decision.DENY:
        _check_approved(attempt, verdict)
    _restart(attempt, earlier, state=ExecutionState.ASKED)
    if verdict.decision == Decision.DENY:
        return settle(attempt, earlier, state=ExecutionState.REFUSED, output=f"Refused: {verdict.reason}")
    return _run(attempt, tool, verdict, earlier)


def _pick_up(attempt: Attempt, tool: Tool, verdict: Verdict, earlier: ToolExecution) -> ToolExecution:
    """A worker died in the middle of this call, or was stopped there and may wake up any moment."""
    _take_over(attempt, earlier)
    if not (tool.effect is Effect.READ or verdict.read_only) or verdict.decision == Decision.DENY:
        return settle(attempt, earlier, state=ExecutionState.UNKNOWN, output=UNKNOWN_OUTCOME)
    if attempt.stop():
        raise Stopped
    _restart(attempt, earlier, state=ExecutionState.STARTED)
    return _run(attempt, tool, verdict, earlier)


def _take_over(attempt: Attempt, earlier: ToolExecution) -> None:
    """First the row, then the leftovers: once the row has the new epoch, the former worker can start nothing any more
    (see on_process), and whatever it has started before is known by its pid, or by its mark."""
    with transaction.atomic(durable=True):
        attempt.fence()
        mine = ToolExecution.objects.select_for_update(no_key=True).filter(pk=earlier.pk, state=ExecutionState.STARTED)
        found = mine.first()
        if found is None:
            raise ExecutionLost
        mine.update(epoch=attempt.epoch)
    _end_leftovers(found, attempt.epoch)


def _restart(attempt: Attempt, earlier: ToolExecution, *, state: ExecutionState) -> None:
    now = timezone.now()
    fresh: dict[str, Any] = {"state": ExecutionState.STARTED, "epoch": attempt.epoch, "started_at": now}
    with transaction.atomic(durable=True):
        attempt.fence()
        mine = ToolExecution.objects.filter(pk=earlier.pk, state=state)
        if not mine.update(**fresh, pid=None, pid_started=None, finished_at=None, duration=None):
            raise ExecutionLost
    earlier.refresh_from_db()


def _end_leftovers(execution: ToolExecution, epoch: int) -> None:
    """Kills what is left of the call on this machine. On another one it can't be reached from here: there a command
    dies with its worker, and that of a worker which is only stopped ends when the worker wakes up."""
    pid, started = execution.pid, execution.pid_started
    here = execution.host == host_id()
    if here and pid is not None and started is not None and trees.is_same(pid, started):
        trees.end_tree(pid)
    marks.end_marked(execution.pk, before=epoch)


def _run(attempt: Attempt, tool: Tool, verdict: Verdict, execution: ToolExecution) -> ToolExecution:
    try:
        with marks.marked(execution.pk, attempt.epoch):
            result = tool.run(_context(attempt, verdict, execution), attempt.call.arguments)
    except ToolStopped as stopped:
        settle(attempt, execution, state=ExecutionState.STOPPED, output=stopped.output, exit_code=stopped.exit_code)
        raise
    except Stopped as stopped:
        settle(attempt, execution, state=ExecutionState.STOPPED, output=str(stopped))
        raise
    except ApprovalRequired as question:
        settle(attempt, execution, state=ExecutionState.ASKED, output=question.reason)
        raise
    except OutcomeUnknown as error:
        return settle(attempt, execution, state=ExecutionState.UNKNOWN, output=str(error))
    except AgentError as error:
        return settle(attempt, execution, state=ExecutionState.FAILED, output=str(error))
    except Exception as error:  # a tool's fault is the model's to know and the log's to keep, not the run's end
        log.exception("The tool %s broke", tool.name)
        return settle(attempt, execution, state=ExecutionState.FAILED, output=f"{tool.name} broke: {error!r}")
    return _settle_result(attempt, execution, result)


def _context(attempt: Attempt, verdict: Verdict, execution: ToolExecution) -> ToolContext:
    def on_process(pid: int, started: float) -> None:
        mine = ToolExecution.objects.filter(pk=execution.pk, epoch=attempt.epoch, state=ExecutionState.STARTED)
        if not mine.update(pid=pid, pid_started=started):
            raise ExecutionLost

    return ToolContext(
        workspace=paths.workspace(),
        stop=attempt.stop,
        run_ref=attempt.run_ref,
        job_ref=attempt.job_ref,
        call_id=attempt.call.call_id,
        # What the rules allow by themselves stays at the lowest level, whatever else was approved.
        approved=verdict.decision == Decision.ASK or bool(verdict.lifted_by),
        signed=verdict.decision == Decision.ASK,
        on_process=on_process,
    )


def _settle_result(attempt: Attempt, execution: ToolExecution, result: ToolResult) -> ToolExecution:
    return settle(
        attempt,
        execution,
        state=ExecutionState.FAILED if result.is_error else ExecutionState.DONE,
        output=result.output,
        exit_code=result.exit_code,
        truncated=result.truncated,
    )


def _as_dict(call: ToolCall) -> dict[str, Any]:
    return {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}
