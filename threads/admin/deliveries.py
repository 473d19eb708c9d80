"""What was said or is to be said; what failed can be sent again."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from common.admin import CockpitAdmin, link_column, page_of, row_link, state_column
from common.dead_letters_admin import causes_panel, dead_filter, retry_all, retry_all_dialog, with_causes
from common.dialogs import Dialog, act, act_on_each, actor_of, dialog
from common.text import shorten
from threads.dead_letters import PILE
from threads.models import Delivery
from threads.services import delivery_resend


@page_of(Delivery, label="delivery")
class DeliveryAdmin(CockpitAdmin):
    empty_text = "Nothing was said yet."
    list_display = (
        "id",
        state_column(),
        "kind",
        "thread_link",
        "words",
        link_column("job_ref"),
        "attempts",
        "repeated",
        "reason",
        "created_at",
        "sent_at",
    )
    list_filter = ("state", "kind", "purpose", dead_filter(PILE))
    list_before_template = "admin/panels.html"
    list_select_related = ("thread",)
    search_fields = ("=job_ref", "=external_id", "text")
    actions = ("resend_selected",)
    actions_detail = ("resend",)
    actions_list = ("resend_all",)
    applies_to = {"resend": (Delivery.State.FAILED,)}

    @admin.display(description="thread", ordering="thread_id")
    def thread_link(self, row: Delivery) -> str:
        return row_link(row.thread)

    @admin.display(description="text")
    def words(self, row: Delivery) -> str:
        return shorten(row.text, 80)

    @admin.display(description="reason", ordering="error")
    def reason(self, row: Delivery) -> str:
        return shorten(row.error, 120) or "-"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        empty = "No dead letters: whatever was to be said was said, or is on its way."
        return with_causes(super().changelist_view, request, extra_context, lambda: causes_panel(PILE, empty=empty))

    @dialog(
        "Send all dead letters again",
        submit="Send them again",
        description="Of each a copy is queued, the oldest first.",
        form=retry_all_dialog(PILE),
        icon="replay",
    )
    def resend_all(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        return retry_all(request, PILE)

    @dialog(
        "Send again",
        submit="Send again",
        description="A copy is queued; the failed one stays as it is.",
        icon="replay",
    )
    def resend(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        row = Delivery.objects.select_related("thread").get(pk=object_id)
        verb = lambda: delivery_resend(delivery=row, actor=actor_of(request))  # noqa: E731
        return act(request, verb, done=f"Delivery {row.pk} is queued again.")

    @admin.action(description="Send the failed ones again", permissions=["act"])
    def resend_selected(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        failed = rows.filter(state=Delivery.State.FAILED).select_related("thread").order_by("pk")
        actor = actor_of(request)
        act_on_each(
            request,
            failed,
            lambda row: delivery_resend(delivery=row, actor=actor),
            done="Failed deliveries queued again",
        )
