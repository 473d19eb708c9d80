from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("jobs", "0001_jobs_and_events")]
    operations: ClassVar = []
