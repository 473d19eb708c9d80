"""Money: what calls did cost and may cost. Limits and prices are the owner's to edit, the rest is history."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from budget import prices
from budget.limits import setting_amounts, shown
from budget.models import LedgerEntry, Limit, Price, Reservation
from common.admin import CockpitAdmin, link_column, page_of, state_column
from common.panels import usd
from ops import audit


@page_of(LedgerEntry, label="ledger")
class LedgerEntryAdmin(CockpitAdmin):
    list_display = (
        "id",
        "created_at",
        "purpose",
        "model",
        state_column("outcome"),
        "token_count",
        "cost",
        link_column("job_ref"),
        link_column("thread_ref"),
        "latency_ms",
    )
    list_filter = ("outcome", "scope")
    search_fields = ("=job_ref", "=thread_ref", "=person_ref", "=model", "=request_id")

    @admin.display(description="tokens")
    def token_count(self, row: LedgerEntry) -> str:
        return f"{row.tokens:,}"

    @admin.display(description="cost", ordering="cost_usd")
    def cost(self, row: LedgerEntry) -> str:
        return usd(row.cost_usd)


@page_of(Reservation, label="reservation")
class ReservationAdmin(CockpitAdmin):
    list_display = (
        "id",
        state_column(),
        "model",
        "tokens_bound",
        "bound",
        link_column("job_ref"),
        "created_at",
        "sent_at",
        "closed_at",
    )
    list_filter = ("state", "scope")
    search_fields = ("=job_ref", "=thread_ref", "=model")

    @admin.display(description="at most", ordering="usd_bound")
    def bound(self, row: Reservation) -> str:
        return usd(row.usd_bound)


@page_of(Limit, label="limit")
class LimitAdmin(CockpitAdmin):
    """An empty amount means the setting's; a limit is switched off rather than deleted."""

    list_display = ("name", "scope", "at_most", "used", "reserved", "unit", "day", "enabled")
    editable = ("amount", "enabled")
    owner_only = True
    record = staticmethod(audit.record)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_act_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return super().get_fields(request, obj) if obj is not None else ["name", "unit", "scope", "amount", "enabled"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return super().get_readonly_fields(request, obj) if obj is not None else []

    def save_model(self, request: HttpRequest, obj: Limit, form: Any, change: bool) -> None:
        if not change:
            obj.day = prices.today()
        super().save_model(request, obj, form, change)

    @admin.display(description="a day at most")
    def at_most(self, row: Limit) -> str:
        amount = row.amount if row.amount is not None else Decimal(setting_amounts()[row.name])
        return shown(amount, row.unit)


@page_of(Price, label="price")
class PriceAdmin(CockpitAdmin):
    """A new price is a new row from its day on; what was charged is never computed anew."""

    list_display = ("model", "valid_from", "valid_to", "input", "output", "cache_write_5m", "cache_read")
    search_fields = ("model",)
    editable = tuple(field.name for field in Price._meta.fields if not field.primary_key)
    owner_only = True
    record = staticmethod(audit.record)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_act_permission(request)

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        prices.forget()
