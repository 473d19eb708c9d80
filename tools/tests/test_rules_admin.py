"""The owner writes rules in the admin; what would not work is refused in words, and each change leaves a trace."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ops.models import AuditEvent
from tools.catalogue import BUILTIN
from tools.models import Match, Origin, ToolRule

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("chief"))
    return client


def form(**fields: Any) -> dict[str, Any]:
    given = {"decision": "allow", "tool": "shell", "match": "program", "pattern": "", "scope": "everywhere"}
    return {**given, "scope_ref": "", "max_uses": "", "reason": "", "active": "on", **fields}


def add(admin: Client, **fields: Any) -> Any:
    return admin.post(reverse("admin:tools_toolrule_add"), form(**fields))


def test_a_rule_is_added_with_its_author_and_a_trace(admin: Client) -> None:
    assert add(admin, pattern="systemctl restart nginx").status_code == 302
    row = ToolRule.objects.get(match=Match.PROGRAM)
    assert (row.origin, row.created_by) == (Origin.OWNER, f"user:{User.objects.get().pk}")
    assert AuditEvent.objects.filter(subject=f"rule:{row.pk}").count() == 1


@pytest.mark.parametrize(
    "fields", [{"pattern": "bash …"}, {"match": "tool"}, {"pattern": "ls", "scope": "job"}, {"match": "builtin"}]
)
def test_what_would_not_work_is_refused(admin: Client, fields: dict[str, Any]) -> None:
    response = add(admin, **fields)
    assert response.status_code == 200
    assert response.context["errors"]
    assert not ToolRule.objects.exclude(match=Match.BUILTIN).exists()


def test_a_rule_of_the_gate_is_made_stricter_but_not_looser(admin: Client) -> None:
    for pattern, decision, kept in [("shell.read_only", "ask", "ask"), ("deny.power", "allow", "deny")]:
        row, _ = ToolRule.objects.get_or_create(
            match=Match.BUILTIN, pattern=pattern, defaults={"decision": BUILTIN[pattern].decision}
        )
        admin.post(reverse("admin:tools_toolrule_change", args=[row.pk]), {"decision": decision, "active": "on"})
        row.refresh_from_db()
        assert row.decision == kept


def test_a_permission_is_taken_back(admin: Client) -> None:
    add(admin, pattern="touch x")
    row = ToolRule.objects.get(match=Match.PROGRAM)
    changed = {name: value for name, value in form().items() if name not in ("tool", "match", "pattern", "active")}
    assert admin.post(reverse("admin:tools_toolrule_change", args=[row.pk]), changed).status_code == 302
    row.refresh_from_db()
    assert not row.active


def test_only_an_owner_may_write_rules(client: Client) -> None:
    client.force_login(User.objects.create_user("helper", is_staff=True))
    assert client.get(reverse("admin:tools_toolrule_add")).status_code == 403


def test_a_standing_permission_is_revoked_by_its_button_and_a_rule_has_none(admin: Client) -> None:
    add(admin, pattern="touch x")
    row = ToolRule.objects.get(match=Match.PROGRAM)
    page, revoke = (reverse(f"admin:tools_toolrule_{name}", args=[row.pk]) for name in ("change", "revoke"))
    assert revoke not in admin.get(page).content.decode()
    ToolRule.objects.update(origin=Origin.STANDING, expires_at=timezone.now() + timedelta(days=1))
    assert revoke in admin.get(page).content.decode()
    admin.post(revoke, {"_form_submitted": "on"})
    row.refresh_from_db()
    assert (row.active, row.revoked_by) == (False, f"user:{User.objects.get().pk}")
    assert revoke not in admin.get(page).content.decode()
