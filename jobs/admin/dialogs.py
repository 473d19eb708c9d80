"""What the buttons of a job ask before they act."""

from typing import Any

from django import forms
from django.template.loader import render_to_string

from approvals.models import Approval
from common.dialogs import Dialog, LineWidget, TextWidget
from jobs.selectors import approval_waiting, job_of


class ApproveDialog(Dialog):
    """The card that the job waits with; the answer is bound to it, even if another one has come meanwhile."""

    card = forms.IntegerField(widget=forms.HiddenInput)
    note = forms.CharField(required=False, widget=TextWidget(attrs={"rows": 2}), max_length=2000)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.approval = self._shown()
        self.fields["card"].initial = self.approval.pk if self.approval else 0

    def _shown(self) -> Approval | None:
        job = job_of(str(self.object_id))
        if self.is_bound:
            card = str(self.data.get("card", ""))
            return Approval.objects.filter(pk=int(card), subject=job.ref).first() if card.isdecimal() else None
        return approval_waiting(job)

    def render_before_template(self) -> str:
        card = self.approval.card if self.approval else {}
        title = "" if self.approval else "This job waits for no answer any more."
        return render_to_string("admin/card.html", {"title": title, "text": card.get("text", "")})


class CancelDialog(Dialog):
    reason = forms.CharField(
        max_length=300, required=False, widget=LineWidget, help_text="Told to nobody, kept with the job."
    )
