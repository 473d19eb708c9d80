from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from tools.models.executions import Decision


class Match(models.TextChoices):
    BUILTIN = "builtin", "a rule of the gate itself"
    PROGRAM = "program", "a program with its words"
    ARGUMENTS = "arguments", "exactly these arguments"
    PATH = "path", "a folder or file"
    HOST = "host", "a host of the network"
    TOOL = "tool", "every call of the tool"


class Scope(models.TextChoices):
    EVERYWHERE = "everywhere"
    THREAD = "thread"
    JOB = "job"
    PERSON = "person"


class Origin(models.TextChoices):
    SEEDED = "seeded"
    OWNER = "owner"
    STANDING = "standing"


class ToolRule(models.Model):
    """What the owner wants allowed, asked or denied, over the gate's own rules. A standing permission is one too."""

    decision = models.CharField(max_length=10, choices=Decision, help_text="of several rules the strictest counts")
    tool = models.CharField(
        max_length=100, default="*", help_text="shell, file_write, http_request …; * at the end stands for anything"
    )
    match = models.CharField(max_length=10, choices=Match, help_text="what of a call the pattern is compared with")
    pattern = models.CharField(
        max_length=500,
        blank=True,
        help_text=(
            "program: its words, * for any one, … at the end for any further (“systemctl restart nginx”, “npm run …”); "
            "path: a folder or file and all below it; host: a name, *.name for those below it, after the methods if "
            "others than GET and HEAD are meant (“POST api.example.com”)"
        ),
    )
    arguments = models.JSONField(null=True, blank=True, help_text="for exact arguments: all of them")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.EVERYWHERE)
    scope_ref = models.CharField(max_length=40, blank=True, help_text="thread:3, job:12 or person:4; empty: everywhere")
    expires_at = models.DateTimeField(null=True, blank=True)
    max_uses = models.PositiveIntegerField(null=True, blank=True, help_text="empty: any number of times")
    uses = models.PositiveIntegerField(default=0)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.OWNER)
    active = models.BooleanField(default=True)
    reason = models.TextField(blank=True, help_text="shown to whoever asks why")
    created_by = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints: ClassVar = [
            # Two workers use the last of a permission's uses at once: the second update must find none left.
            models.CheckConstraint(
                condition=Q(max_uses__isnull=True) | Q(uses__lte=F("max_uses")), name="tool_rule_uses_within_bounds"
            ),
            # A permission meant for one thread must not come to hold everywhere because its label was lost.
            models.CheckConstraint(
                condition=Q(scope=Scope.EVERYWHERE, scope_ref="") | (~Q(scope=Scope.EVERYWHERE) & ~Q(scope_ref="")),
                name="tool_rule_scope_has_its_label",
            ),
            # What was permitted on a card ends by itself.
            models.CheckConstraint(
                condition=~Q(origin=Origin.STANDING) | Q(expires_at__isnull=False), name="tool_rule_standing_expires"
            ),
            # Seeding again finds the row there.
            models.UniqueConstraint(
                fields=["pattern"], condition=Q(match=Match.BUILTIN), name="tool_rule_one_row_a_builtin"
            ),
        ]
        indexes: ClassVar = [
            # Each verdict reads all the rules that are in force.
            models.Index(fields=["id"], condition=Q(active=True), name="tool_rule_active"),
        ]

    def __str__(self) -> str:
        return f"{self.decision} {self.tool} {self.pattern}".strip()

    def clean(self) -> None:
        """Refuses, in words, what would not work or be dangerous. The admin calls it."""
        from tools.rule_checks import check_rule

        check_rule(self)

    @classmethod
    def in_force(cls) -> "models.QuerySet[ToolRule]":
        """Those that are active, not expired and not used up; times by the database's clock."""
        alive = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
        return cls.objects.filter(alive, Q(max_uses__isnull=True) | Q(uses__lt=F("max_uses")), active=True)
