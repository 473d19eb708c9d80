"""The rows around a job that are rarely looked at by themselves: its moves, its messages, what was asked about it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from common.admin import CockpitAdmin, link_column, page_of, row_link, state_column
from common.panels import Panel, badge
from common.text import shorten
from jobs.models import JobEvent, JobMessage, Question
from jobs.panels import question_shown, question_state


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


@page_of(Question, label="question")
class QuestionAdmin(CockpitAdmin):
    """What was asked with “Ask…” before a card was decided."""

    list_display = ("id", "asks", "answer_state", "job_link", "card_link", "asked_at", "answered_at", "attempts")
    list_select_related = ("job", "approval", "message")
    search_fields = ("message__text",)
    ordering = ("-id",)
    empty_text = "Nobody has asked about a card. “Ask…” on a card does, and leaves it open."

    def facts(self) -> list[Any]:
        return ["job_link", "card_link", "answer_state", *map(self._column, ("asked_at", "answered_at")), "attempts"]

    def panels(self, request: HttpRequest, row: Question) -> list[Panel]:
        return [Panel(title="Question and answer", empty="", blocks=question_shown(row))]

    @admin.display(description="question")
    def asks(self, row: Question) -> str:
        return shorten(row.message.text, 120)

    @admin.display(description="answer", ordering="answered_at")
    def answer_state(self, row: Question) -> str:
        return badge(*question_state(row))

    @admin.display(description="job", ordering="job_id")
    def job_link(self, row: Question) -> str:
        return row_link(row.job, f"job {row.job_id}")

    @admin.display(description="card", ordering="approval_id")
    def card_link(self, row: Question) -> str:
        return row_link(row.approval, f"card {row.approval_id}")
