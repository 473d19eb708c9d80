"""The side bar of the admin: the work first, the machinery last; nobody sees what he may not open."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from approvals.models import Approval


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A page: its URL's name, the permission that it takes, and an icon of Material Symbols."""

    title: str
    icon: str
    url: str
    permission: str = ""


def _rows(title: str, icon: str, app: str, model: str) -> Entry:
    return Entry(title=title, icon=icon, url=f"admin:{app}_{model}_changelist", permission=f"{app}.view_{model}")


GROUPS: dict[str, list[Entry]] = {
    "Work": [
        Entry(title="Dashboard", icon="dashboard", url="admin:index"),
        _rows("Approvals", "how_to_reg", "approvals", "approval"),
        _rows("Questions", "contact_support", "jobs", "question"),
        _rows("Jobs", "task_alt", "jobs", "job"),
        _rows("Threads", "forum", "threads", "thread"),
        _rows("Messages", "sms", "threads", "message"),
        Entry(title="Web chat", icon="chat", url="web_chat:page"),
    ],
    "Money": [
        _rows("Ledger", "receipt_long", "budget", "ledgerentry"),
        _rows("Limits", "speed", "budget", "limit"),
        _rows("Prices", "sell", "budget", "price"),
        _rows("Reservations", "lock_clock", "budget", "reservation"),
    ],
    "Telegram and people": [
        _rows("Updates", "download", "telegram_bridge", "telegramupdate"),
        _rows("Deliveries", "outbox", "threads", "delivery"),
        _rows("People", "group", "threads", "person"),
        _rows("Pairing requests", "person_add", "threads", "pairingrequest"),
    ],
    "System": [
        _rows("Runs", "directions_run", "agents", "run"),
        _rows("Steps", "footprint", "agents", "step"),
        _rows("Tool calls", "build", "tools", "toolexecution"),
        _rows("Rules", "gavel", "tools", "toolrule"),
        _rows("Secrets", "key", "ops", "secret"),
        _rows("Trash", "delete", "tools", "trashitem"),
        _rows("Snapshots", "photo_camera", "tools", "snapshot"),
        _rows("MCP servers", "dns", "tools", "mcpserver"),
        _rows("MCP tools", "extension", "tools", "mcptool"),
        _rows("MCP questions", "live_help", "tools", "mcpquestion"),
        _rows("Switches", "toggle_on", "ops", "switch"),
        _rows("Processes", "memory", "ops", "heartbeat"),
        _rows("Connections", "cable", "ops", "connection"),
        _rows("Outages", "power_off", "ops", "outage"),
        _rows("Notices", "campaign", "ops", "notice"),
        _rows("Audit trail", "policy", "ops", "auditevent"),
    ],
    "Queue and accounts": [
        _rows("Queued tasks", "low_priority", "django_q", "ormq"),
        _rows("Schedules", "schedule", "django_q", "schedule"),
        _rows("Succeeded tasks", "done_all", "django_q", "success"),
        _rows("Failed tasks", "error", "django_q", "failure"),
        _rows("Users", "manage_accounts", "auth", "user"),
        _rows("Groups", "badge", "auth", "group"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's SIDEBAR navigation."""
    return [
        {"title": title, "separator": title != "Work", "items": items}
        for title, entries in GROUPS.items()
        if (items := [_item(request, entry) for entry in entries if _may(request, entry)])
    ]


def _may(request: HttpRequest, entry: Entry) -> bool:
    return not entry.permission or request.user.has_perm(entry.permission)


def _item(request: HttpRequest, entry: Entry) -> dict[str, Any]:
    item = {"title": entry.title, "icon": entry.icon, "link": reverse(entry.url)}
    if entry.title == "Approvals" and (waiting := approvals_waiting()):
        item["badge"] = str(waiting)
    return item


def approvals_waiting() -> int:
    """The cards that hold work up: those that offer to try a failed job again don't."""
    return Approval.objects.filter(state=Approval.State.PENDING).exclude(kind=Approval.Kind.RETRY).count()
