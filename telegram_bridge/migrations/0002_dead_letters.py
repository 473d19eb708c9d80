from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("telegram_bridge", "0001_telegram_updates")]
    operations: ClassVar = []
