from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("threads", "0001_people_threads_messages_deliveries")]
    operations: ClassVar = []
