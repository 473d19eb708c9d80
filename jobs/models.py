"""What is being done for whom, in which state, and how it got there."""

from django.db import models
from django.db.models import Q

from agents.models import Run
from approvals.models import Approval
from common.lease import Leased
from jobs.states import OPEN, RUNNING, State
from threads.models import Message, Person, Thread


class Job(Leased):
    """From a message to an answer. The lease is that of its classification; its run has one of its own."""

    class Origin(models.TextChoices):
        REACTIVE = "reactive", "A person asked"
        PROACTIVE = "proactive", "On its own"

    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="jobs")
    person = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    messages: "models.ManyToManyField[Message, JobMessage]" = models.ManyToManyField(
        Message, through="JobMessage", related_name="jobs"
    )
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.REACTIVE)
    state = models.CharField(max_length=20, choices=State, default=State.QUEUED)
    revision = models.PositiveIntegerField(default=1, help_text="Counts the messages that joined.")
    intent = models.CharField(max_length=20, blank=True)
    summary = models.CharField(max_length=300, blank=True)
    classification = models.JSONField(default=dict, blank=True)
    approval = models.ForeignKey(Approval, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    run = models.OneToOneField(Run, null=True, blank=True, on_delete=models.PROTECT, related_name="job")
    attempts = models.PositiveIntegerField(default=0, help_text="Tries that a passing fault has cost.")
    failures = models.JSONField(
        default=dict, blank=True, editable=False, help_text="Passing faults by cause, since the work last got on."
    )
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failing_step = models.PositiveIntegerField(
        default=0, editable=False, help_text="What could not be done: 0 the classification, else a step of the run."
    )
    wait_told = models.BooleanField(default=False, editable=False, help_text="Whether the person knows that it waits.")
    not_before = models.DateTimeField(null=True, blank=True)
    cause = models.CharField(
        max_length=200, blank=True, help_text="Of its failure, in a few words: failures are grouped by it."
    )
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    moved_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # The thread's turn: two workers can't run two jobs of one thread, whatever they believe.
            models.UniqueConstraint(fields=["thread"], condition=Q(state__in=RUNNING), name="one_running_job_a_thread"),
        ]
        indexes = [
            # What blocks a thread, what the sweep looks at, what the front page shows.
            models.Index(fields=["thread", "id"], name="job_open", condition=Q(state__in=OPEN)),
            models.Index(fields=["state", "-id"], name="job_by_state"),
            # The dead letters, grouped by cause.
            models.Index(fields=["cause"], name="job_dead_letters", condition=Q(state=State.FAILED)),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Job {self.pk}" + (f": {self.summary}" if self.summary else "")

    @property
    def ref(self) -> str:
        return f"job:{self.pk}"


class JobMessage(models.Model):
    """A message that a job is to answer; each belongs to one job."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="job_messages")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="job_message")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"message {self.message_id} of job {self.job_id}"


class JobEvent(models.Model):
    """A move of a job: from where, to where, who, why. Never changed."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    from_state = models.CharField(max_length=20, choices=State, blank=True)
    to_state = models.CharField(max_length=20, choices=State)
    actor = models.CharField(max_length=60)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}"


class Question(Leased):
    """A question about an open card; its answer comes from a model, once."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="questions")
    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="questions")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="question")
    attempts = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # What the sweep looks at.
            models.Index(fields=["id"], name="question_open", condition=Q(answered_at__isnull=True)),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"question {self.pk} about job {self.job_id}"
