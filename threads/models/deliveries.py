"""What is to be said."""

from django.db import models
from django.db.models import Q

from approvals.models import Approval
from threads.models.conversations import Message, Thread


class Delivery(models.Model):
    """Something to be said, written in the transaction that caused it."""

    class Kind(models.TextChoices):
        SEND = "send", "Send"
        EDIT = "edit", "Edit"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        UNKNOWN = "unknown", "Unknown"
        FAILED = "failed", "Failed"
        SUPERSEDED = "superseded", "Superseded"

    class Purpose(models.TextChoices):
        """What may be left out of a stale backlog: progress and notices, never an answer or a card."""

        ANSWER = "answer", "Answer or card"
        NOTICE = "notice", "Notice"
        PROGRESS = "progress", "Progress"

    OPEN = (State.QUEUED, State.SENDING, State.UNKNOWN)

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.SEND)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    purpose = models.CharField(max_length=8, choices=Purpose, default=Purpose.ANSWER, db_default=Purpose.ANSWER)
    text = models.TextField()
    buttons = models.JSONField(default=list, blank=True, help_text="Pairs of word and label.")
    approval = models.ForeignKey(Approval, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries")
    message = models.ForeignKey(Message, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries")
    edits = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="edited_by")
    job_ref = models.CharField(max_length=30, blank=True, db_index=True)
    external_id = models.CharField(max_length=64, blank=True, help_text="The channel's id of what was sent.")
    attempts = models.PositiveIntegerField(default=0)
    unknown_sends = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Attempts that were cut off: each may have arrived."
    )
    repeated = models.BooleanField(default=False, help_text="Sent again because the first outcome was unknown.")
    copy_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, db_index=False, related_name="copies"
    )
    not_before = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sending_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # An edit names what it edits, a send does not.
            models.CheckConstraint(
                condition=Q(kind="edit", edits__isnull=False) | Q(kind="send", edits__isnull=True),
                name="an_edit_names_its_send",
            ),
            # A failed delivery that two people send again at once is sent again once. Also finds a failure's copy.
            models.UniqueConstraint(
                fields=["copy_of"], condition=Q(copy_of__isnull=False), name="one_copy_a_failed_delivery"
            ),
        ]
        indexes = [
            # The head of each chat's queue, asked for by every tick of the sender.
            models.Index(
                fields=["thread", "id"],
                name="delivery_open",
                condition=Q(state__in=["queued", "sending", "unknown"]),
            ),
            # The web chat's page of a thread, and the dead letters.
            models.Index(fields=["thread", "-id"], name="delivery_history"),
            models.Index(fields=["-id"], name="delivery_failed", condition=Q(state="failed")),
        ]
        verbose_name_plural = "deliveries"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}: {self.text[:60]}"


class SendBucket(models.Model):
    """A token bucket, kept as one time: when it will be full again (the generic cell rate algorithm)."""

    channel = models.CharField(max_length=20)
    key = models.CharField(max_length=80)
    full_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "key"], name="one_bucket_a_key")]

    def __str__(self) -> str:
        return f"{self.channel} {self.key}"
