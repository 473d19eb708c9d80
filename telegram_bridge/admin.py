"""What Telegram sent, as it came; what could not be handled can be tried again."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from common.admin import CockpitAdmin, page_of, row_link, state_column
from common.dead_letters_admin import causes_panel, dead_filter, retry_all, retry_all_dialog, with_causes
from common.dialogs import Dialog, act, act_on_each, actor_of, dialog
from common.panels import Block, Panel, data, text
from common.text import shorten
from telegram_bridge.dead_letters import PILE, update_retry
from telegram_bridge.models import TelegramUpdate


@page_of(TelegramUpdate, label="update")
class TelegramUpdateAdmin(CockpitAdmin):
    empty_text = "Nothing came from Telegram yet. Set TELEGRAM_BOT_TOKEN in .env to be reached by it."
    list_display = ("id", "update_id", "kind", state_column(), "message_link", "attempts", "reason", "received_at")
    list_display_links = ("id", "update_id")
    list_filter = ("state", dead_filter(PILE))
    list_before_template = "admin/panels.html"
    list_select_related = ("message",)
    search_fields = ("=update_id", "=kind")
    actions = ("retry_selected",)
    actions_list = ("retry_all",)
    actions_detail = ("retry",)
    applies_to = {"retry": (TelegramUpdate.State.FAILED,)}

    @admin.display(description="message")
    def message_link(self, row: TelegramUpdate) -> str:
        return row_link(row.message)

    @admin.display(description="reason", ordering="error")
    def reason(self, row: TelegramUpdate) -> str:
        return shorten(row.error, 120) or "-"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        empty = "No dead letters: whatever has come in was understood."
        return with_causes(super().changelist_view, request, extra_context, lambda: causes_panel(PILE, empty=empty))

    def panels(self, request: HttpRequest, row: TelegramUpdate) -> list[Panel]:
        failed = [Block(heading="Why it failed", body=[text(row.error)], tone="bad")] if row.error else []
        payload = Block(heading="Payload", facts=[f"update {row.update_id}"], body=[data(row.payload)])
        return [Panel(title="As Telegram sent it", empty="", blocks=[*failed, payload])]

    @dialog(
        "Try again", submit="Try again", description="It is handled from its payload, as it was stored.", icon="replay"
    )
    def retry(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        row = TelegramUpdate.objects.get(pk=object_id)
        done = f"Update {row.update_id} is handled."
        return act(request, lambda: update_retry(update=row, actor=actor_of(request)), done=done)

    @dialog(
        "Try all dead letters again",
        submit="Try them again",
        description="Each is handled from its payload, the oldest first.",
        form=retry_all_dialog(PILE),
        icon="replay",
    )
    def retry_all(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        return retry_all(request, PILE)

    @admin.action(description="Try the failed ones again", permissions=["act"])
    def retry_selected(self, request: HttpRequest, rows: QuerySet[TelegramUpdate]) -> None:
        failed, actor = rows.filter(state=TelegramUpdate.State.FAILED).order_by("pk"), actor_of(request)
        act_on_each(
            request, failed, lambda row: update_retry(update=row, actor=actor), done="Failed updates handled now"
        )
