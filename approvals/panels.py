"""What the pages of approvals, and of what they are about, show of them."""

from django.http import HttpRequest

from approvals.models import Approval
from common.admin import label_link, row_link
from common.panels import Block, Panel, badge, data, moment, panel, text


def card(row: Approval) -> Panel:
    """A card as it was shown, with the calls that a yes permits."""
    shown = [
        Block(heading="As it was shown", facts=[f"revision {row.revision}"], body=[text(row.card.get("text", ""))])
    ]
    if calls := row.card.get("calls"):
        shown.append(Block(heading="A yes permits exactly these calls", body=[data(calls)]))
    if row.note:
        shown.append(Block(heading="Note", facts=[label_link(row.decided_by)], body=[text(row.note)]))
    return Panel(title="Card", empty="", blocks=shown)


@panel("job", place=30)
def approvals_of_job(request: HttpRequest, ref: str) -> Panel:
    """Every revision of what was asked about a job."""
    return revisions(ref)


def revisions(subject: str) -> Panel:
    """Each question about a subject, with its decision, by whom and where."""
    rows = Approval.objects.filter(subject=subject).order_by("-revision")[:50]
    return Panel(
        title="Approvals",
        empty="Nobody was asked anything about this.",
        headers=["Revision", "Kind", "State", "Asked", "Answer", "By", "Where", "When", "Note"],
        rows=[
            [
                row_link(row, f"{row.revision}"),
                row.get_kind_display(),
                badge(row.state, row.get_state_display()),
                moment(row.created_at),
                dict(row.choices).get(row.decision, row.decision) or "-",
                label_link(row.decided_by),
                row.decided_via or "-",
                moment(row.decided_at),
                row.note or "-",
            ]
            for row in rows
        ],
    )
