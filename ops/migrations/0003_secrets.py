from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("ops", "0002_connections")]
    operations: ClassVar = []
