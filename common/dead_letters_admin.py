"""Dead letters in the admin: a filter by cause, a table of causes above the list, and a dialog that retries all."""

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from common.dead_letters import Pile, causes, of_cause
from common.dialogs import Dialog, act, actor_of
from common.errors import AgentError
from common.panels import Panel, ago

ALL = "all"
PARAMETER = "dead"


def dead_filter(pile: Pile) -> type[admin.SimpleListFilter]:
    """The list's filter: all dead letters, or those of one cause."""

    class DeadLetterFilter(admin.SimpleListFilter):
        title = "dead letters"
        parameter_name = PARAMETER

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            found = causes(pile)
            total = sum(cause.count for cause in found)
            return [(ALL, f"All ({total})"), *((each.text, f"{each.text} ({each.count})") for each in found)]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            if self.value() is None:
                return queryset
            if self.value() == ALL:
                return queryset.filter(pk__in=pile.rows().order_by().values("pk"))
            return queryset.filter(pk__in=of_cause(pile, str(self.value())))

    return DeadLetterFilter


def causes_panel(pile: Pile, *, empty: str) -> Panel:
    """What stands above the list: each cause with its number, leading to its letters."""
    return Panel(
        title="Dead letters by cause",
        empty=empty,
        headers=["Cause", "Number", "Oldest", "Newest"],
        rows=[[_link(each.text), each.count, ago(each.oldest), ago(each.newest)] for each in causes(pile)],
    )


def _link(cause: str) -> str:
    return format_html('<a class="sa-link" href="?{}">{}</a>', urlencode({PARAMETER: cause}), cause)


def is_asked_for(request: HttpRequest) -> bool:
    """Whether the list shows dead letters."""
    return PARAMETER in request.GET


def retry_all_dialog(pile: Pile) -> type[Dialog]:
    """Asks before all are retried, and says how many these are."""

    class RetryAllDialog(Dialog):
        def render_before_template(self) -> str:
            found = causes(pile)
            total = sum(cause.count for cause in found)
            return cast(str, format_html("<p>{} in all, of {} causes.</p>", total, len(found)))

    return RetryAllDialog


def retry_all(request: HttpRequest, pile: Pile) -> HttpResponse:
    """Retry every letter of a pile, the oldest first, and say how many these were."""
    actor, tried, refused = actor_of(request), 0, 0
    for row in pile.rows().order_by("pk"):
        try:
            pile.retry(row, actor)
            tried += 1
        except AgentError:
            refused += 1
    return act(request, lambda: None, done=f"Tried again: {tried}. Failed once more: {refused}.")


def with_causes(view: Callable[..., HttpResponse], request: HttpRequest, extra: Any, panel: Callable[[], Panel]) -> Any:
    """A changelist's view with the table of causes above it where dead letters are asked for."""
    return view(request, {**(extra or {}), "panels": [panel()] if is_asked_for(request) else []})
