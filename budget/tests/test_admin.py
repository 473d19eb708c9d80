"""Limits and prices are the owner's."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from budget.models import Limit, Price
from ops.models import AuditEvent

pytestmark = pytest.mark.django_db


def change(limit: Limit) -> str:
    return reverse("admin:budget_limit_change", args=[limit.pk])


def test_the_owner_sets_a_limit_but_not_its_counters(superuser, client):
    limit = Limit.objects.get(name="daily_cost_usd")
    client.force_login(superuser)
    client.post(change(limit), {"amount": "5", "enabled": "on", "used": "-100"})
    limit.refresh_from_db()
    assert (limit.amount, limit.used) == (Decimal(5), Decimal(0))
    assert AuditEvent.objects.get().action == "limit changed"


def test_the_owner_adds_a_limit_that_begins_today(superuser, client):
    client.force_login(superuser)
    data = {"name": "tokens_a_day", "unit": "tokens", "scope": "all", "amount": "1000", "enabled": "on"}
    client.post(reverse("admin:budget_limit_add"), data)
    assert Limit.objects.get(name="tokens_a_day").amount == 1000


def test_an_operator_edits_neither_limits_nor_prices(client, django_user_model):
    operator = django_user_model.objects.create_user("operator", is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label="budget"))
    client.force_login(operator)
    limit = Limit.objects.get(name="daily_cost_usd")
    assert client.get(change(limit)).status_code == 200
    assert client.post(change(limit), {"amount": "5000"}).status_code == 403
    price = reverse("admin:budget_price_change", args=[Price.objects.first().pk])
    assert client.post(price, {"input": "0"}).status_code == 403
    assert client.get(reverse("admin:budget_price_add")).status_code == 403
