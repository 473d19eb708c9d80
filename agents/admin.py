"""Runs and their steps: what the model said and did, in order, and what each turn cost."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest

from agents.models import Run, Step
from agents.panels import step_shown
from common.admin import CockpitAdmin, link_column, page_of, row_link, state_column
from common.panels import Panel


@page_of(Run, label="run")
class RunAdmin(CockpitAdmin):
    list_display = (
        "id",
        state_column(),
        link_column("job_ref"),
        link_column("thread_ref"),
        "scope",
        "step_count",
        "token_count",
        "created_at",
        "finished_at",
    )
    list_filter = ("state", "scope")
    search_fields = ("=job_ref", "=thread_ref", "=person_ref")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        rows: QuerySet[Run] = super().get_queryset(request)
        # Subqueries, so that only the runs of the page are counted.
        steps = Step.objects.filter(run=OuterRef("pk")).order_by().values("run")
        return rows.annotate(
            step_total=Subquery(steps.annotate(n=Count("pk")).values("n")),
            token_total=Subquery(steps.annotate(n=Sum("tokens")).values("n")),
        )

    @admin.display(description="steps")
    def step_count(self, row: Any) -> int:
        return int(row.step_total or 0)

    @admin.display(description="tokens")
    def token_count(self, row: Any) -> str:
        return f"{row.token_total or 0:,}"


@page_of(Step, label="step")
class StepAdmin(CockpitAdmin):
    list_display = ("id", "run_link", "number", "kind", "stop_reason", "tokens", "seconds", "created_at")
    list_filter = ("kind",)
    list_select_related = ("run",)
    search_fields = ("=run__job_ref",)
    ordering = ("-id",)

    @admin.display(description="run", ordering="run_id")
    def run_link(self, row: Step) -> str:
        return row_link(row.run, f"run {row.run_id}")

    def panels(self, request: HttpRequest, row: Step) -> list[Panel]:
        return [Panel(title="Content", empty="", blocks=[step_shown(row)])]
