from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("agents", "0001_runs_and_steps")]
    operations: ClassVar = []
