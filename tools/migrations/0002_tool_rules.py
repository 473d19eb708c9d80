from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tools", "0001_tool_execution")]
    operations: ClassVar = []
