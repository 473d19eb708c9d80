"""The list of jobs and the page of one, with the buttons that fit its state."""

from typing import Any

from django.contrib import admin
from django.db.models import CharField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest, HttpResponse

from approvals.models import Approval
from approvals.services import approval_decide
from budget.models import LedgerEntry
from common.admin import CockpitAdmin, page_of, row_link, state_column
from common.dead_letters_admin import causes_panel, dead_filter, retry_all, retry_all_dialog, with_causes
from common.dialogs import Dialog, act, act_on_each, actor_of, dialog
from common.panels import Panel, panels_of, usd
from jobs.admin.dialogs import ApproveDialog, CancelDialog
from jobs.dead_letters import PILE
from jobs.errors import IllegalMove
from jobs.models import Job
from jobs.selectors import approval_waiting, job_of
from jobs.services.end import job_cancel, job_give_up, job_retry
from jobs.services.recover import job_reopen
from jobs.states import OPEN, State

VIA = "admin"


@page_of(Job, label="job")
class JobAdmin(CockpitAdmin):
    empty_text = "Nothing was asked for yet. Each request in a chat becomes a job."
    list_display = ("id", "what", state_column(), "thread_link", "person", "origin", "created_at", "moved_at", "cost")
    list_display_links = ("id", "what")
    list_filter = ("state", "origin", dead_filter(PILE))
    list_before_template = "admin/panels.html"
    list_select_related = ("thread", "person", "run")
    search_fields = ("=id", "summary", "thread__title")
    actions = ("approve_selected", "cancel_selected", "retry_selected", "give_up_selected", "reopen_selected")
    actions_detail = ("approve", "cancel", "retry", "give_up", "reopen")
    actions_list = ("retry_all",)
    applies_to = {
        "approve": (State.AWAITING,),
        "cancel": OPEN,
        "retry": (State.FAILED,),
        "give_up": (State.FAILED,),
        "reopen": (State.EXPIRED,),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        rows: QuerySet[Job] = super().get_queryset(request)
        ref = Concat(Value("job:"), Cast(OuterRef("pk"), CharField()), output_field=CharField())
        # The empty label is excluded so that the partial index serves.
        entries = LedgerEntry.objects.exclude(job_ref="").filter(job_ref=ref).order_by().values("job_ref")
        return rows.annotate(cost_usd=Subquery(entries.annotate(sum=Sum("cost_usd")).values("sum")))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        empty = "No job has failed and waits for you."
        return with_causes(super().changelist_view, request, extra_context, lambda: causes_panel(PILE, empty=empty))

    def facts(self) -> list[Any]:
        first = ("state", "summary", "thread", "person", "intent", "origin", "run", "attempts", "cause")
        times = ("created_at", "moved_at", "not_before", "finished_at")
        return [*(self._line(self.model._meta.get_field(name)) for name in (*first, *times)), "cost"]

    def panels(self, request: HttpRequest, row: Job) -> list[Panel]:
        return panels_of(request, row.ref)

    @admin.display(description="summary", ordering="summary")
    def what(self, row: Job) -> str:
        return row.summary or "not understood yet"

    @admin.display(description="thread", ordering="thread_id")
    def thread_link(self, row: Job) -> str:
        return row_link(row.thread)

    @admin.display(description="cost", ordering="cost_usd")
    def cost(self, row: Job) -> str:
        spent = getattr(row, "cost_usd", None)
        return "-" if spent is None else usd(spent)

    @dialog("Approve", submit="Approve", form=ApproveDialog, icon="check")
    def approve(self, request: HttpRequest, form: ApproveDialog, object_id: str) -> HttpResponse:
        note = form.cleaned_data["note"]
        done = f"Job {object_id} goes on."
        return act(request, lambda: _say_yes(form.approval, actor=actor_of(request), note=note), done=done)

    @dialog(
        "Cancel",
        submit="Cancel the job",
        description="Its model call and its tools end within seconds.",
        form=CancelDialog,
        icon="close",
        danger=True,
    )
    def cancel(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        job, reason = job_of(object_id), form.cleaned_data["reason"]
        verb = _cancel(actor_of(request), reason)
        return act(request, lambda: verb(job), done=f"Job {job.pk} is cancelled.")

    @dialog(
        "Retry",
        submit="Retry",
        description="It is queued again; its run goes on from its last saved step.",
        icon="replay",
    )
    def retry(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        job, actor = job_of(object_id), actor_of(request)
        return act(request, lambda: job_retry(job, actor=actor), done=f"Job {job.pk} is queued again.")

    @dialog(
        "Leave it",
        submit="Leave it as it is",
        description="It is given up for good, and can't be retried any more.",
        icon="block",
    )
    def give_up(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        job, actor = job_of(object_id), actor_of(request)
        return act(request, lambda: job_give_up(job, actor=actor), done=f"Job {job.pk} is left as it is.")

    @dialog(
        "Retry all that failed",
        submit="Retry them",
        description="The oldest first; each goes on from its last saved step.",
        form=retry_all_dialog(PILE),
        icon="replay",
    )
    def retry_all(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        return retry_all(request, PILE)

    @dialog("Reopen", submit="Reopen", description="A new card asks about it again.", icon="undo")
    def reopen(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        job, actor = job_of(object_id), actor_of(request)
        return act(request, lambda: job_reopen(job, actor=actor), done=f"Job {job.pk} asks again.")

    @admin.action(description="Approve those that wait", permissions=["act"])
    def approve_selected(self, request: HttpRequest, rows: QuerySet[Job]) -> None:
        actor = actor_of(request)
        each = rows.filter(state=State.AWAITING).order_by("pk")
        act_on_each(
            request, each, lambda job: _say_yes(approval_waiting(job), actor=actor, note=""), done="Jobs approved"
        )

    @admin.action(description="Cancel those that are open", permissions=["act"])
    def cancel_selected(self, request: HttpRequest, rows: QuerySet[Job]) -> None:
        each = rows.filter(state__in=OPEN).order_by("pk")
        act_on_each(request, each, _cancel(actor_of(request), ""), done="Jobs cancelled")

    @admin.action(description="Retry those that failed", permissions=["act"])
    def retry_selected(self, request: HttpRequest, rows: QuerySet[Job]) -> None:
        actor = actor_of(request)
        each = rows.filter(state=State.FAILED).order_by("pk")
        act_on_each(request, each, lambda job: job_retry(job, actor=actor), done="Jobs queued again")

    @admin.action(description="Leave those that failed as they are", permissions=["act"])
    def give_up_selected(self, request: HttpRequest, rows: QuerySet[Job]) -> None:
        actor = actor_of(request)
        each = rows.filter(state=State.FAILED).order_by("pk")
        act_on_each(request, each, lambda job: job_give_up(job, actor=actor), done="Jobs left as they are")

    @admin.action(description="Reopen those that expired", permissions=["act"])
    def reopen_selected(self, request: HttpRequest, rows: QuerySet[Job]) -> None:
        actor = actor_of(request)
        each = rows.filter(state=State.EXPIRED).order_by("pk")
        act_on_each(request, each, lambda job: job_reopen(job, actor=actor), done="Jobs that ask again")


def _say_yes(card: Approval | None, *, actor: str, note: str) -> Approval:
    """The first choice of a card is the one that lets the job go on."""
    if card is None:
        raise IllegalMove("This job waits for no answer.")
    choice = card.choices[0][0]
    return approval_decide(approval_id=card.pk, revision=card.revision, choice=choice, actor=actor, via=VIA, note=note)


def _cancel(actor: str, reason: str) -> Any:
    return lambda job: job_cancel(job, actor=actor, reason=reason or "Cancelled in the admin.")
