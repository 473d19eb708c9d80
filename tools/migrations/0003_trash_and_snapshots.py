from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tools", "0002_tool_rules")]
    operations: ClassVar = []
