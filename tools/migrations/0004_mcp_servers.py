from typing import ClassVar

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tools", "0003_trash_and_snapshots")]
    operations: ClassVar = [
        migrations.AlterField(
            model_name="toolexecution",
            name="state",
            field=models.CharField(
                choices=[
                    ("started", "Started"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                    ("refused", "Refused"),
                    ("unknown", "Unknown"),
                    ("stopped", "Stopped"),
                    ("asked", "Waits for an answer"),
                ],
                default="started",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="McpServer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="Small letters, digits and hyphens. Its tools are called name__tool.",
                        max_length=24,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z][a-z0-9]*(-[a-z0-9]+)*\\Z", "Small letters, digits and hyphens."
                            )
                        ],
                    ),
                ),
                (
                    "transport",
                    models.CharField(
                        choices=[("stdio", "A command on this machine"), ("http", "A web address")],
                        default="stdio",
                        max_length=5,
                    ),
                ),
                (
                    "command",
                    models.CharField(
                        blank=True, help_text="The program, such as npx; no shell reads it", max_length=500
                    ),
                ),
                (
                    "args",
                    models.JSONField(blank=True, default=list, help_text='A list: ["-y", "@scope/server@1.2.3", "."]'),
                ),
                (
                    "confinement",
                    models.CharField(
                        choices=[("workspace", "Workspace, no network"), ("net", "Workspace and network")],
                        default="workspace",
                        help_text="How a command is confined. npx downloads, so it needs the network.",
                        max_length=10,
                    ),
                ),
                (
                    "readable",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text='Folders that a command needs to see though they are hidden, such as ["/root/.nvm"]',
                    ),
                ),
                ("url", models.CharField(blank=True, help_text="https://… for a web address.", max_length=500)),
                (
                    "variables",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='Environment variables of a command, or headers for an address. {{secret:name}} stands for a secret: {"Authorization": "Bearer {{secret:github}}"}',
                    ),
                ),
                (
                    "inherited",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text='Variables that a command gets from this service: ["npm_config_registry"]',
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "trusted",
                    models.BooleanField(
                        default=False,
                        help_text="What an untrusted server says counts as text of strangers in the run that reads it.",
                    ),
                ),
                (
                    "call_seconds",
                    models.PositiveSmallIntegerField(
                        default=120,
                        help_text="A call is ended after this.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(600),
                        ],
                    ),
                ),
                (
                    "idle_minutes",
                    models.PositiveSmallIntegerField(
                        default=10,
                        help_text="Unused, it is closed.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1440),
                        ],
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "Not tried yet"),
                            ("connected", "Connected"),
                            ("degraded", "Degraded"),
                            ("down", "Down"),
                        ],
                        default="new",
                        editable=False,
                        max_length=10,
                    ),
                ),
                ("state_since", models.DateTimeField(blank=True, editable=False, null=True)),
                ("last_error", models.TextField(blank=True, editable=False)),
                ("failures", models.PositiveIntegerField(default=0, editable=False, help_text="in a row")),
                ("checked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "next_check_at",
                    models.DateTimeField(blank=True, editable=False, help_text="empty: at once", null=True),
                ),
                ("protocol", models.CharField(blank=True, editable=False, max_length=20)),
                ("version", models.CharField(blank=True, editable=False, max_length=120)),
            ],
            options={
                "verbose_name": "MCP server",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("transport", "stdio"), models.Q(("command", ""), _negated=True)),
                            models.Q(("transport", "http"), models.Q(("url", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="mcp_server_says_where",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="McpQuestion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("run_ref", models.CharField(max_length=40)),
                ("call_id", models.CharField(max_length=200)),
                ("number", models.PositiveSmallIntegerField(help_text="among those of its call")),
                (
                    "key",
                    models.CharField(
                        blank=True, help_text="the server's name of the request, if it has one", max_length=200
                    ),
                ),
                ("message", models.TextField()),
                (
                    "form",
                    models.JSONField(
                        default=dict, help_text="the JSON Schema of the answer; empty for an address to visit"
                    ),
                ),
                ("url", models.CharField(blank=True, max_length=2000)),
                (
                    "request_state",
                    models.TextField(blank=True, help_text="what the server wants to get back, unread", null=True),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("accepted", "Answered"), ("declined", "Declined")],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("answer", models.JSONField(default=dict)),
                ("asked_at", models.DateTimeField(auto_now_add=True)),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
                (
                    "server",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="questions", to="tools.mcpserver"
                    ),
                ),
            ],
            options={
                "verbose_name": "MCP question",
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("run_ref", "call_id", "number"), name="mcp_question_once_a_call")
                ],
            },
        ),
        migrations.CreateModel(
            name="McpTool",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="as the server calls it", max_length=200)),
                ("lent_name", models.CharField(help_text="as the model calls it", max_length=64, unique=True)),
                ("description", models.TextField(blank=True)),
                ("input_schema", models.JSONField(default=dict)),
                (
                    "annotations",
                    models.JSONField(default=dict, help_text="What the server claims of it: hints, never trusted."),
                ),
                (
                    "fingerprint",
                    models.CharField(help_text="of name, description, schema and annotations, uncut", max_length=64),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("ask", "Ask"),
                            ("allow", "Allow"),
                            ("read", "Allow, it only reads"),
                            ("deny", "Deny"),
                        ],
                        default="ask",
                        max_length=5,
                    ),
                ),
                ("active", models.BooleanField(default=True, help_text="Whether the server still offers it.")),
                ("problem", models.CharField(blank=True, help_text="Why the model isn't given it.", max_length=300)),
                ("first_seen", models.DateTimeField(auto_now_add=True)),
                ("last_seen", models.DateTimeField()),
                (
                    "changed_at",
                    models.DateTimeField(blank=True, help_text="when its description was last changed", null=True),
                ),
                (
                    "server",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tools", to="tools.mcpserver"
                    ),
                ),
            ],
            options={
                "verbose_name": "MCP tool",
                "ordering": ["lent_name"],
                "constraints": [models.UniqueConstraint(fields=("server", "name"), name="mcp_tool_once_a_server")],
            },
        ),
    ]
