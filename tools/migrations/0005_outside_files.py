from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tools", "0004_mcp_servers")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="OutsideFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "path",
                    models.TextField(
                        blank=True, help_text="within the workspace; empty: anything in it may be one", unique=True
                    ),
                ),
                ("source", models.TextField(help_text="whose text it is, in words")),
                ("run_ref", models.CharField(blank=True, max_length=40)),
                ("seen_at", models.DateTimeField(auto_now=True)),
            ],
            options={"ordering": ["path"]},
        ),
    ]
