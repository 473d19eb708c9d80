"""MCP servers that the owner has connected, the tools that they offer, and what they have asked in a call."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from tools.models.executions import Decision


class McpServer(models.Model):
    """A server of the Model Context Protocol: a command that is started here, or an address."""

    class Transport(models.TextChoices):
        STDIO = "stdio", "A command on this machine"
        HTTP = "http", "A web address"

    class Confinement(models.TextChoices):
        WORKSPACE = "workspace", "Workspace, no network"
        NET = "net", "Workspace and network"

    class State(models.TextChoices):
        NEW = "new", "Not tried yet"
        CONNECTED = "connected", "Connected"
        DEGRADED = "degraded", "Degraded"
        DOWN = "down", "Down"

    name = models.CharField(
        max_length=24,
        unique=True,
        validators=[RegexValidator(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*\Z", "Small letters, digits and hyphens.")],
        help_text="Small letters, digits and hyphens. Its tools are called name__tool.",
    )
    transport = models.CharField(max_length=5, choices=Transport, default=Transport.STDIO)
    command = models.CharField(max_length=500, blank=True, help_text="The program, such as npx; no shell reads it")
    args = models.JSONField(default=list, blank=True, help_text='A list: ["-y", "@scope/server@1.2.3", "."]')
    confinement = models.CharField(
        max_length=10,
        choices=Confinement,
        default=Confinement.WORKSPACE,
        help_text="How a command is confined. npx downloads, so it needs the network.",
    )
    readable = models.JSONField(
        default=list,
        blank=True,
        help_text='Folders that a command needs to see though they are hidden, such as ["/root/.nvm"]',
    )
    url = models.CharField(max_length=500, blank=True, help_text="https://… for a web address.")
    variables = models.JSONField(
        default=dict,
        blank=True,
        help_text="Environment variables of a command, or headers for an address. {{secret:name}} stands for a "
        'secret: {"Authorization": "Bearer {{secret:github}}"}',
    )
    inherited = models.JSONField(
        default=list, blank=True, help_text='Variables that a command gets from this service: ["npm_config_registry"]'
    )
    enabled = models.BooleanField(default=True)
    trusted = models.BooleanField(
        default=False, help_text="What an untrusted server says counts as text of strangers in the run that reads it."
    )
    call_seconds = models.PositiveSmallIntegerField(
        default=120, validators=[MinValueValidator(1), MaxValueValidator(600)], help_text="A call is ended after this."
    )
    idle_minutes = models.PositiveSmallIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text="Unused, it is closed.",
    )
    state = models.CharField(max_length=10, choices=State, default=State.NEW, editable=False)
    state_since = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="in a row")
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_check_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="empty: at once")
    protocol = models.CharField(max_length=20, blank=True, editable=False)
    version = models.CharField(max_length=120, blank=True, editable=False)

    class Meta:
        verbose_name = "MCP server"
        ordering = ["name"]
        constraints = [
            # A row that names neither can't be connected to, and says so only when it is needed.
            models.CheckConstraint(
                condition=(Q(transport="stdio") & ~Q(command="")) | (Q(transport="http") & ~Q(url="")),
                name="mcp_server_says_where",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class McpTool(models.Model):
    """A tool as its server last described it, and what the owner lets it do. A name keeps its verdict."""

    class Verdict(models.TextChoices):
        """READ is an allow that also says that the tool changes nothing: such a call is repeated after a crash."""

        ASK = "ask", "Ask"
        ALLOW = "allow", "Allow"
        READ = "read", "Allow, it only reads"
        DENY = "deny", "Deny"

        @property
        def decision(self) -> Decision:
            return Decision.ALLOW if self in (self.ALLOW, self.READ) else Decision(self.value)

    server = models.ForeignKey(McpServer, on_delete=models.CASCADE, related_name="tools")
    name = models.CharField(max_length=200, help_text="as the server calls it")
    lent_name = models.CharField(max_length=64, unique=True, help_text="as the model calls it")
    description = models.TextField(blank=True)
    input_schema = models.JSONField(default=dict)
    annotations = models.JSONField(default=dict, help_text="What the server claims of it: hints, never trusted.")
    fingerprint = models.CharField(max_length=64, help_text="of name, description, schema and annotations, uncut")
    verdict = models.CharField(max_length=5, choices=Verdict, default=Verdict.ASK)
    active = models.BooleanField(default=True, help_text="Whether the server still offers it.")
    problem = models.CharField(max_length=300, blank=True, help_text="Why the model isn't given it.")
    first_seen = models.DateTimeField(auto_now_add=True)
    last_seen = models.DateTimeField()
    changed_at = models.DateTimeField(null=True, blank=True, help_text="when its description was last changed")

    class Meta:
        verbose_name = "MCP tool"
        ordering = ["lent_name"]
        constraints = [
            # Two workers that list a server at the same time must not lend one tool twice.
            models.UniqueConstraint(fields=["server", "name"], name="mcp_tool_once_a_server"),
        ]

    def __str__(self) -> str:
        return self.lent_name


class McpQuestion(models.Model):
    """What a server wants to know from a person in order to finish a call. The call is made again with the answer."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Answered"
        DECLINED = "declined", "Declined"

    run_ref = models.CharField(max_length=40)
    call_id = models.CharField(max_length=200)
    server = models.ForeignKey(McpServer, on_delete=models.CASCADE, related_name="questions")
    number = models.PositiveSmallIntegerField(help_text="among those of its call")
    key = models.CharField(max_length=200, blank=True, help_text="the server's name of the request, if it has one")
    message = models.TextField()
    form = models.JSONField(default=dict, help_text="the JSON Schema of the answer; empty for an address to visit")
    url = models.CharField(max_length=2000, blank=True)
    request_state = models.TextField(null=True, blank=True, help_text="what the server wants to get back, unread")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    answer = models.JSONField(default=dict)
    asked_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "MCP question"
        constraints = [
            # Also the index of the look-up when the call is made again.
            models.UniqueConstraint(fields=["run_ref", "call_id", "number"], name="mcp_question_once_a_call"),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.server.name} asks in {self.run_ref}"
