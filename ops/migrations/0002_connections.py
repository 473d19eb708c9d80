from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("ops", "0001_switches_heartbeats_notices_audit")]
    operations: ClassVar = []
