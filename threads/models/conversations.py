"""Where it is said, and what was said."""

from django.db import models
from django.db.models import Q

from threads.models.people import Person


class Policy(models.TextChoices):
    """When a plan card is asked for; rules about single calls hold under each of them."""

    EVERY_JOB = "every_job", "Every job"
    ACTIONS = "actions", "Only jobs that act"
    RISKY = "risky", "Only risky calls"


class Thread(models.Model):
    """One conversation: a chat, or one topic of a forum."""

    class Kind(models.TextChoices):
        PRIVATE = "private", "Private"
        GROUP = "group", "Group"

    channel = models.CharField(max_length=20)
    address = models.CharField(max_length=64, help_text="The channel's own id of the chat.")
    topic = models.CharField(max_length=32, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PRIVATE)
    title = models.CharField(max_length=200, blank=True)
    policy = models.CharField(
        max_length=12, choices=Policy, blank=True, help_text="Empty: the APPROVAL_POLICY setting."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # Two first messages of a chat at once must not open two threads.
            models.UniqueConstraint(fields=["channel", "address", "topic"], name="one_thread_a_chat_and_topic"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title or f"{self.channel} {self.address}"

    @property
    def ref(self) -> str:
        return f"thread:{self.pk}"


class Message(models.Model):
    """What was said in a thread, by a person or by the agent."""

    class Role(models.TextChoices):
        USER = "user", "User"
        ASSISTANT = "assistant", "Agent"

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    role = models.CharField(max_length=10, choices=Role)
    person = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL)
    external_id = models.CharField(max_length=64, blank=True, help_text="The channel's own id of the message.")
    reply_to = models.CharField(max_length=64, blank=True, help_text="The channel's id of the message replied to.")
    text = models.TextField(blank=True)
    payload = models.JSONField(default=dict, blank=True)
    said_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    job_ref = models.CharField(max_length=30, blank=True, help_text="The job that made this answer.")
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="When something must have been said about it; empty: nothing is owed."
    )
    reminders = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often its sender was told that it takes longer."
    )

    class Meta:
        constraints = [
            # The same message delivered twice by the channel is stored once.
            models.UniqueConstraint(
                fields=["thread", "external_id"],
                condition=Q(role="user") & ~Q(external_id=""),
                name="one_message_an_external_id",
            ),
            # A run that is finished twice answers once.
            models.UniqueConstraint(
                fields=["job_ref"], condition=Q(role="assistant") & ~Q(job_ref=""), name="one_answer_a_job"
            ),
        ]
        indexes = [
            models.Index(fields=["thread", "-id"], name="message_history"),
            # "Who has heard nothing for too long", asked by each sweep.
            models.Index(fields=["due_at"], name="message_due", condition=Q(due_at__isnull=False)),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:60]}"


class MessageRevision(models.Model):
    """The text that a message had before it was edited."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="revisions")
    text = models.TextField(blank=True)
    replaced_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.text[:60]


class Artifact(models.Model):
    """A file that came with a message: what is known of it. Its content is not fetched yet, and the state says so."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        PROCESSING = "processing", "Processing"
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="artifacts")
    kind = models.CharField(max_length=20)
    external_id = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=255, blank=True)
    mime_type = models.CharField(max_length=100, blank=True)
    size = models.BigIntegerField(null=True, blank=True, help_text="Bytes.")
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()
