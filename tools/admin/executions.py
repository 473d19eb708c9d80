"""Every tool call with its decision and its outcome."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from common.admin import CockpitAdmin, link_column, page_of, state_column
from tools.models import ExecutionState, ToolExecution
from tools.panels import arguments_shown, seconds_shown


class OutcomeUnknownFilter(admin.SimpleListFilter):
    """The calls that a crash or a takeover has interrupted, which nobody repeated: somebody may want to look."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        count = ToolExecution.objects.filter(state=ExecutionState.UNKNOWN).count()
        return [("unknown", f"Outcome unknown ({count})")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ToolExecution]) -> QuerySet[ToolExecution]:
        return queryset.filter(state=ExecutionState.UNKNOWN) if self.value() else queryset


@page_of(ToolExecution, label="execution")
class ToolExecutionAdmin(CockpitAdmin):
    empty_text = "No tool was called yet."
    list_display = (
        "id",
        "name",
        "what",
        state_column(),
        state_column("decision"),
        "exit_code",
        link_column("job_ref"),
        link_column("run_ref"),
        "started_at",
        "seconds",
    )
    list_filter = ("state", OutcomeUnknownFilter, "decision")
    search_fields = ("=job_ref", "=run_ref", "=call_id", "name")
    ordering = ("-id",)

    @admin.display(description="arguments")
    def what(self, row: ToolExecution) -> str:
        return arguments_shown(row)

    @admin.display(description="took", ordering="duration")
    def seconds(self, row: ToolExecution) -> str:
        return seconds_shown(row)
