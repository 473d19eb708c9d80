"""The files of the workspace that hold what outsiders wrote."""

from django.http import HttpRequest, HttpResponse

from common.admin import CockpitAdmin, link_column, page_of
from common.dialogs import Dialog, act, actor_of, dialog
from tools.models import OutsideFile
from tools.outside_files import trust


@page_of(OutsideFile, label="outside_file")
class OutsideFileAdmin(CockpitAdmin):
    empty_text = (
        "No file of the workspace holds text of outsiders. One that does makes whoever reads it ask before he acts."
    )
    list_display = ("path", "source", link_column("run_ref"), "seen_at")
    search_fields = ("path", "source")
    actions_detail = ("trust",)

    @dialog(
        "Trust it",
        submit="Trust it",
        description="You have read it, and nothing in it could steer the agent: reading it makes nobody ask any more.",
        icon="verified_user",
    )
    def trust(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        row = OutsideFile.objects.get(pk=object_id)
        return act(request, lambda: trust(row, actor=actor_of(request)), done=f"{row} is trusted.")
