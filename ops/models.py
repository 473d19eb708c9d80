from django.db import models


class Switch(models.Model):
    """Something that a person turned on or off for the whole product; no row means off."""

    class Name(models.TextChoices):
        FREEZE = "freeze", "Freeze: no model and no tool call"
        PAUSE = "pause", "Pause: no proactive work"

    name = models.CharField(max_length=20, choices=Name, unique=True)
    on = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True)
    changed_by = models.CharField(max_length=60, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "switches"

    def __str__(self) -> str:
        return f"{self.name}: {'on' if self.on else 'off'}"


class Heartbeat(models.Model):
    """The two stamps of a process: alive (it runs) and progressed (it got something done)."""

    name = models.CharField(max_length=60)
    host = models.CharField(max_length=100)
    pid = models.IntegerField()
    started_at = models.DateTimeField()
    alive_at = models.DateTimeField()
    progressed_at = models.DateTimeField(null=True, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            # A process beats into one row, however often it is restarted.
            models.UniqueConstraint(fields=["name", "host"], name="one_heartbeat_a_process"),
        ]
        ordering = ["host", "name"]

    def __str__(self) -> str:
        return f"{self.name}@{self.host}"


class Notice(models.Model):
    """Something that the master ought to know; threads carries it to him."""

    class Severity(models.TextChoices):
        INFO = "info", "Information"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.INFO)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    carried_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # "What has not been told yet", asked by each sweep.
            models.Index(fields=["id"], name="notice_not_carried", condition=models.Q(carried_at__isnull=True)),
            models.Index(fields=["kind", "key", "-created_at"], name="notice_cooldown"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text[:60]}"


class AuditEvent(models.Model):
    """A decision: who, what, about which row, when. Never changed."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=60)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=60, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [models.Index(fields=["subject"], name="audit_by_subject")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject}"
