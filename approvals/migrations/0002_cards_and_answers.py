from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("approvals", "0001_approvals")]
    operations: ClassVar = []
