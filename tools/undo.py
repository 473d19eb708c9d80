"""Takes the last change back: of a file tool out of the trash, of a shell command out of its snapshot."""

from collections.abc import Sequence

from budget.models import LedgerEntry
from tools import paths
from tools.errors import ToolProblem
from tools.models import ExecutionState, KeptState, Snapshot, ToolExecution, TrashItem
from tools.snapshots import OPEN_STATES, snapshot_restore
from tools.trash import trash_restore

Change = TrashItem | Snapshot


class NothingToUndo(ToolProblem):
    """There is nothing to undo here."""


class StillRunning(ToolProblem):
    """A command still runs: stop it with /stop before you undo what it did."""


def jobs_of_thread(thread_ref: str) -> list[str]:
    """The labels of a thread's jobs: each that has called a tool has called a model before, which the ledger knows."""
    rows = LedgerEntry.objects.filter(thread_ref=thread_ref).exclude(job_ref="")
    return list(rows.order_by().values_list("job_ref", flat=True).distinct())


def change_undo(*, job_refs: Sequence[str], actor: str) -> str:
    """Takes back the last change of these jobs; what was done, in words. Raises NothingToUndo, StillRunning."""
    return _take_back(job_refs, actor, is_undo=False)


def change_redo(*, job_refs: Sequence[str], actor: str) -> str:
    """Takes back the last undo of these jobs."""
    return _take_back(job_refs, actor, is_undo=True)


def _take_back(job_refs: Sequence[str], actor: str, *, is_undo: bool) -> str:
    change = _last(job_refs, is_undo)
    if change is None:
        raise NothingToUndo
    if ToolExecution.objects.filter(job_ref=change.job_ref, state=ExecutionState.STARTED).exists():
        raise StillRunning
    what = f"Taken back: {change}" + (f" ({change.job_ref.replace(':', ' ')})." if change.job_ref else ".")
    if isinstance(change, TrashItem):
        return f"{what}\n{trash_restore(change, actor=actor)}"
    beyond = "\nThe command ran on the real machine: only its changes in the workspace could be taken back."
    done = snapshot_restore(change, workspace=paths.workspace(), actor=actor)
    return f"{what}\n{done}{beyond if change.level == 'host' else ''}"


def _last(job_refs: Sequence[str], is_undo: bool) -> Change | None:
    mine = {"job_ref__in": job_refs, "is_undo": is_undo}
    found: list[Change | None] = [
        TrashItem.objects.filter(state=KeptState.KEPT, **mine).order_by("-pk").first(),
        Snapshot.objects.filter(state__in=OPEN_STATES, **mine).order_by("-pk").first(),
    ]
    return max((each for each in found if each is not None), key=lambda each: each.made_at, default=None)
