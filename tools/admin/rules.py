"""The rules of the gate: the owner's own, his standing permissions, and those of the gate as they were seeded."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from common.admin import CockpitAdmin, link_column, page_of, state_column
from common.dialogs import actor_of
from ops import audit
from tools.models import Match, Origin, ToolRule

MATCHER = ("decision", "tool", "match", "pattern", "arguments")
LIMITS = ("scope", "scope_ref", "expires_at", "max_uses", "active", "reason")


@page_of(ToolRule, label="rule")
class ToolRuleAdmin(CockpitAdmin):
    """A rule holds from the next verdict on. What it is about is written once; later only its decision and limits."""

    list_display = (
        "id",
        state_column("decision"),
        "tool",
        "what",
        link_column("scope_ref"),
        "expires_at",
        "used",
        "origin",
        "active",
    )
    list_filter = ("decision", "origin", "active", "match")
    search_fields = ("pattern", "reason", "=scope_ref")
    ordering = ("-id",)
    editable = ("decision", *LIMITS)
    owner_only = True
    record = staticmethod(audit.record)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_act_permission(request)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return [*MATCHER, *LIMITS] if obj is None else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        if obj is None:
            return []
        builtin = isinstance(obj, ToolRule) and obj.match == Match.BUILTIN
        fixed: Sequence[str] = ("scope", "scope_ref", "expires_at", "max_uses") if builtin else ()
        return [*super().get_readonly_fields(request, obj), *fixed]

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "match":  # the gate's own are there already
            kwargs["choices"] = [choice for choice in Match.choices if choice[0] != Match.BUILTIN]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ToolRule, form: Any, change: bool) -> None:
        if not change:
            obj.created_by, obj.origin = actor_of(request), Origin.OWNER
        super().save_model(request, obj, form, change)

    @admin.display(description="what")
    def what(self, row: ToolRule) -> str:
        return row.reason if row.match == Match.BUILTIN else row.pattern or f"{row.get_match_display()}"

    @admin.display(description="used")
    def used(self, row: ToolRule) -> str:
        return f"{row.uses} of {row.max_uses}" if row.max_uses is not None else str(row.uses)
