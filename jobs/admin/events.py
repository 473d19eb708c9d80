"""The rows around a job that are rarely looked at by themselves: its moves, its messages."""

from django.contrib import admin

from common.admin import CockpitAdmin, link_column, page_of, row_link, state_column
from jobs.models import JobEvent, JobMessage


@page_of(JobEvent, label="event")
class JobEventAdmin(CockpitAdmin):
    list_display = (
        "id",
        "at",
        "job_link",
        state_column("from_state"),
        state_column("to_state"),
        link_column("actor"),
        "reason",
    )
    list_filter = ("to_state",)
    list_select_related = ("job",)
    search_fields = ("=actor", "reason")
    ordering = ("-id",)

    @admin.display(description="job", ordering="job_id")
    def job_link(self, row: JobEvent) -> str:
        return row_link(row.job)


@page_of(JobMessage, label="jobmessage")
class JobMessageAdmin(CockpitAdmin):
    list_display = ("id", "job_link", "message_link")
    list_select_related = ("job", "message")
    ordering = ("-id",)

    @admin.display(description="job", ordering="job_id")
    def job_link(self, row: JobMessage) -> str:
        return row_link(row.job)

    @admin.display(description="message", ordering="message_id")
    def message_link(self, row: JobMessage) -> str:
        return row_link(row.message)
