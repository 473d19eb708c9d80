from typing import ClassVar

from django.db import migrations, models

# Jobs that have failed before: their error's first line says why.
CAUSES = "UPDATE jobs_job SET cause = left(split_part(error, E'\\n', 1), 200) WHERE state = 'failed'"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("jobs", "0001_jobs_and_events")]
    operations: ClassVar = [
        migrations.AddField(
            model_name="job",
            name="failures",
            field=models.JSONField(
                blank=True,
                default=dict,
                editable=False,
                help_text="Passing faults by cause, since the work last got on.",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="failing_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="failing_step",
            field=models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="What could not be done: 0 the classification, else a step of the run.",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="wait_told",
            field=models.BooleanField(
                default=False, editable=False, help_text="Whether the person knows that it waits."
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="cause",
            field=models.CharField(
                blank=True,
                help_text="Of its failure, in a few words: failures are grouped by it.",
                max_length=200,
            ),
        ),
        # Rows and an index of one table: separate transactions are not needed, its triggers are none.
        migrations.RunSQL(CAUSES, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(condition=models.Q(("state", "failed")), fields=["cause"], name="job_dead_letters"),
        ),
    ]
