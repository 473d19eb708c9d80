"""What tools took away, with the way back."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from common.admin import CockpitAdmin, link_column, page_of, state_column
from common.dialogs import Dialog, act, actor_of, dialog
from common.text import shorten
from tools import paths
from tools.models import KeptState, Snapshot, TrashItem
from tools.snapshots import snapshot_restore
from tools.trash import trash_restore


def size_shown(size: int) -> str:
    """Bytes as people read them."""
    return f"{size:,} B" if size < 10_000 else f"{size / 1024**2:,.1f} MB"


@page_of(TrashItem, label="trash")
class TrashItemAdmin(CockpitAdmin):
    empty_text = (
        "Tools have deleted and overwritten nothing yet. What they do stays here for a month, with the way back."
    )
    list_display = ("id", "where", "kind", "takes", state_column(), link_column("job_ref"), "made_at", "restored_at")
    list_filter = ("state", "kind", "is_undo")
    search_fields = ("=job_ref", "=run_ref", "path")
    ordering = ("-id",)
    actions_detail = ("restore",)
    applies_to = {"restore": (KeptState.KEPT,)}

    @admin.display(description="path", ordering="path")
    def where(self, row: TrashItem) -> str:
        return shorten(row.path, 80)

    @admin.display(description="size", ordering="size")
    def takes(self, row: TrashItem) -> str:
        return size_shown(row.size)

    @dialog(
        "Restore",
        submit="Restore",
        description="It is as before the change again. What has been changed since then is kept beside it.",
        icon="undo",
    )
    def restore(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        row = TrashItem.objects.get(pk=object_id)
        return act(request, lambda: trash_restore(row, actor=actor_of(request)), done=f"Restored: {row}.")


@page_of(Snapshot, label="snapshot")
class SnapshotAdmin(CockpitAdmin):
    empty_text = "No command has changed the workspace yet. What it was before one that does stays here for two weeks."
    list_display = (
        "id",
        "what",
        "level",
        state_column(),
        "changed",
        "files",
        "takes",
        link_column("job_ref"),
        "made_at",
        "restored_at",
    )
    list_filter = ("state", "level", "is_undo")
    search_fields = ("=job_ref", "=run_ref", "command")
    ordering = ("-id",)
    actions_detail = ("restore",)
    applies_to: dict[str, Any] = {"restore": (KeptState.KEPT, KeptState.OPEN)}

    @admin.display(description="before", ordering="command")
    def what(self, row: Snapshot) -> str:
        return shorten(row.command, 80)

    @admin.display(description="size", ordering="size")
    def takes(self, row: Snapshot) -> str:
        return size_shown(row.size)

    @dialog(
        "Restore",
        submit="Restore",
        description="Takes back what the command changed in the workspace. What has been changed since then is kept.",
        icon="undo",
    )
    def restore(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        row = Snapshot.objects.get(pk=object_id)
        workspace = paths.workspace()
        return act(
            request,
            lambda: snapshot_restore(row, workspace=workspace, actor=actor_of(request)),
            done=f"Restored: {row}.",
        )
