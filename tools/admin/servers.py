"""MCP servers, their tools with the owner's verdicts, and what they have asked."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from common.admin import CockpitAdmin, page_of, row_link, state_column
from common.dialogs import Dialog, RadioWidget, TextWidget, act, act_on_each, actor_of, dialog
from common.panels import Block, Panel, ago, badge, data, moment, panels_of, text
from ops import audit
from tools.mcp import catalog, plans
from tools.models import McpQuestion, McpServer, McpTool

Verdict = McpTool.Verdict
Transport = McpServer.Transport
TONES = {Verdict.READ: "allow"}


class ServerForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        labels: ClassVar = {
            "args": "Arguments",
            "readable": "More folders that it sees",
            "inherited": "Inherited variables",
            "variables": "Variables or headers",
            "url": "Web address",
            "call_seconds": "Seconds that a call may take",
            "idle_minutes": "Minutes that an unused connection is kept",
        }

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        where, says = (
            ("command", "the program") if found.get("transport") == Transport.STDIO else ("url", "the address")
        )
        if where not in self.errors and not found.get(where):
            self.add_error(where, f"Write {says}: it says where the server is.")
        given = {name: value for name, value in found.items() if name in plans.JUDGED}
        kept = {name: getattr(self.instance, name) for name in plans.JUDGED}
        if not self.errors and (problem := plans.complaint(McpServer(**(kept | given)))) is not None:
            raise forms.ValidationError(problem[:1].upper() + problem[1:])
        return found


@page_of(McpServer, label="mcp_server")
class McpServerAdmin(CockpitAdmin):
    empty_text = (
        "Add one: a command such as npx, or the web address of a server. Its tools then wait for your verdict under "
        "MCP tools; until you allow one, each call of it is asked about."
    )
    form = ServerForm
    formfield_overrides: ClassVar = {models.JSONField: {"widget": TextWidget(attrs={"rows": 2})}}
    list_display = ("name", state_column(), "since", "where", "enabled", "trusted", "tools_shown", "error")
    list_filter = ("state", "enabled", "transport")
    search_fields = ("name", "command", "url")
    editable = (
        "transport",
        "command",
        "args",
        "confinement",
        "readable",
        "inherited",
        "url",
        "variables",
        "enabled",
        "trusted",
        "call_seconds",
        "idle_minutes",
    )
    owner_only = True
    actions_detail = ("connect", "remove")
    actions = ("connect_selected",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_act_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[McpServer]:
        rows: QuerySet[McpServer] = super().get_queryset(request)
        active = Q(tools__active=True)
        allowed = active & Q(tools__verdict__in=[Verdict.ALLOW, Verdict.READ])
        return rows.annotate(tool_count=Count("tools", active), allowed_count=Count("tools", allowed))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return super().get_fields(request, obj) if obj is not None else ["name", *self.editable]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return super().get_readonly_fields(request, obj) if obj is not None else []

    def save_model(self, request: HttpRequest, obj: McpServer, form: Any, change: bool) -> None:
        """What a server is started with decides what it is: after such a change nothing that was allowed holds."""
        # The form takes every JSON field for changed.
        before = McpServer.objects.filter(pk=obj.pk).values(*self.editable).first() or {}
        changed = [name for name in self.editable if before.get(name) != getattr(obj, name)]
        super().save_model(request, obj, form, change)
        actor = actor_of(request)
        if change and set(changed) & plans.IDENTITY:
            catalog.server_changed(server=obj, actor=actor)
        # Names only: a value may be a key that was pasted into the wrong field.
        action = f"mcp server {'changed' if change else 'added'}"
        audit.record(actor=actor, action=action, subject=f"mcp_server:{obj.pk}", detail={"fields": changed})

    def panels(self, request: HttpRequest, row: McpServer) -> list[Panel]:
        tools = row.tools.order_by("-active", "lent_name")
        own = Panel(
            title="Tools",
            empty="It has not been connected to yet: press “Test the connection”.",
            headers=["Tool", "Verdict", "Offered", "Claims", "Description"],
            rows=[
                [
                    row_link(tool),
                    verdict_shown(tool),
                    "yes" if tool.active else "no",
                    claims(tool),
                    tool.description[:200],
                ]
                for tool in tools
            ],
        )
        return [own, *panels_of(request, f"{self.label}:{row.pk}")]

    @admin.display(description="since", ordering="state_since")
    def since(self, row: McpServer) -> str:
        return ago(row.state_since) if row.state_since else "-"

    @admin.display(description="looked at", ordering="checked_at")
    def checked(self, row: McpServer) -> str:
        return ago(row.checked_at)

    @admin.display(description="where")
    def where(self, row: McpServer) -> str:
        return row.url or " ".join([row.command, *map(str, row.args)])[:80]

    @admin.display(description="tools", ordering="tool_count")
    def tools_shown(self, row: McpServer) -> str:
        return f"{row.tool_count}, {row.allowed_count} allowed"  # type: ignore[attr-defined]

    @admin.display(description="last error")
    def error(self, row: McpServer) -> str:
        return row.last_error[:120] or "-"

    @dialog(
        "Test the connection",
        submit="Connect now",
        description="It is started or called, its tools are listed, and it is let go again.",
        icon="electrical_services",
    )
    def connect(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        server = McpServer.objects.get(pk=object_id)
        return act(request, lambda: catalog.server_test(server), done=f"{server.name} answers; its tools are below.")

    @dialog(
        "Remove",
        submit="Remove it and its tools",
        description="The verdicts on its tools are forgotten. To keep them, switch it off instead.",
        icon="delete",
        danger=True,
    )
    def remove(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        server = McpServer.objects.get(pk=object_id)
        done = f"{server.name} is removed."
        return act(request, lambda: catalog.server_remove(server=server, actor=actor_of(request)), done=done)

    @admin.action(description="Test the connection", permissions=["act"])
    def connect_selected(self, request: HttpRequest, rows: QuerySet[McpServer]) -> None:
        act_on_each(request, rows, catalog.server_test, done="Servers that answer")


class VerdictDialog(Dialog):
    verdict = forms.ChoiceField(choices=Verdict.choices, widget=RadioWidget)


@page_of(McpTool, label="mcp_tool")
class McpToolAdmin(CockpitAdmin):
    empty_text = "Tools appear here when an MCP server has been connected to for the first time."
    list_display = ("lent_name", "verdict_column", "offered", "claims_column", "changed_at", "last_seen", "problem")
    list_filter = ("verdict", "active", "server")
    list_select_related = ("server",)
    search_fields = ("lent_name", "description")
    owner_only = True
    actions = ("allow_selected", "read_selected", "ask_selected", "deny_selected")
    actions_detail = ("decide",)

    @admin.display(description="verdict", ordering="verdict")
    def verdict_column(self, row: McpTool) -> str:
        return verdict_shown(row)

    @admin.display(description="offered", ordering="active", boolean=True)
    def offered(self, row: McpTool) -> bool:
        return row.active

    @admin.display(description="claims (not trusted)")
    def claims_column(self, row: McpTool) -> str:
        return claims(row)

    @dialog("Decide", submit="Keep", description="What calls of this tool may do.", form=VerdictDialog, icon="gavel")
    def decide(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        tool, verdict = McpTool.objects.get(pk=object_id), form.cleaned_data["verdict"]
        done = f"{tool.lent_name}: {Verdict(verdict).label.lower()}."
        actor = actor_of(request)
        return act(request, lambda: catalog.verdict_set(tools=[tool], verdict=verdict, actor=actor), done=done)

    @admin.action(description="Allow", permissions=["act"])
    def allow_selected(self, request: HttpRequest, rows: QuerySet[McpTool]) -> None:
        _decide_all(request, rows, Verdict.ALLOW)

    @admin.action(description="Allow, they only read", permissions=["act"])
    def read_selected(self, request: HttpRequest, rows: QuerySet[McpTool]) -> None:
        _decide_all(request, rows, Verdict.READ)

    @admin.action(description="Ask each time", permissions=["act"])
    def ask_selected(self, request: HttpRequest, rows: QuerySet[McpTool]) -> None:
        _decide_all(request, rows, Verdict.ASK)

    @admin.action(description="Deny", permissions=["act"])
    def deny_selected(self, request: HttpRequest, rows: QuerySet[McpTool]) -> None:
        _decide_all(request, rows, Verdict.DENY)


@page_of(McpQuestion, label="mcp_question")
class McpQuestionAdmin(CockpitAdmin):
    empty_text = "No MCP server has asked anything. What one asks in the middle of a job comes to you as a card."
    list_display = ("id", "server", "asks", state_column(), "asked_at", "answered_at")
    list_filter = ("state", "server")
    list_select_related = ("server",)

    @admin.display(description="question")
    def asks(self, row: McpQuestion) -> str:
        return row.message[:120]

    def panels(self, request: HttpRequest, row: McpQuestion) -> list[Panel]:
        asked = Block(heading="Question", facts=[moment(row.asked_at)], body=[text(row.message), data(row.form)])
        answered = [Block(heading="Answer", facts=[moment(row.answered_at)], body=[data(row.answer)])]
        blocks = [asked, *(answered if row.answered_at else [])]
        return [Panel(title="What was asked", empty="", blocks=blocks), *panels_of(request, row.run_ref)]


def verdict_shown(tool: McpTool) -> str:
    verdict = Verdict(tool.verdict)
    return badge(TONES.get(verdict, verdict.value), verdict.label)


def claims(tool: McpTool) -> str:
    """What the server says that its tool does: worth a look, never trusted."""
    hints = {"readOnlyHint": "only reads", "destructiveHint": "destroys", "openWorldHint": "reaches outside"}
    return ", ".join(words for name, words in hints.items() if tool.annotations.get(name) is True) or "-"


def _decide_all(request: HttpRequest, rows: QuerySet[McpTool], verdict: Verdict) -> None:
    actor = actor_of(request)
    act_on_each(
        request,
        rows,
        lambda tool: catalog.verdict_set(tools=[tool], verdict=verdict, actor=actor),
        done=f"Tools set to “{verdict.label}”",
    )
