from django.db import models
from django.utils import timezone


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


class Connection(models.Model):
    """How one side of the outside world is reached from one host: since when well, or since when not."""

    class State(models.TextChoices):
        CONNECTED = "connected", "Connected"
        DEGRADED = "degraded", "Degraded"
        DOWN = "down", "Down"

    name = models.CharField(max_length=60)
    host = models.CharField(max_length=100, blank=True, help_text="Empty: of the whole system, not of one host.")
    state = models.CharField(max_length=10, choices=State, default=State.CONNECTED)
    since = models.DateTimeField(help_text="When it came into this state.")
    failing_since = models.DateTimeField(null=True, blank=True, help_text="The first failure after the last success.")
    last_ok_at = models.DateTimeField(null=True, blank=True)
    failures = models.IntegerField(default=0, help_text="In a row.")
    last_error = models.TextField(blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When the master was told that it is down.")
    detail = models.JSONField(default=dict, blank=True)
    seen_at = models.DateTimeField(help_text="When its host last said anything about it.")

    class Meta:
        constraints = [
            # Threads and processes of a host report about one and the same connection.
            models.UniqueConstraint(fields=["name", "host"], name="one_row_a_connection"),
        ]
        ordering = ["name", "host"]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

    def sentence(self) -> str:
        """What a person is told of it: since when, how often, why, and when it is tried again."""
        where = f" on {self.host}" if self.host else ""
        told = f"The connection “{self.name}”{where} is {self.state} since {self.since:%Y-%m-%d %H:%M} UTC"
        if self.state == self.State.CONNECTED:
            return f"{told}."
        left = (self.next_try_at - timezone.now()).total_seconds() if self.next_try_at else 0.0
        again = f" It is tried again in {left:.0f} s." if left >= 1 else ""
        return f"{told} ({self.failures} failures in a row): {self.last_error.rstrip('.')}.{again}"


class Outage(models.Model):
    """A time in which no process of the system was alive; found by the first one that starts after it."""

    began_at = models.DateTimeField(unique=True)  # two processes that start at once find the same one
    ended_at = models.DateTimeField()
    digested_at = models.DateTimeField(null=True, blank=True, help_text="When the master was told what happened.")

    class Meta:
        ordering = ["-began_at"]

    def __str__(self) -> str:
        return f"{self.began_at:%Y-%m-%d %H:%M} to {self.ended_at:%Y-%m-%d %H:%M}"


class Secret(models.Model):
    """A key or password that calls to the outside may carry, encrypted. Only `ops.secrets` opens it."""

    name = models.SlugField(max_length=60, unique=True, help_text="How calls name it: {{secret:name}}.")
    ciphertext = models.BinaryField(editable=False)
    hosts = models.JSONField(
        default=list, help_text="The only hosts it may be sent to. A name that begins with a dot stands for all below."
    )
    created_by = models.CharField(max_length=60, blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
