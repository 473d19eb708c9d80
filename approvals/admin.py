"""What waits for an answer, and what was answered by whom and where."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from approvals.models import Approval
from approvals.panels import card, revisions
from approvals.services import ASK, EDIT, TALK, approval_decide
from common.admin import CockpitAdmin, link_column, page_of, state_column
from common.dialogs import Dialog, RadioWidget, TextWidget, act, actor_of, dialog
from common.panels import Panel

VIA = "admin"
NOTES = {EDIT: "What to change, or the answer to a question", ASK: "Your question"}
SAID = {EDIT: "passed on", ASK: "asked; the answer is shown on the job's page"}


class AnswerDialog(Dialog):
    """The card as it was shown, its choices, and a note for whoever asked."""

    choice = forms.ChoiceField(label="Your answer", widget=RadioWidget)
    note = forms.CharField(required=False, widget=TextWidget(attrs={"rows": 2}), max_length=2000)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.approval = Approval.objects.filter(pk=self.object_id).first()
        choices = [(word, label) for word, label in self.approval.choices] if self.approval else []
        field = self.fields["choice"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
        pressed = self.request.GET.get("choice", "")
        if pressed in dict(choices):  # a button of the front page has said it already
            field.initial, field.widget, self.submit_text = pressed, forms.HiddenInput(), dict(choices)[pressed]
            self.fields["note"].label = NOTES.get(pressed, "Note, if you like")
        elif any(word in TALK for word, _ in choices):
            self.fields["note"].help_text = "Needed for what ends in “…”: there is no next message here to say it with."

    def clean(self) -> dict[str, Any]:
        """A chat waits for the next message after “Change…”; the admin has none, so the words are needed at once."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("choice") in TALK and not given.get("note", "").strip():
            self.add_error("note", "Write it here: it goes along with your answer.")
        return given

    def render_before_template(self) -> str:
        shown = self.approval.card if self.approval else {}
        title = str(self.approval or "This card is gone.")
        return render_to_string("admin/card.html", {"title": title, "text": shown.get("text", "")})


@page_of(Approval, label="approval")
class ApprovalAdmin(CockpitAdmin):
    empty_text = "Nothing was asked yet. Ask for something in the chat, and its plan comes here before it is done."
    list_display = (
        "id",
        "title",
        state_column(),
        "kind",
        link_column("subject"),
        "revision",
        "created_at",
        "expires_at",
        link_column("decided_by"),
        "decided_via",
    )
    list_filter = ("state", "kind")
    search_fields = ("=subject", "title")
    actions_detail = ("decide",)
    applies_to = {"decide": (Approval.State.PENDING,)}

    @dialog("Answer", submit="Answer", form=AnswerDialog, icon="how_to_reg")
    def decide(self, request: HttpRequest, form: AnswerDialog, object_id: str) -> HttpResponse:
        asked = form.approval
        assert asked is not None  # without a card the form has no choice, so it is never valid
        choice = form.cleaned_data["choice"]
        return act(
            request,
            lambda: approval_decide(
                approval_id=asked.pk,
                revision=asked.revision,
                choice=choice,
                actor=actor_of(request),
                via=VIA,
                note=form.cleaned_data["note"],
            ),
            done=f"{asked.title}: {SAID.get(choice, dict(asked.choices)[choice])}.",
        )

    def panels(self, request: HttpRequest, row: Approval) -> list[Panel]:
        return [card(row), revisions(row.subject)]
