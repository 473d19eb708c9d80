"""The rules of the gate: the owner's own, his standing permissions, and those of the gate as they were seeded."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from common.admin import CockpitAdmin, link_column, page_of, state_column
from common.dialogs import Dialog, TextWidget, act, act_on_each, actor_of, dialog
from ops import audit
from tools.models import Match, Origin, ToolRule
from tools.standing import standing_revoke

MATCHER = ("decision", "tool", "match", "pattern", "arguments")
LIMITS = ("scope", "scope_ref", "expires_at", "max_uses", "active", "reason")


class ArgumentsField(forms.JSONField):
    """Empty where there are none, not “null”."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


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
    formfield_overrides: ClassVar = {
        models.JSONField: {"form_class": ArgumentsField, "widget": TextWidget(attrs={"rows": 2})}
    }
    actions_detail = ("revoke",)
    actions = ("revoke_selected",)

    def applies(self, name: str, row: ToolRule) -> bool:
        return row.active and row.origin == Origin.STANDING

    @dialog(
        "Revoke",
        submit="Revoke",
        description="What this standing permission lets through is asked about again from now on.",
        icon="block",
        danger=True,
    )
    def revoke(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        verb = partial(standing_revoke, rule_id=int(object_id), by=actor_of(request))
        return act(request, verb, done="The standing permission is revoked.")

    @admin.action(description="Revoke standing permissions", permissions=["act"])
    def revoke_selected(self, request: HttpRequest, rows: QuerySet[ToolRule]) -> None:
        each, by = rows.filter(origin=Origin.STANDING, active=True).order_by("pk"), actor_of(request)
        act_on_each(request, each, lambda row: standing_revoke(rule_id=row.pk, by=by), done="Permissions revoked")

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
