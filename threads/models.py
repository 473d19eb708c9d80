"""Conversations: who speaks, where, what was said, and what is to be said."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from approvals.models import Approval


class Policy(models.TextChoices):
    """When a plan card is asked for; rules about single calls hold under each of them."""

    EVERY_JOB = "every_job", "Every job"
    ACTIONS = "actions", "Only jobs that act"
    RISKY = "risky", "Only risky calls"


class Person(models.Model):
    """Somebody in one channel. Authority comes from this row, never from a chat."""

    class State(models.TextChoices):
        STRANGER = "stranger", "Stranger"
        ALLOWED = "allowed", "Allowed"
        BLOCKED = "blocked", "Blocked"

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        OPERATOR = "operator", "Operator"
        OBSERVER = "observer", "Observer"

    channel = models.CharField(max_length=20)
    external_id = models.CharField(max_length=64, help_text="The channel's own id of the person.")
    name = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.STRANGER)
    role = models.CharField(max_length=10, choices=Role, default=Role.OBSERVER)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # Two updates of a new sender at once must not make two people.
            models.UniqueConstraint(fields=["channel", "external_id"], name="one_person_an_external_id"),
        ]
        verbose_name_plural = "people"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name or f"{self.channel} {self.external_id}"

    @property
    def may_decide(self) -> bool:
        """Whether this person may start, approve and stop work."""
        return self.state == self.State.ALLOWED and self.role in (self.Role.OWNER, self.Role.OPERATOR)


class PairingRequest(models.Model):
    """A stranger wrote: the owner lets him in or blocks him."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ALLOWED = "allowed", "Allowed"
        BLOCKED = "blocked", "Blocked"

    person = models.OneToOneField(Person, on_delete=models.CASCADE)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    first_words = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.person}: {self.get_state_display().lower()}"


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
