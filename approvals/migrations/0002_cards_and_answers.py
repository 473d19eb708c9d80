from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("approvals", "0001_approvals")]
    operations: ClassVar = [
        migrations.AddField(
            model_name="approval",
            name="listening",
            field=models.CharField(
                blank=True,
                choices=[("edit", "A change"), ("ask", "A question")],
                default="",
                help_text="What the next message of the listener is about this card.",
                max_length=10,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="approval",
            name="listener",
            field=models.CharField(blank=True, default="", max_length=60),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="approval",
            name="kind",
            field=models.CharField(
                choices=[("plan", "Plan"), ("tool", "Tool call"), ("retry", "Retry"), ("question", "Question")],
                max_length=20,
            ),
        ),
    ]
