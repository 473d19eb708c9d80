"""What others do with runs: open one, answer what it waits for, stop it."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from agents.models import Run
from agents.resume import gate_context, is_permitted, rebuild
from common import queue
from common.rows import insert
from common.state import move
from common.transactions import joined
from tools.base import ToolCall
from tools.rules import Decision, Verdict, decide


def run_open(
    *,
    job_ref: str,
    thread_ref: str,
    person_ref: str,
    opening: list[dict[str, Any]],
    permitted_calls: list[dict[str, Any]],
    scope: str = "reactive",
    tainted_by: str = "",
    named_hosts: Sequence[str] = (),
) -> Run:
    """Make a run and ask for its first step. `permitted_calls` are the exact calls that a person has signed.

    `tainted_by`: the text of outsiders that its opening holds; `named_hosts`: see Run.
    """
    run = Run(
        job_ref=job_ref,
        thread_ref=thread_ref,
        person_ref=person_ref,
        opening=opening,
        permitted_calls=permitted_calls,
        scope=scope,
        tainted_by=tainted_by,
        named_hosts=list(named_hosts),
    )
    insert(run)
    queue.enqueue("run.advance", run.pk)
    return run


def run_asks(run: Run) -> list[tuple[ToolCall, Verdict]]:
    """The calls that a waiting run wants signed, each with the gate's reason."""
    conversation = rebuild(run)
    context = gate_context(run)
    verdicts = [
        (call, decide(call, context=context))
        for call in conversation.open_calls
        if call.call_id not in run.refused_calls
    ]
    return [
        (call, verdict)
        for call, verdict in verdicts
        if verdict.decision == Decision.ASK and not is_permitted(run, call, conversation)
    ]


@joined
def run_answer(*, run: Run, permit: list[dict[str, Any]], refuse: dict[str, str]) -> Run:
    """Let a waiting run go on: with the calls that were signed, and those refused by id with the person's reason."""
    run = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    move(
        run,
        to=Run.State.READY,
        expected=[Run.State.WAITING],
        permitted_calls=[*run.permitted_calls, *permit],
        refused_calls={**run.refused_calls, **refuse},
    )
    queue.enqueue("run.advance", run.pk)
    return run


@joined
def run_retry(*, run: Run) -> Run:
    """Let a failed or interrupted run go on from its last saved step; one that failed gets its limits anew.

    One that has ended or waits for a person by now is looked at again, for its job to be told.
    """
    run = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    if run.state not in (Run.State.READY, Run.State.DONE, Run.State.WAITING):
        taken = run.steps.count()
        move(run, to=Run.State.READY, expected=[Run.State.FAILED], error="", finished_at=None, limits_from=taken)
    queue.enqueue("run.advance", run.pk)
    return run


@joined
def run_stop(*, run: Run) -> None:
    """Raise the stop flag; whoever works at the run sees it within 250 ms. A waiting run ends at once."""
    Run.objects.filter(pk=run.pk).update(stop_requested=True)
    Run.objects.filter(pk=run.pk, state=Run.State.WAITING).update(
        state=Run.State.STOPPED, finished_at=timezone.now(), draft=""
    )
    queue.enqueue("run.advance", run.pk)


@joined
def run_give_up(*, run: Run, error: str) -> Run:
    """End a ready run that nobody works at any more; a retry goes on from its last saved step. Raises StateConflict
    where it is not ready. The epoch grows: a worker that wakes up after this can write nothing."""
    run = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    move(
        run,
        to=Run.State.FAILED,
        expected=[Run.State.READY],
        error=error,
        draft="",
        finished_at=timezone.now(),
        lease_owner="",
        lease_expires_at=None,
        lease_epoch=run.lease_epoch + 1,
    )
    return run
