"""What the file tools take away is kept: deleted files, earlier contents, and that a file was made at all.

The row is there before the file moves. A file moves by renaming or gets a second name, so nothing is copied, where the
trash lies on the same disk. When the trash is full the oldest goes, and its row says so.
"""

import os
import shutil
import uuid
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from ops.audit import record
from tools.errors import ToolProblem
from tools.keeping.store import sha256_of
from tools.models import KeptState, TrashItem

KEPT_FOR = timedelta(days=30)
Kind = TrashItem.Kind


class CannotRestore(ToolProblem):
    """This can't be restored any more."""


def folder() -> Path:
    """Where kept files lie; made when it is not there, closed to other users."""
    path = Path(settings.DATA_DIR) / "trash"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def trash_delete(*, path: Path, job_ref: str = "", run_ref: str = "", is_undo: bool = False) -> TrashItem:
    """Moves a file, a link (not what it leads to) or an empty folder into the trash. Raises OSError."""
    if path.is_dir() and not path.is_symlink() and any(path.iterdir()):
        raise OSError(39, "Directory not empty")
    item = _row(path, Kind.DELETED, job_ref, run_ref, is_undo)
    if item.state == KeptState.PRUNED:
        path.unlink()
    else:
        shutil.move(path, folder() / item.kept_as)
    return item


def trash_overwrite(*, path: Path, job_ref: str = "", run_ref: str = "", is_undo: bool = False) -> TrashItem:
    """Before a file is replaced or made: keeps what is there. The file itself stays; call `trash_left` afterwards."""
    if not path.exists():
        return _row(path, Kind.CREATED, job_ref, run_ref, is_undo)
    item = _row(path, Kind.OVERWRITTEN, job_ref, run_ref, is_undo)
    if item.state == KeptState.KEPT:
        _keep_as_well(path, folder() / item.kept_as)
    return item


def trash_left(item: TrashItem, *, path: Path) -> None:
    """After the change: what it left there, so that a later change is noticed."""
    item.left_sha256 = sha256_of(path)
    item.save(update_fields=["left_sha256"])


def trash_restore(item: TrashItem, *, actor: str) -> str:
    """Takes the change back; what was done, in a sentence. Raises CannotRestore. Can itself be taken back."""
    # Two presses at once: one of them takes it.
    mine = TrashItem.objects.filter(pk=item.pk, state=KeptState.KEPT)
    if not mine.update(state=KeptState.RESTORED, restored_at=timezone.now()):
        item.refresh_from_db()
        raise CannotRestore(f"{item.path} is {item.get_state_display().lower()} already. {item.note}".strip())
    try:
        note = _take_back(item)
    except BaseException:
        TrashItem.objects.filter(pk=item.pk).update(state=KeptState.KEPT, restored_at=None)
        raise
    with transaction.atomic():
        TrashItem.objects.filter(pk=item.pk).update(note=note)
        record(actor=actor, action="trash restored", subject=f"trash:{item.pk}", detail={"outcome": note})
    return note


def trash_prune() -> int:
    """Empties what is too old, and the oldest of what is too much; says so in their rows. Returns how many."""
    rows = TrashItem.objects.filter(state=KeptState.KEPT)
    pruned = _prune(rows.filter(made_at__lt=timezone.now() - KEPT_FOR), "It was too old to be kept.")
    while (rows.aggregate(total=Sum("size"))["total"] or 0) > _bytes():
        pruned += _prune(rows.exclude(size=0).order_by("pk")[:1], "Newer ones needed its room.")
    return pruned


def _prune(rows: Iterable[TrashItem], why: str) -> int:
    found = list(rows)
    for item in found:
        TrashItem.objects.filter(pk=item.pk, state=KeptState.KEPT).update(state=KeptState.PRUNED, note=why)
        _remove(folder() / item.kept_as) if item.kept_as else None
    return len(found)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bytes() -> int:
    return int(settings.TRASH_MAX_MB) * 1024**2


def _row(path: Path, kind: str, job_ref: str, run_ref: str, is_undo: bool) -> TrashItem:
    item = TrashItem(kind=kind, path=str(path), job_ref=job_ref, run_ref=run_ref, is_undo=is_undo)
    if kind != Kind.CREATED:
        item.size = path.lstat().st_size
        item.sha256 = sha256_of(path)
        item.kept_as = uuid.uuid4().hex
    if item.size > _bytes():
        item.state, item.kept_as = KeptState.PRUNED, ""
        item.note = f"It was larger than the whole trash ({settings.TRASH_MAX_MB} MB), so it was not kept."
    item.save()
    return item


def _keep_as_well(path: Path, target: Path) -> None:
    """A second name for the content, which the coming rename leaves alone; a copy where others can write to it."""
    if path.stat().st_nlink == 1 and not path.is_symlink():
        try:
            return os.link(path, target)
        except OSError:  # another disk
            pass
    shutil.copy2(path, target)


def _take_back(item: TrashItem) -> str:
    path = Path(item.path)
    if os.path.realpath(path.parent) != str(path.parent):
        raise CannotRestore(f"The folder of {item.path} leads elsewhere by now.")
    changed = _exists(path) and sha256_of(path) != item.left_sha256
    if item.kind == Kind.CREATED:
        return _unmake(item, path, changed)
    kept = folder() / item.kept_as
    if not _exists(kept):
        raise CannotRestore(f"Nothing of {item.path} is left in the trash.")
    if changed or (item.kind == Kind.DELETED and _exists(path)):
        beside = _free_name(path)
        shutil.move(kept, beside)
        return f"{path} is there, with another content: both are kept, the earlier one as {beside.name}."
    path.parent.mkdir(parents=True, exist_ok=True)
    reverse = trash_overwrite(path=path, job_ref=item.job_ref, run_ref=item.run_ref, is_undo=not item.is_undo)
    # Without a copy in between: whoever reads sees the one or the other.
    shutil.move(kept, path)
    trash_left(reverse, path=path)
    return f"{path} is as it was before."


def _unmake(item: TrashItem, path: Path, changed: bool) -> str:
    if not _exists(path):
        return f"{path} is gone already."
    if changed:
        raise CannotRestore(f"{path} has been changed since it was made, so it stays.")
    trash_delete(path=path, job_ref=item.job_ref, run_ref=item.run_ref, is_undo=not item.is_undo)
    return f"{path}, which had been made, is removed."


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.restored{number or ''}") for number in range(10_000))
    return next(name for name in names if not _exists(name))
