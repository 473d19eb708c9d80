"""Who speaks."""

from django.conf import settings
from django.db import models


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
