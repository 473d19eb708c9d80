from typing import ClassVar

from django.db import models
from django.db.models import Q


class KeptState(models.TextChoices):
    OPEN = "open"
    KEPT = "kept"
    RESTORED = "restored"
    PRUNED = "pruned"
    IMPOSSIBLE = "impossible"


class Kept(models.Model):
    """What a change took away, kept so that it can be undone. `is_undo`: the change was itself an undo."""

    state = models.CharField(max_length=10, choices=KeptState, default=KeptState.KEPT)
    size = models.BigIntegerField(default=0, help_text="bytes")
    is_undo = models.BooleanField("by an undo", default=False)
    note = models.TextField(blank=True)
    job_ref = models.CharField(max_length=40, blank=True)
    run_ref = models.CharField(max_length=40, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    restored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class TrashItem(Kept):
    """What a file tool deleted or overwrote, or that it made a file."""

    class Kind(models.TextChoices):
        DELETED = "deleted"
        OVERWRITTEN = "overwritten"
        CREATED = "created"

    kind = models.CharField(max_length=12, choices=Kind)
    path = models.TextField()
    sha256 = models.CharField(max_length=64, blank=True, help_text="of what is kept")
    left_sha256 = models.CharField("sha256 left", max_length=64, blank=True, help_text="of what the tool left there")
    kept_as = models.CharField(max_length=100, blank=True, help_text="under trash/ of the data folder")

    class Meta:
        indexes: ClassVar = [
            # /undo looks for a job's last change that can be taken back.
            models.Index(fields=["job_ref", "id"], condition=Q(state="kept"), name="trash_of_job"),
            # Pruning goes by age, over what still takes room.
            models.Index(fields=["made_at"], condition=Q(state="kept"), name="trash_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.path}"


class Snapshot(Kept):
    """The workspace as it was before a command that might change it; its files lie under snapshots/ of the data."""

    command = models.TextField()
    level = models.CharField(max_length=10)
    files = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(null=True, blank=True, help_text="files; empty while the command runs")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["job_ref", "id"], condition=Q(state__in=["kept", "open"]), name="snapshot_of_job"),
            models.Index(fields=["made_at"], condition=Q(state__in=["kept", "open"]), name="snapshot_by_age"),
        ]

    def __str__(self) -> str:
        return f"before {self.command[:60]}"
