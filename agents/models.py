"""Durable runs: a list of steps, each saved before the next begins."""

from django.db import models
from django.db.models import Q

from budget.models import LedgerEntry
from common.lease import Leased
from tools.models import ToolExecution


class Run(Leased):
    """One piece of work of a model with tools. The conversation is its opening and its steps, nothing else."""

    class State(models.TextChoices):
        READY = "ready", "Ready"
        WAITING = "waiting", "Waiting for a person"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    OPEN = (State.READY, State.WAITING)

    job_ref = models.CharField(max_length=30, blank=True, db_index=True)
    thread_ref = models.CharField(max_length=30, blank=True)
    person_ref = models.CharField(max_length=30, blank=True)
    scope = models.CharField(max_length=12, default="reactive")
    state = models.CharField(max_length=10, choices=State, default=State.READY)
    opening = models.JSONField(default=list, help_text="The messages that the conversation begins with.")
    permitted_calls = models.JSONField(default=list, help_text="The exact calls that a person has signed.")
    refused_calls = models.JSONField(default=dict, help_text="Calls that a person refused, by id, with his reason.")
    tainted_by = models.TextField(
        blank=True, help_text="The first text of outsiders that it has read; from then on it asks before it acts."
    )
    named_hosts = models.JSONField(
        default=list, blank=True, help_text="The hosts that the person named in his own words."
    )
    limits_from = models.PositiveIntegerField(
        default=0, help_text="The step after which the limits count: each retry starts them anew."
    )
    stop_requested = models.BooleanField(default=False)
    draft = models.TextField(blank=True, help_text="What the model is writing now.")
    answer = models.TextField(blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["ready", "waiting"], finished_at__isnull=True)
                | Q(state__in=["done", "failed", "stopped"], finished_at__isnull=False),
                name="a_finished_run_says_when",
            ),
        ]
        indexes = [
            # What the sweep looks at.
            models.Index(fields=["lease_expires_at"], name="run_ready", condition=Q(state="ready")),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Run {self.pk} of {self.job_ref}"

    @property
    def ref(self) -> str:
        return f"run:{self.pk}"


class Step(models.Model):
    """A model's turn or a tool's answer. Written once, by the epoch that held the lease."""

    class Kind(models.TextChoices):
        MODEL = "model", "Model"
        TOOL = "tool", "Tool"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField()
    epoch = models.PositiveIntegerField()
    kind = models.CharField(max_length=6, choices=Kind)
    content = models.JSONField(help_text="The content blocks, as they stand in the conversation.")
    stop_reason = models.CharField(max_length=40, blank=True)
    ledger_entry = models.ForeignKey(LedgerEntry, null=True, blank=True, on_delete=models.PROTECT)
    execution = models.ForeignKey(ToolExecution, null=True, blank=True, on_delete=models.PROTECT)
    tokens = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # Two workers that both believe to hold the run can't both write its next step.
            models.UniqueConstraint(fields=["run", "number"], name="one_step_a_number"),
            # One call of a tool is answered once.
            models.UniqueConstraint(fields=["execution"], name="one_step_an_execution"),
        ]
        ordering = ["run", "number"]

    def __str__(self) -> str:
        return f"{self.run_id}.{self.number} {self.kind}"
