"""Updates that failed can be tried again: how often that was done, and when."""

from typing import ClassVar

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies: ClassVar = [("telegram_bridge", "0001_telegram_updates")]
    operations: ClassVar = [
        migrations.AddField(
            model_name="telegramupdate",
            name="attempts",
            field=models.PositiveSmallIntegerField(db_default=1, default=1, help_text="Tries to handle it."),
        ),
        migrations.AddField(
            model_name="telegramupdate",
            name="tried_at",
            field=models.DateTimeField(blank=True, help_text="When it was last tried again.", null=True),
        ),
        migrations.AddIndex(
            model_name="telegramupdate",
            index=models.Index(condition=Q(("state", "stored")), fields=["received_at"], name="update_stranded"),
        ),
    ]
