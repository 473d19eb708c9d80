"""What may be left out of a backlog, what was sent again as what, and when a message must have been answered by."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

PURPOSES = [("answer", "Answer or card"), ("notice", "Notice"), ("progress", "Progress")]
STATES = [
    ("queued", "Queued"),
    ("sending", "Sending"),
    ("sent", "Sent"),
    ("unknown", "Unknown"),
    ("failed", "Failed"),
    ("superseded", "Superseded"),
]


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("threads", "0001_people_threads_messages_deliveries"),
    ]
    operations: ClassVar = [
        migrations.AddField(
            model_name="delivery",
            name="copy_of",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="copies",
                to="threads.delivery",
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="purpose",
            field=models.CharField(choices=PURPOSES, db_default="answer", default="answer", max_length=8),
        ),
        migrations.AddField(
            model_name="delivery",
            name="unknown_sends",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Attempts that were cut off: each may have arrived."
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="due_at",
            field=models.DateTimeField(
                blank=True, help_text="When something must have been said about it; empty: nothing is owed.", null=True
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="reminders",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="How often its sender was told that it takes longer."
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.CharField(choices=STATES, default="queued", max_length=12),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=Q(("due_at__isnull", False)), fields=["due_at"], name="message_due"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                condition=Q(("copy_of__isnull", False)), fields=("copy_of",), name="one_copy_a_failed_delivery"
            ),
        ),
    ]
