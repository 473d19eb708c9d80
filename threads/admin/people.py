"""Who may talk to the agent, and who has asked to. Both are the owner's to decide."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from common.admin import CockpitAdmin, link_column, page_of, row_link, state_column
from common.dialogs import Dialog, SelectWidget, act, actor_of, dialog
from ops import audit
from threads.models import PairingRequest, Person
from threads.services import pairing_decide


@page_of(Person, label="person")
class PersonAdmin(CockpitAdmin):
    list_display = ("id", "name", "channel", "external_id", state_column(), "role", "user", "created_at")
    list_filter = ("state", "role")
    list_select_related = ("user",)
    search_fields = ("name", "=external_id")
    editable = ("role", "user")
    owner_only = True
    record = staticmethod(audit.record)


class AllowDialog(Dialog):
    role = forms.ChoiceField(
        choices=Person.Role.choices,
        widget=SelectWidget,
        initial=Person.Role.OPERATOR,
        help_text="An owner decides about everything, an operator about work, an observer only looks.",
    )


@page_of(PairingRequest, label="pairing")
class PairingRequestAdmin(CockpitAdmin):
    list_display = ("id", "person_link", state_column(), "first_words", "created_at", link_column("decided_by"))
    list_filter = ("state",)
    list_select_related = ("person",)
    search_fields = ("person__name", "=person__external_id")
    actions_detail = ("allow", "block")
    applies_to = {
        "allow": (PairingRequest.State.OPEN, PairingRequest.State.BLOCKED),
        "block": (PairingRequest.State.OPEN, PairingRequest.State.ALLOWED),
    }
    owner_only = True

    @admin.display(description="person", ordering="person__name")
    def person_link(self, row: PairingRequest) -> str:
        return row_link(row.person)

    @dialog(
        "Allow", submit="Allow", description="This person may talk to the agent.", form=AllowDialog, icon="person_add"
    )
    def allow(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        row = PairingRequest.objects.select_related("person").get(pk=object_id)
        role = form.cleaned_data["role"]
        return act(
            request,
            lambda: pairing_decide(request=row, allow=True, actor=actor_of(request), role=role),
            done=f"{row.person} is allowed as {role}.",
        )

    @dialog("Block", submit="Block", description="This person is no longer answered.", icon="block", danger=True)
    def block(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        row = PairingRequest.objects.select_related("person").get(pk=object_id)
        return act(
            request,
            lambda: pairing_decide(request=row, allow=False, actor=actor_of(request)),
            done=f"{row.person} is blocked.",
        )
