from django.db import models

from threads.models import Message


class TelegramUpdate(models.Model):
    """An update exactly as Telegram sent it, committed before it is acknowledged."""

    class State(models.TextChoices):
        STORED = "stored", "Stored"
        HANDLED = "handled", "Handled"
        IGNORED = "ignored", "Of a kind that needs no answer"
        FAILED = "failed", "Failed"

    bot_id = models.BigIntegerField()
    update_id = models.BigIntegerField()
    kind = models.CharField(max_length=40)
    payload = models.JSONField()
    state = models.CharField(max_length=8, choices=State, default=State.STORED)
    error = models.TextField(blank=True)
    sender_id = models.BigIntegerField(null=True, blank=True, help_text="Set where the sender is not allowed in.")
    message = models.ForeignKey(Message, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=1, db_default=1, help_text="Tries to handle it.")
    tried_at = models.DateTimeField(null=True, blank=True, help_text="When it was last tried again.")
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # Telegram repeats an update until it is acknowledged; it counts once.
            models.UniqueConstraint(fields=["bot_id", "update_id"], name="one_row_an_update"),
        ]
        indexes = [
            # What strangers sent: counted for the cap, and emptied after a week.
            models.Index(
                fields=["sender_id", "received_at"],
                name="update_of_stranger",
                condition=models.Q(sender_id__isnull=False),
            ),
            # The dead letters of this direction.
            models.Index(fields=["-id"], name="update_failed", condition=models.Q(state="failed")),
            # Stored and never handled: there are none unless somebody has meddled; the sweep looks.
            models.Index(fields=["received_at"], name="update_stranded", condition=models.Q(state="stored")),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.update_id}"
