from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("ops", "0002_connections")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="Secret",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.SlugField(help_text="How calls name it: {{secret:name}}.", max_length=60, unique=True),
                ),
                ("ciphertext", models.BinaryField(editable=False)),
                (
                    "hosts",
                    models.JSONField(
                        default=list,
                        help_text="The only hosts it may be sent to. A name that begins with a dot stands for all "
                        "below.",
                    ),
                ),
                ("created_by", models.CharField(blank=True, max_length=60)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("uses", models.PositiveIntegerField(default=0)),
            ],
            options={"ordering": ["name"]},
        ),
    ]
