"""The front page of the admin: what waits for a person, what runs, what failed, what it costs, and who is alive."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval
from budget.limits import shown
from budget.reports import LimitState, Spend, limit_states, spend_by, spend_total
from common import queue
from common.admin import label_link, row_link
from common.panels import ago, badge, moment, usd
from common.queue import Lane
from common.text import shorten
from jobs.models import Job
from jobs.states import OPEN, State
from llm import routing
from ops.models import Switch
from ops.selectors import is_silent, notices_uncarried, processes, switches
from telegram_bridge.dead_letters import dead_updates
from threads.dead_letters import dead_deliveries
from threads.models import Delivery, PairingRequest

SHOWN = 8
Context = dict[str, Any]


def dashboard(request: HttpRequest, context: Context) -> Context:
    """unfold's DASHBOARD_CALLBACK: only what this user may look at is read."""
    parts: list[tuple[str, str, Callable[[HttpRequest], Any]]] = [
        ("approvals", "approvals.view_approval", approvals_waiting),
        ("jobs", "jobs.view_job", jobs_running),
        ("failures", "jobs.view_job", failures),
        ("spend", "budget.view_ledgerentry", lambda _: spend()),
        ("processes", "ops.view_heartbeat", lambda _: heartbeats()),
        ("switches", "ops.view_switch", switches_shown),
        ("notices", "ops.view_notice", lambda _: notices_uncarried()),
    ]
    parts_shown = {name: make(request) for name, permission, make in parts if request.user.has_perm(permission)}
    pairings = (
        PairingRequest.objects.filter(state=PairingRequest.State.OPEN).count() if request.user.is_superuser else 0
    )
    return {**context, **parts_shown, "is_demo": routing.is_demo(), "pairings": pairings, "title": "Dashboard"}


def approvals_waiting(request: HttpRequest) -> list[Context]:
    """The cards that wait, with a button for each of their choices."""
    may = request.user.has_perm("approvals.change_approval")
    now = timezone.now()
    rows = Approval.objects.filter(state=Approval.State.PENDING, expires_at__gt=now).exclude(kind=Approval.Kind.RETRY)
    return [
        {
            "link": row_link(row, row.title or str(row)),
            "kind": badge("pending", row.get_kind_display()),
            "subject": label_link(row.subject),
            "since": ago(row.created_at),
            "until": moment(row.expires_at),
            "text": shorten(str(row.card.get("text", "")), 300),
            "url": reverse("admin:approvals_approval_decide", args=[row.pk]),
            "choices": row.choices if may else [],
        }
        for row in rows.order_by("pk")[:SHOWN]
    ]


def jobs_running(request: HttpRequest) -> list[Context]:
    """Open jobs that wait for nobody: queued, being understood, at work."""
    rows = Job.objects.filter(state__in=OPEN).exclude(state=State.AWAITING).select_related("thread").order_by("-pk")
    return [_job(row) for row in rows[:SHOWN]]


def failures(request: HttpRequest) -> Context:
    """The newest failed jobs, and how many deliveries and updates have failed."""
    rows = Job.objects.filter(state=State.FAILED).select_related("thread").order_by("-pk")
    may = request.user.has_perm("jobs.change_job")
    return {
        "jobs": [
            {**_job(row), "error": shorten(row.error, 300), "retry": _url("jobs_job_retry", row.pk) if may else ""}
            for row in rows[:SHOWN]
        ],
        "deliveries": dead_deliveries().order_by()[:1000].count(),
        "updates": dead_updates().order_by()[:1000].count(),
    }


def _job(row: Job) -> Context:
    return {
        "link": row_link(row, f"Job {row.pk}"),
        "summary": row.summary or "not understood yet",
        "state": badge(row.state, row.get_state_display()),
        "since": ago(row.moved_at),
        "thread": row_link(row.thread),
    }


def _url(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=args)


def spend() -> Context:
    """Today's calls (UTC), in all and by model, and what the limits leave."""
    return {
        "total": _spend(spend_total()),
        "models": [_spend(each) for each in spend_by("model")],
        "limits": [_limit(each) for each in limit_states()],
    }


def _spend(each: Spend) -> Context:
    return {"name": each.name, "usd": usd(each.usd), "tokens": f"{each.tokens:,}", "calls": each.calls, "rest": each}


def _limit(each: LimitState) -> Context:
    used = each.used + each.reserved
    return {
        "name": each.name.replace("_", " ").replace(" usd", ""),
        "amount": shown(each.amount, each.unit),
        "left": shown(max(each.amount - used, Decimal(0)), each.unit),
        "percent": min(int(used * 100 / each.amount), 100) if each.amount else 100,
    }


def heartbeats() -> list[Context]:
    """Each process, whether it is alive, and when it last got something done."""
    return [
        {
            "link": row_link(row, row.name),
            "state": badge("down", "silent") if is_silent(row) else badge("ok", "alive"),
            "alive": ago(row.alive_at),
            "progressed": ago(row.progressed_at),
        }
        for row in processes()
    ]


def switches_shown(request: HttpRequest) -> list[Context]:
    """Freeze and pause, as they are, with the way to turn them."""
    may = request.user.has_perm("ops.change_switch")
    return [
        {
            "label": Switch.Name(name).label,
            "state": badge("freeze" if row.on else "ok", "on" if row.on else "off"),
            "on": row.on,
            "reason": row.reason,
            "who": label_link(row.changed_by) if row.changed_by else "",
            "since": ago(row.changed_at) if row.on else "",
            "url": _url(f"ops_switch_{name}_{'off' if row.on else 'on'}") if may else "",
            "verb": ("End the " if row.on else "") + (name if row.on else name.capitalize()),
        }
        for name, row in switches().items()
    ]


def figures() -> Context:
    """The numbers of /stats: counts by state, tasks by lane, what was spent today."""
    open_jobs = Job.objects.filter(state__in=OPEN).values_list("state").annotate(Count("pk")).order_by()
    spent = spend_total()
    deliveries = Delivery.objects.filter(state__in=Delivery.OPEN).values_list("state").annotate(Count("pk")).order_by()
    return {
        "jobs": dict.fromkeys(OPEN, 0) | dict(open_jobs),
        "jobs_failed": Job.objects.filter(state=State.FAILED).count(),
        "approvals_waiting": Approval.objects.filter(state=Approval.State.PENDING).count(),
        "queue": {lane: queue.backlog(Lane(lane)) for lane in Lane.values},
        "deliveries": dict.fromkeys(Delivery.OPEN, 0) | dict(deliveries),
        "spent_today": {"usd": str(spent.usd), "tokens": spent.tokens, "calls": spent.calls},
        "switches": {name: row.on for name, row in switches().items()},
        "processes": {row.name: {"alive_at": row.alive_at, "silent": is_silent(row)} for row in processes()},
    }
