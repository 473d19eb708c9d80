from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("ops", "0001_switches_heartbeats_notices_audit")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="Outage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("began_at", models.DateTimeField(unique=True)),
                ("ended_at", models.DateTimeField()),
                (
                    "digested_at",
                    models.DateTimeField(blank=True, help_text="When the master was told what happened.", null=True),
                ),
            ],
            options={"ordering": ["-began_at"]},
        ),
        migrations.CreateModel(
            name="Connection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                (
                    "host",
                    models.CharField(
                        blank=True, help_text="Empty: of the whole system, not of one host.", max_length=100
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("connected", "Connected"), ("degraded", "Degraded"), ("down", "Down")],
                        default="connected",
                        max_length=10,
                    ),
                ),
                ("since", models.DateTimeField(help_text="When it came into this state.")),
                (
                    "failing_since",
                    models.DateTimeField(blank=True, help_text="The first failure after the last success.", null=True),
                ),
                ("last_ok_at", models.DateTimeField(blank=True, null=True)),
                ("failures", models.IntegerField(default=0, help_text="In a row.")),
                ("last_error", models.TextField(blank=True)),
                ("next_try_at", models.DateTimeField(blank=True, null=True)),
                (
                    "told_at",
                    models.DateTimeField(blank=True, help_text="When the master was told that it is down.", null=True),
                ),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("seen_at", models.DateTimeField(help_text="When its host last said anything about it.")),
            ],
            options={
                "ordering": ["name", "host"],
                "constraints": [models.UniqueConstraint(fields=("name", "host"), name="one_row_a_connection")],
            },
        ),
    ]
