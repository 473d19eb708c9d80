"""What happens at a start, before the first process."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agent_site import boot
from ops.models import Heartbeat, Outage

pytestmark = pytest.mark.django_db


def test_the_outage_that_a_start_ends_is_kept():
    at = timezone.now() - timedelta(hours=5)
    Heartbeat.objects.create(name="bridge", host="here", pid=1, started_at=at, alive_at=at)
    boot.prepare()
    boot.prepare()
    assert Outage.objects.get().began_at == at
