"""What the pages of threads, messages and jobs show of what was said and is to be said."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from common.admin import label_link, row_link
from common.panels import Block, Panel, badge, data, moment, panel, text
from common.text import shorten
from threads.models import Artifact, Delivery, Message

A_PAGE = 25
SHOWN = 50


@panel("thread", place=10)
def messages_of_thread(request: HttpRequest, ref: str) -> Panel:
    """The newest messages, or those older than `?before=`: a page costs the same however long the thread is."""
    rows = Message.objects.filter(thread_id=int(ref.removeprefix("thread:"))).order_by("-id")
    before = request.GET.get("before", "")
    if before.isdecimal():
        rows = rows.filter(pk__lt=int(before[:18]))
    found = list(rows.select_related("person").prefetch_related("revisions", "artifacts")[: A_PAGE + 1])
    return Panel(
        title="Messages",
        empty="Nothing was said in this thread yet.",
        blocks=messages_shown(found[:A_PAGE]),
        footer=_pager(newer=bool(before), older=found[A_PAGE - 1].pk if len(found) > A_PAGE else None),
    )


def _pager(*, newer: bool, older: int | None) -> str:
    links = [("?#messages", "Newest messages")] if newer else []
    links += [(f"?before={older}#messages", "Older messages")] if older else []
    return format_html_join(" · ", '<a class="sa-link" href="{}">{}</a>', links)


def messages_shown(messages: Sequence[Message]) -> list[Block]:
    """Messages as a transcript, with their earlier texts and files."""
    return [_block(message) for message in messages]


def _block(message: Message) -> Block:
    own = message.role == Message.Role.ASSISTANT
    facts: list[object] = [moment(message.said_at), row_link(message, f"message {message.pk}")]
    if message.edited_at:
        facts.append(format_html("edited {}", moment(message.edited_at)))
    if message.job_ref:
        facts.append(label_link(message.job_ref))
    body = [text(message.text, prose=True)] if message.text else []
    body += [
        format_html('<div class="sa-dim">earlier:</div>{}', text(each.text, prose=True))
        for each in message.revisions.all()
    ]
    body += [_file(each) for each in message.artifacts.all()]
    heading = "Agent" if own else str(message.person or "User")
    return Block(heading=heading, facts=facts, body=body, tone="model" if own else "person")


def _file(artifact: Artifact) -> str:
    size = f"{artifact.size:,} bytes" if artifact.size is not None else "size unknown"
    facts = f"{artifact.get_state_display()}, {artifact.mime_type or 'type unknown'}, {size}. {artifact.error}"
    return format_html("<div>{} <span>{}</span></div>", row_link(artifact), facts)


@panel("message", place=10)
def parts_of_message(request: HttpRequest, ref: str) -> Panel:
    """A message as it stands, with its earlier texts, files and what the channel sent."""
    rows = Message.objects.filter(pk=int(ref.removeprefix("message:"))).select_related("person")
    found = list(rows.prefetch_related("revisions", "artifacts"))
    raw = [Block(heading="As the channel sent it", body=[data(row.payload)]) for row in found if row.payload]
    return Panel(title="Message", empty="This message is gone.", blocks=[*messages_shown(found), *raw])


@panel("job", place=70)
@panel("thread", place=70)
def deliveries(request: HttpRequest, ref: str) -> Panel:
    """What was told in a thread or about a job, the newest first."""
    kind, _, pk = ref.partition(":")
    rows = Delivery.objects.filter(job_ref=ref) if kind == "job" else Delivery.objects.filter(thread_id=int(pk))
    return Panel(
        title="Deliveries",
        empty="Nothing was said yet.",
        headers=["Delivery", "State", "Text", "Attempts", "Queued", "Sent", "Error"],
        rows=[_delivery(row) for row in rows.order_by("-id")[:SHOWN]],
    )


def _delivery(row: Delivery) -> list[object]:
    return [
        row_link(row, f"{row.get_kind_display()} {row.pk}"),
        badge(row.state, row.get_state_display()),
        shorten(row.text, 160),
        f"{row.attempts}{' (repeated)' if row.repeated else ''}",
        moment(row.created_at),
        moment(row.sent_at),
        text(row.error) if row.error else "-",
    ]
