"""The owner connects a server and judges its tools."""

import pytest
from django.urls import reverse

from ops.models import AuditEvent
from tools.mcp import catalog
from tools.models import McpServer, McpTool
from tools.tests.mcp.conftest import listing, offered

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, superuser):
    client.force_login(superuser)
    return client


def form(**fields: object) -> dict[str, object]:
    given = {
        "name": "files",
        "transport": "stdio",
        "command": "npx",
        "args": '["-y", "server"]',
        "confinement": "net",
        "readable": "[]",
        "inherited": "[]",
        "variables": "{}",
        "url": "",
        "enabled": "on",
        "call_seconds": "120",
        "idle_minutes": "10",
    }
    return given | fields


def test_a_server_is_added(page) -> None:
    response = page.post(reverse("admin:tools_mcpserver_add"), form())
    assert response.status_code == 302, response.context["adminform"].form.errors
    assert McpServer.objects.get().args == ["-y", "server"]
    assert AuditEvent.objects.filter(action="mcp server added").exists()


def test_a_server_that_makes_no_sense_is_refused_in_a_sentence(page) -> None:
    response = page.post(reverse("admin:tools_mcpserver_add"), form(inherited='["SECRET_KEY"]'))
    assert "SECRET_KEY can&#x27;t be inherited" in response.content.decode()
    assert not McpServer.objects.exists()


def test_another_command_takes_permissions_back_and_no_value_reaches_the_audit_trail(page, server) -> None:
    row = catalog.server_listed(server("files", command="npx"), listing(offered()))
    McpTool.objects.update(verdict="allow")
    url = reverse("admin:tools_mcpserver_change", args=[row.pk])
    assert page.post(url, form(variables='{"TOKEN": "pasted"}')).status_code == 302
    assert McpTool.objects.get().verdict == "ask"
    assert "pasted" not in str(list(AuditEvent.objects.values()))


def test_a_harmless_change_leaves_permissions_alone(page, server) -> None:
    row = catalog.server_listed(server("files", command="npx", args=["-y", "server"]), listing(offered()))
    McpTool.objects.update(verdict="allow")
    response = page.post(reverse("admin:tools_mcpserver_change", args=[row.pk]), form(call_seconds="60", trusted="on"))
    assert response.status_code == 302
    print(list(AuditEvent.objects.values()))
    assert McpTool.objects.get().verdict == "allow"
    assert McpServer.objects.get().trusted


@pytest.mark.parametrize(
    ("action", "verdict"), [("allow", "allow"), ("read", "read"), ("ask", "ask"), ("deny", "deny")]
)
def test_many_tools_are_judged_at_once(page, server, action: str, verdict: str) -> None:
    catalog.server_listed(server(), listing(offered("a"), offered("b"), offered("c")))
    ids = list(McpTool.objects.order_by("name").values_list("pk", flat=True))[:2]
    data = {"action": f"{action}_selected", "_selected_action": ids}
    page.post(reverse("admin:tools_mcptool_changelist"), data)
    assert list(McpTool.objects.order_by("name").values_list("verdict", flat=True)) == [verdict, verdict, "ask"]


def test_one_tool_is_judged_on_its_page(page, server) -> None:
    catalog.server_listed(server(), listing(offered()))
    url = reverse("admin:tools_mcptool_decide", args=[McpTool.objects.get().pk])
    page.post(url, {"_form_submitted": "on", "verdict": "deny"})
    assert McpTool.objects.get().verdict == "deny"


def test_a_test_of_the_connection_says_what_is_wrong(page, server) -> None:
    row = server(transport="http", command="", args=[], url="https://example.com", variables={"A": "{{secret:none}}"})
    page.post(reverse("admin:tools_mcpserver_connect", args=[row.pk]), {"_form_submitted": "on"})
    assert "There is no secret called “none”" in McpServer.objects.get().last_error


def test_operators_may_not_judge_tools(client, server, django_user_model) -> None:
    from django.contrib.auth.models import Permission

    operator = django_user_model.objects.create_user("operator", is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label="tools"))
    client.force_login(operator)
    catalog.server_listed(server(), listing(offered()))
    ids = [McpTool.objects.get().pk]
    client.post(reverse("admin:tools_mcptool_changelist"), {"action": "allow_selected", "_selected_action": ids})
    assert McpTool.objects.get().verdict == "ask"
    assert client.post(reverse("admin:tools_mcpserver_add"), form()).status_code == 403
