from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tools", "0003_trash_and_snapshots")]
    operations: ClassVar = []
