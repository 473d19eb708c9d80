"""The page, and the three addresses that its script talks to. Texts leave here as JSON and become text nodes there."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from approvals.errors import ApprovalStale, UnknownChoice
from common.errors import AgentError, NotPermitted
from jobs.states import State
from llm.routing import is_demo
from threads.people import person_of_user
from web_chat.channel import WEB
from web_chat.errors import Blocked, EmptyMessage, ForeignCard, MessageTooLong
from web_chat.pulse import Pulse, pulse_of, state_lines
from web_chat.services import TEXT_LIMIT, card_decide, message_send
from web_chat.timeline import Item, Page, items_since, page_before

View = Callable[[HttpRequest], HttpResponse]
CLIENT_ID = re.compile(r"[\w-]{8,64}")
STATUS: dict[type[AgentError], int] = {
    NotPermitted: 403,
    Blocked: 403,
    ForeignCard: 409,
    ApprovalStale: 409,
    MessageTooLong: 413,
    EmptyMessage: 400,
    UnknownChoice: 400,
}


def staff_only(view: View) -> View:
    """For the script: a status and a sentence where a page would redirect to the login."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not (request.user.is_active and request.user.is_staff):
            return JsonResponse({"error": "You are logged out; reload the page to log in."}, status=401)
        try:
            return view(request)
        except AgentError as error:
            return JsonResponse({"error": str(error)}, status=STATUS.get(type(error), 409))

    return guarded


@require_GET
@staff_member_required
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The chat of the logged-in user; the script fills it."""
    person = person_of_user(channel=WEB, user=_user(request))
    given = {"demo": is_demo(), "may_decide": person.may_decide, "text_limit": TEXT_LIMIT, "person": person}
    return render(request, "web_chat/chat.html", given)


@require_GET
@staff_only
def feed(request: HttpRequest) -> HttpResponse:
    """The state of the conversation, and its items: since `after` (an earlier answer's `now`), before the cursor
    `before`, or the last ones. Answers 304 where the reader's ETag still holds: the query of the pulse is all it costs.
    """
    now = timezone.now()
    pulse = pulse_of(channel=WEB, address=str(_user(request).pk))
    etag = f'"{pulse.etag}"'
    if request.headers.get("If-None-Match") == etag:
        return _not_stored(HttpResponse(status=304), etag)
    body = _state(pulse) | _items(request, pulse) | {"now": now.isoformat()}
    # A card that came after the pulse was felt would lose its buttons for good.
    body["cards"] = sorted({*pulse.cards, *_cards_open(body["items"])})
    return _not_stored(JsonResponse(body), etag)


def _not_stored(response: HttpResponse, etag: str) -> HttpResponse:
    response["ETag"], response["Cache-Control"] = etag, "no-store"
    return response


def _cards_open(items: list[dict[str, Any]]) -> set[int]:
    return {item["card"]["approval"] for item in items if item["card"] and item["card"]["open"]}


def _state(pulse: Pulse) -> dict[str, Any]:
    return {
        "state": state_lines(pulse),
        "draft": pulse.draft,
        "wanted": pulse.wanted,
        "busy": any(job.state != State.AWAITING for job in pulse.jobs),
    }


def _items(request: HttpRequest, pulse: Pulse) -> dict[str, Any]:
    if pulse.thread_id is None:
        return _page(Page(items=[], earlier=""), fresh=True)
    if cursor := request.GET.get("before", ""):
        return _page(page_before(thread_id=pulse.thread_id, cursor=cursor), fresh=False)
    moment = _moment(request.GET.get("after", ""))
    news = items_since(thread_id=pulse.thread_id, moment=moment) if moment else None
    if news is None:
        return _page(page_before(thread_id=pulse.thread_id), fresh=True)
    return {"items": [_as_json(item) for item in news]}


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and timezone.is_aware(moment) else None


def _page(page: Page, *, fresh: bool) -> dict[str, Any]:
    """`fresh`: what the reader has is to be replaced. `earlier`: the cursor of the page before, empty at the start."""
    return {"items": [_as_json(item) for item in page.items], "earlier": page.earlier, "fresh": fresh}


def _as_json(item: Item) -> dict[str, Any]:
    card = item.card
    return {
        "key": item.key,
        "mine": item.mine,
        "text": item.text,
        "at": item.at.isoformat(),
        "job": item.job,
        "job_url": _job_url(item.job) if item.job else "",
        "card": card
        and {
            "approval": card.approval_id,
            "revision": card.revision,
            "kind": card.kind,
            "choices": card.choices,
            "open": card.open,
        },
    }


def _job_url(job: int) -> str:
    try:
        return reverse("admin:jobs_job_change", args=[job])
    except NoReverseMatch:  # the admin may be switched off or show no jobs
        return ""


@require_POST
@staff_only
def send(request: HttpRequest) -> HttpResponse:
    """Take in a message: `text`, and `id`, which the page makes up so that a repetition is stored once."""
    client_id = request.POST.get("id", "")
    if client_id and not CLIENT_ID.fullmatch(client_id):
        return JsonResponse({"error": "The message's id is not one that this page makes."}, status=400)
    received = message_send(user=_user(request), channel=WEB, text=request.POST.get("text", ""), external_id=client_id)
    message = received.message
    return JsonResponse({"key": f"m{message.pk}" if message else "", "job": received.job.pk if received.job else None})


@require_POST
@staff_only
def decide(request: HttpRequest) -> HttpResponse:
    """Answer a card: `approval_id`, `revision`, `choice`, and a `note` for the agent where one is given."""
    numbers = [request.POST.get(name, "") for name in ("approval_id", "revision")]
    if not all(number.isdecimal() and len(number) < 10 for number in numbers):
        return JsonResponse({"error": "I don't know this button."}, status=400)
    approval = card_decide(
        user=_user(request),
        channel=WEB,
        approval_id=int(numbers[0]),
        revision=int(numbers[1]),
        choice=request.POST.get("choice", ""),
        note=request.POST.get("note", ""),
    )
    return JsonResponse({"state": approval.state})


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
