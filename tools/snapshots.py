"""The workspace before a command that might change it, and the way back.

Taken before each command that may write. Cheap when little has changed: contents are kept once, and files untouched
since the last snapshot are not read again. Taking back touches only what the command changed, and none of that which
has been changed again since: then both are kept.
"""

import contextlib
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from common.text import redact, shorten
from ops.audit import record
from tools.confinement.capture import OUTPUTS
from tools.errors import ToolProblem
from tools.keeping import store
from tools.keeping.back import Outcome, take_back
from tools.keeping.tree import FILE, TooLargeError, Tree, changes, scan
from tools.models import KeptState, Snapshot

MOST_FILES = 20_000
KEPT_FOR = timedelta(days=14)
KEPT_AT_MOST = 50
STORE_FACTOR = 5
"""How many times a snapshot's bound the store of all of them may hold."""
OPEN_STATES = (KeptState.KEPT, KeptState.OPEN)


class CannotUndo(ToolProblem):
    """This can't be undone any more."""


def forecast(workspace: Path) -> str:
    """A sentence for the card: whether what the command does to the workspace will be undoable."""
    try:
        _scan(workspace)
    except TooLargeError:
        return f"{_too_large()} What it does there can't be undone."
    return "What it does to the workspace can be undone: /undo."


def snapshot_take(
    *, workspace: Path, command: str, level: str, job_ref: str = "", run_ref: str = "", is_undo: bool = False
) -> Snapshot:
    """Keeps the workspace as it is; the row is IMPOSSIBLE when it is too large."""
    shown = redact(shorten(command.replace("\0", "�").encode(errors="replace").decode(), 500))
    row = Snapshot(command=shown, level=level, job_ref=job_ref, run_ref=run_ref)
    row.state, row.is_undo = KeptState.OPEN, is_undo
    try:
        _keep(row, workspace)
    except TooLargeError:
        row.state, row.note = KeptState.IMPOSSIBLE, _too_large()
        row.save()
    except OSError as error:  # a full disk must not keep anybody from working
        row.state, row.note = KeptState.IMPOSSIBLE, f"No snapshot could be made: {error.strerror}."
        row.save()
    return row


def _keep(row: Snapshot, workspace: Path) -> None:
    tree = _scan(workspace)
    with store.locked(exclusive=False):
        tree = store.kept(workspace, tree, _latest())
        files = [entry for entry in tree.values() if entry.kind == FILE]
        row.files, row.size = len(files), sum(entry.size for entry in files)
        row.save()
        store.tree_write(str(row.pk), tree)


def snapshot_close(row: Snapshot, *, workspace: Path) -> int:
    """After the command: notes what changed, in files, and drops a snapshot that nothing needs. The number of them."""
    if row.state != KeptState.OPEN:
        return 0
    before = store.tree_read(str(row.pk))
    # What can't be noted is found again when it is taken back, by comparing with then.
    with contextlib.suppress(TooLargeError, OSError), store.locked(exclusive=False):
        found = changes(before, _scan(workspace, factor=STORE_FACTOR))
        if not found:
            store.forget(str(row.pk))
            row.delete()
            return 0
        store.changes_write(f"{row.pk}-changes", found)
        row.changed = len(found)
    row.state = KeptState.KEPT
    row.save(update_fields=["state", "changed"])
    return row.changed or 0


def snapshot_restore(row: Snapshot, *, workspace: Path, actor: str) -> str:
    """Takes back what the command changed; what was done in words. Raises CannotUndo. Can itself be taken back."""
    # Two presses at once: one of them takes it.
    mine = Snapshot.objects.filter(pk=row.pk, state__in=OPEN_STATES)
    if not mine.update(state=KeptState.RESTORED, restored_at=timezone.now()):
        row.refresh_from_db()
        raise CannotUndo(f"This is {row.get_state_display().lower()} already.")
    try:
        note = _restore(row, workspace)
    except BaseException:
        Snapshot.objects.filter(pk=row.pk).update(state=KeptState.KEPT, restored_at=None)
        raise
    with transaction.atomic():
        Snapshot.objects.filter(pk=row.pk).update(note=note)
        record(actor=actor, action="snapshot restored", subject=f"snapshot:{row.pk}", detail={"outcome": note})
    return note


def _restore(row: Snapshot, workspace: Path) -> str:
    """Takes back, between two looks at the workspace: so that this can be taken back in its turn."""
    again = snapshot_take(
        workspace=workspace,
        command=f"undo of: {row.command}",
        level=row.level,
        job_ref=row.job_ref,
        run_ref=row.run_ref,
        is_undo=not row.is_undo,
    )
    if again.state == KeptState.IMPOSSIBLE:
        raise CannotUndo(f"{again.note} Undoing could lose files: make room, or raise SNAPSHOT_MAX_MB.")
    outcome = _take_back(row, workspace)
    snapshot_close(again, workspace=workspace)
    return outcome.text()


def snapshot_prune() -> int:
    """Forgets the oldest beyond an age, a number and a size; says so in their rows. Returns how many."""
    rows = Snapshot.objects.filter(state__in=OPEN_STATES).order_by("-pk")
    pruned = _prune(rows.filter(made_at__lt=timezone.now() - KEPT_FOR), "It was too old to be kept.")
    pruned += _prune(rows[KEPT_AT_MOST:], "There were too many newer ones.")
    while store.clear_away() > STORE_FACTOR * _bytes() and (oldest := rows.last()) is not None:
        pruned += _prune([oldest], "Newer ones needed its room.")
    return pruned


def _prune(rows: Iterable[Snapshot], why: str) -> int:
    found = list(rows)
    for row in found:
        Snapshot.objects.filter(pk=row.pk, state__in=OPEN_STATES).update(state=KeptState.PRUNED, note=why)
        store.forget(str(row.pk), f"{row.pk}-changes")
    return len(found)


def _bytes() -> int:
    return int(settings.SNAPSHOT_MAX_MB) * 1024**2


def _scan(workspace: Path, factor: int = 1) -> Tree:
    return scan(workspace, skip=(OUTPUTS,), most_files=factor * MOST_FILES, most_bytes=factor * _bytes())


def _too_large() -> str:
    return (
        f"The workspace holds more than {settings.SNAPSHOT_MAX_MB} MB or {MOST_FILES:,} files: no snapshot is possible."
    )


def _latest() -> Tree:
    """The list of the last snapshot that has one."""
    row = Snapshot.objects.filter(state__in=OPEN_STATES).order_by("-pk").only("pk").first()
    return store.tree_read(str(row.pk)) if row is not None else {}


def _take_back(row: Snapshot, workspace: Path) -> Outcome:
    found = store.changes_read(f"{row.pk}-changes")
    if found is None:  # its end was not seen: all that is different now counts as its doing
        found = changes(store.tree_read(str(row.pk)), _scan(workspace, factor=STORE_FACTOR))
    return take_back(found, workspace=workspace, suffix=f".before-{row.pk}")
