"""What Telegram sent, as it came."""

from django.contrib import admin
from django.http import HttpRequest

from common.admin import CockpitAdmin, page_of, row_link, state_column
from common.panels import Block, Panel, data, text
from telegram_bridge.models import TelegramUpdate


@page_of(TelegramUpdate, label="update")
class TelegramUpdateAdmin(CockpitAdmin):
    list_display = ("id", "update_id", "kind", state_column(), "message_link", "received_at")
    list_display_links = ("id", "update_id")
    list_filter = ("state",)
    list_select_related = ("message",)
    search_fields = ("=update_id", "=kind")

    @admin.display(description="message")
    def message_link(self, row: TelegramUpdate) -> str:
        return row_link(row.message)

    def panels(self, request: HttpRequest, row: TelegramUpdate) -> list[Panel]:
        failed = [Block(heading="Why it failed", body=[text(row.error)], tone="bad")] if row.error else []
        payload = Block(heading="Payload", facts=[f"update {row.update_id}"], body=[data(row.payload)])
        return [Panel(title="As Telegram sent it", empty="", blocks=[*failed, payload])]
