"""Threads with their messages, however many."""

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from common.admin import CockpitAdmin, link_column, page_of, row_link, state_column
from common.panels import Panel, moment, panels_of
from common.text import shorten
from ops import audit
from threads.models import Artifact, Message, MessageRevision, Thread


@page_of(Thread, label="thread")
class ThreadAdmin(CockpitAdmin):
    list_display = ("id", "name", "channel", "kind", "policy", "last_words", "last_time")
    list_display_links = ("id", "name")
    list_filter = ("channel", "kind", "policy")
    search_fields = ("title", "=address")
    editable = ("policy",)
    record = staticmethod(audit.record)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Thread]:
        rows: QuerySet[Thread] = super().get_queryset(request)
        last = Message.objects.filter(thread=OuterRef("pk")).order_by("-id")
        return rows.annotate(
            last_text=Subquery(last.values("text")[:1]), last_said_at=Subquery(last.values("said_at")[:1])
        )

    @admin.display(description="title", ordering="title")
    def name(self, row: Thread) -> str:
        return str(row)

    @admin.display(description="last message")
    def last_words(self, row: Thread) -> str:
        return shorten(getattr(row, "last_text", "") or "-", 80)

    @admin.display(description="at")
    def last_time(self, row: Thread) -> str:
        return moment(getattr(row, "last_said_at", None))


@page_of(Message, label="message")
class MessageAdmin(CockpitAdmin):
    list_display = ("id", "thread_link", "role", "person", "words", "said_at", link_column("job_ref"))
    list_filter = ("role",)
    list_select_related = ("thread", "person")
    search_fields = ("text", "=external_id", "=job_ref")

    @admin.display(description="thread", ordering="thread_id")
    def thread_link(self, row: Message) -> str:
        return row_link(row.thread)

    @admin.display(description="text")
    def words(self, row: Message) -> str:
        return shorten(row.text, 100)

    def panels(self, request: HttpRequest, row: Message) -> list[Panel]:
        return panels_of(request, f"message:{row.pk}")


@page_of(MessageRevision, label="revision")
class MessageRevisionAdmin(CockpitAdmin):
    list_display = ("id", "message_link", "text", "replaced_at")
    list_select_related = ("message",)

    @admin.display(description="message", ordering="message_id")
    def message_link(self, row: MessageRevision) -> str:
        return row_link(row.message, f"message {row.message_id}")


@page_of(Artifact, label="artifact")
class ArtifactAdmin(CockpitAdmin):
    list_display = ("id", "kind", "name", "mime_type", "size", state_column(), "message_link", "created_at")
    list_filter = ("state",)
    list_select_related = ("message",)
    search_fields = ("name", "=external_id")

    @admin.display(description="message", ordering="message_id")
    def message_link(self, row: Artifact) -> str:
        return row_link(row.message, f"message {row.message_id}")
