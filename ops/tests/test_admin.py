"""The switches in the admin."""

import pytest
from django.urls import reverse

from ops.models import AuditEvent
from ops.switches import is_on, switch_set

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["freeze", "pause"])
def test_a_switch_is_turned_in_its_dialog(name, superuser, client):
    client.force_login(superuser)
    client.post(reverse(f"admin:ops_switch_{name}_on"), {"_form_submitted": "on", "reason": "holidays"})
    assert is_on(name)
    assert AuditEvent.objects.get().detail == {"reason": "holidays"}
    client.post(reverse(f"admin:ops_switch_{name}_off"), {"_form_submitted": "on"})
    assert not is_on(name)


def test_only_the_other_direction_is_offered(superuser, client):
    switch_set(name="freeze", on=True, actor="user:1")
    client.force_login(superuser)
    page = client.get(reverse("admin:ops_switch_changelist")).content.decode()
    assert reverse("admin:ops_switch_freeze_off") in page
    assert reverse("admin:ops_switch_freeze_on") not in page
    assert reverse("admin:ops_switch_pause_on") in page
