from typing import ClassVar

from django.db import models


class Decision(models.TextChoices):
    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class ExecutionState(models.TextChoices):
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    STOPPED = "stopped"
    ASKED = "asked", "Waits for an answer"


class ToolExecution(models.Model):
    """One tool call: committed as started before its effect, settled once afterwards, never changed again."""

    run_ref = models.CharField(max_length=40)
    call_id = models.CharField(max_length=200)
    name = models.CharField(max_length=100)
    arguments = models.JSONField(default=dict)
    decision = models.CharField(max_length=10, choices=Decision, blank=True)
    rule = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=ExecutionState, default=ExecutionState.STARTED)
    output = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    truncated = models.BooleanField(default=False)
    epoch = models.BigIntegerField(default=0, help_text="the lease of the run that wrote this row last")
    pid = models.PositiveIntegerField(null=True, blank=True)
    pid_started = models.FloatField(null=True, blank=True, help_text="seconds since 1970")
    host = models.CharField(max_length=255, blank=True)
    job_ref = models.CharField(max_length=40, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    duration = models.FloatField(null=True, blank=True, help_text="seconds")

    class Meta:
        constraints: ClassVar = [
            # A worker that was taken over and its successor both start the call: the second insert must fail, so that
            # the effect happens once. Also the index of the look-up on resume.
            models.UniqueConstraint(fields=["run_ref", "call_id"], name="tool_execution_once_per_call"),
        ]
        indexes: ClassVar = [
            # The job's page and /stop list what a job has done, in order.
            models.Index(fields=["job_ref", "id"], name="tool_execution_of_job"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"
