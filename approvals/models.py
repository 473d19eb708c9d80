from django.db import models
from django.db.models import Q


class Approval(models.Model):
    """One question to a person, bound to one revision of what is asked about."""

    class Kind(models.TextChoices):
        PLAN = "plan", "Plan"
        TOOL = "tool", "Tool call"
        RETRY = "retry", "Retry"
        QUESTION = "question", "Question"

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        SUPERSEDED = "superseded", "Superseded"
        EXPIRED = "expired", "Expired"

    class Talk(models.TextChoices):
        """Choices that decide nothing yet: a person's words follow."""

        EDIT = "edit", "A change"
        ASK = "ask", "A question"

    kind = models.CharField(max_length=20, choices=Kind)
    subject = models.CharField(max_length=60, help_text="The row asked about, such as job:12.")
    revision = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    title = models.CharField(max_length=200)
    card = models.JSONField(default=dict, help_text="What was shown: text, and the exact calls that a yes permits.")
    choices = models.JSONField(default=list, help_text="Pairs of word and label, in the order of the buttons.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=60, blank=True)
    decided_via = models.CharField(max_length=20, blank=True)
    decision = models.CharField(max_length=20, blank=True)
    note = models.TextField(blank=True)
    listening = models.CharField(
        max_length=10, blank=True, choices=Talk, help_text="What the next message of the listener is about this card."
    )
    listener = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [
            # Two askers at once, or an answer racing a new question: one open question a subject.
            models.UniqueConstraint(
                fields=["subject"], condition=Q(state="pending"), name="one_pending_approval_a_subject"
            ),
            # A button names subject and revision; it must never mean two cards.
            models.UniqueConstraint(fields=["subject", "revision"], name="one_approval_a_revision"),
            # A decision has a time and an author, and only a decision has them.
            models.CheckConstraint(
                condition=(Q(state__in=["approved", "rejected"], decided_at__isnull=False) & ~Q(decided_by=""))
                | (~Q(state__in=["approved", "rejected"]) & Q(decision="")),
                name="a_decision_is_signed",
            ),
        ]
        indexes = [
            # "What waits", "what has lapsed": front page and sweep.
            models.Index(fields=["expires_at"], name="approval_pending", condition=Q(state="pending")),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.subject}, revision {self.revision}"
