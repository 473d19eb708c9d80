"""Every tool call with its decision and its outcome."""

from django.contrib import admin

from common.admin import CockpitAdmin, link_column, page_of, state_column
from tools.models import ToolExecution
from tools.panels import arguments_shown, seconds_shown


@page_of(ToolExecution, label="execution")
class ToolExecutionAdmin(CockpitAdmin):
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
    list_filter = ("state", "decision")
    search_fields = ("=job_ref", "=run_ref", "=call_id", "name")
    ordering = ("-id",)

    @admin.display(description="arguments")
    def what(self, row: ToolExecution) -> str:
        return arguments_shown(row)

    @admin.display(description="took", ordering="duration")
    def seconds(self, row: ToolExecution) -> str:
        return seconds_shown(row)
