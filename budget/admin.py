"""Prices and limits can be edited; reservations and the ledger are a record, and only shown."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from budget import prices
from budget.models import LedgerEntry, Limit, Price, Reservation


class RecordAdmin(ModelAdmin):  # type: ignore[misc]
    """Shown, never edited: history stays."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Price)
class PriceAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ["model", "valid_from", "valid_to", "input", "output", "cache_write_5m", "cache_read", "source"]
    list_filter = ["model"]
    search_fields = ["model"]

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        prices.forget()


@admin.register(Limit)
class LimitAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ["name", "unit", "scope", "amount", "enabled", "day", "used", "reserved"]
    readonly_fields = ["day", "used", "reserved", "created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Limit | None = None) -> list[str]:
        # What a limit counts must not change under its counters.
        return [*self.readonly_fields, "name", "unit", "scope"] if obj else [*self.readonly_fields]

    def save_model(self, request: HttpRequest, obj: Limit, form: Any, change: bool) -> None:
        # Only what was edited is written: the counters move while the page is open.
        if change:
            obj.save(update_fields=[name for name in form.changed_data if name in {"amount", "enabled"}])
            return
        obj.day = prices.today()
        obj.save()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Reservation)
class ReservationAdmin(RecordAdmin):
    list_display = ["id", "state", "scope", "model", "tokens_bound", "usd_bound", "job_ref", "created_at", "expires_at"]
    list_filter = ["state", "scope", "model"]
    search_fields = ["job_ref", "thread_ref"]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(RecordAdmin):
    list_display = [
        "id", "created_at", "outcome", "scope", "purpose", "model", "input_tokens", "output_tokens",
        "cache_read_tokens", "cost", "job_ref", "thread_ref", "latency_ms",
    ]  # fmt: skip
    list_filter = ["outcome", "scope", "purpose", "model", "day"]
    search_fields = ["job_ref", "thread_ref", "request_id"]
    date_hierarchy = "created_at"

    @admin.display(description="USD", ordering="cost_usd")
    def cost(self, entry: LedgerEntry) -> str:
        return "unknown" if entry.cost_usd is None else f"{entry.cost_usd:.6f}"
