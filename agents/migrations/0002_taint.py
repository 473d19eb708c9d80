from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("agents", "0001_runs_and_steps")]
    operations: ClassVar = [
        migrations.AddField(
            model_name="run",
            name="tainted_by",
            field=models.TextField(
                blank=True,
                default="",
                help_text="The first text of outsiders that it has read; from then on it asks before it acts.",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="run",
            name="named_hosts",
            field=models.JSONField(
                blank=True, default=list, help_text="The hosts that the person named in his own words."
            ),
        ),
    ]
