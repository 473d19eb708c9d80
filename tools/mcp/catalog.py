"""What the rows say of servers and tools: what was listed, what failed, what the owner allows."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from common import backoff
from common.errors import AgentError
from common.text import shorten
from common.transactions import joined
from ops import audit
from ops.models import Notice
from ops.notices import notice
from tools.mcp import connections, schemas
from tools.mcp.errors import ServerUnreachable
from tools.mcp.plans import plan_of
from tools.mcp.values import Listing, Offered
from tools.models import McpServer, McpTool

log = logging.getLogger(__name__)
State = McpServer.State
CHECK_EVERY = timedelta(minutes=10)
CLAIM = timedelta(minutes=2)
DOWN_AFTER = 3
"""Failures in a row: below, the server is called degraded."""
GIVEN_UP_AFTER = 12
"""Failures in a row, about two minutes: from then on it is tried every ten minutes, or when it is called."""


def server_check(server: McpServer) -> McpServer:
    """Connects, lists the tools, writes down what came of it. Never raises for what is the server's fault."""
    try:
        found = connections.listing(plan_of(server))
    except AgentError as error:
        return server_failed(server, str(error))
    return server_listed(server, found)


def server_test(server: McpServer) -> McpServer:
    """The same for somebody who waits for it: raises ServerUnreachable with the reason."""
    server = server_check(server)
    if server.failures:
        raise ServerUnreachable(f"{server.name} can't be reached: {server.last_error}")
    return server


@joined
def server_remove(*, server: McpServer, actor: str) -> None:
    """Forgets a server with its tools and their verdicts. A call of theirs is refused from then on."""
    audit.record(
        actor=actor, action="mcp server removed", subject=f"mcp_server:{server.pk}", detail={"name": server.name}
    )
    server.delete()


@joined
def server_listed(server: McpServer, listing: Listing) -> McpServer:
    """The server was reached: its tools are as listed. What is new or has changed is asked about again."""
    now = timezone.now()
    server = McpServer.objects.select_for_update(no_key=True).get(pk=server.pk)
    known = {tool.name: tool for tool in server.tools.all()}
    first = server.state == State.NEW and not known
    unique = {offered.name: offered for offered in listing.tools}
    for offered in unique.values():
        _keep(server, offered, known.get(offered.name), first=first, now=now)
    server.tools.filter(active=True).exclude(name__in=unique).update(active=False)
    problems = _problems(server, listing)
    _settle(
        server,
        state=State.DEGRADED if problems else State.CONNECTED,
        last_error=problems,
        failures=0,
        next_check_at=now + CHECK_EVERY,
        protocol=listing.protocol[:20],
        version=listing.version[:120],
    )
    return server


@joined
def server_failed(server: McpServer, error: str) -> McpServer:
    """The server was not reached. The master is told once when it is down."""
    server = McpServer.objects.select_for_update(no_key=True).get(pk=server.pk)
    failures = server.failures + 1
    pause = timedelta(seconds=backoff.delay(failures, base=1.0)) if failures < GIVEN_UP_AFTER else CHECK_EVERY
    down = failures >= DOWN_AFTER or server.state in (State.NEW, State.DOWN)
    if down and server.state != State.DOWN:
        notice(
            kind="mcp",
            key=f"down {server.pk}",
            severity=Notice.Severity.WARNING,
            text=f"The MCP server {server.name} can't be reached: {error} Its tools fail until it is back.",
        )
    _settle(
        server,
        state=State.DOWN if down else State.DEGRADED,
        last_error=shorten(error, 1000),
        failures=failures,
        next_check_at=timezone.now() + pause,
    )
    return server


@joined
def verdict_set(*, tools: Iterable[McpTool], verdict: str, actor: str) -> int:
    """The owner says what calls of these tools may do; how many it changed."""
    changed = 0
    for tool in tools:
        if tool.verdict != verdict:
            McpTool.objects.filter(pk=tool.pk).update(verdict=verdict)
            _audit(tool, actor=actor, action=f"mcp tool: {verdict}", was=tool.verdict)
            changed += 1
    return changed


@joined
def server_changed(*, server: McpServer, actor: str) -> None:
    """Another program stands behind the name now: nothing that was allowed holds, and it is looked at anew."""
    for tool in server.tools.exclude(verdict__in=[McpTool.Verdict.ASK, McpTool.Verdict.DENY]):
        verdict_set(tools=[tool], verdict=McpTool.Verdict.ASK, actor=actor)
    McpServer.objects.filter(pk=server.pk).update(state=State.NEW, failures=0, next_check_at=None, last_error="")


def servers_claim() -> list[int]:
    """Which servers want to be looked at now; none of them is named again for two minutes."""
    now = timezone.now()
    due = McpServer.objects.filter(Q(next_check_at=None) | Q(next_check_at__lte=now), enabled=True)
    found = list(due.values_list("pk", flat=True))
    if found:
        McpServer.objects.filter(pk__in=found).update(next_check_at=now + CLAIM)
    return found


def _keep(server: McpServer, offered: Offered, tool: McpTool | None, *, first: bool, now: datetime) -> None:
    mark = schemas.fingerprint(offered.name, offered.description, offered.input_schema, offered.annotations)
    if tool is not None and tool.fingerprint == mark:
        McpTool.objects.filter(pk=tool.pk).update(last_seen=now, active=True)
        return
    problem = schemas.complaint(offered.input_schema)
    fields = {
        "description": offered.description[: schemas.MAX_DESCRIPTION],
        "input_schema": {"type": "object"} if problem else offered.input_schema,
        "annotations": offered.annotations if len(str(offered.annotations)) < schemas.MAX_DESCRIPTION else {},
        "fingerprint": mark,
        "problem": problem,
        "last_seen": now,
        "active": True,
    }
    if tool is None:
        taken = McpTool.objects.values_list("lent_name", flat=True)
        lent = schemas.lent_name(server.name, offered.name, taken)
        server.tools.create(name=offered.name[:200], lent_name=lent, **fields)
        if not first:
            _tell(server, f"new {lent}", f"The MCP server {server.name} has a new tool, {lent}. Calls of it are asked.")
        return
    _changed(tool, fields, now)


def _changed(tool: McpTool, fields: dict[str, object], now: datetime) -> None:
    """A tool that was allowed under one description must not go on under another."""
    denied = tool.verdict == McpTool.Verdict.DENY
    verdict = McpTool.Verdict.DENY if denied else McpTool.Verdict.ASK
    McpTool.objects.filter(pk=tool.pk).update(**fields, changed_at=now, verdict=verdict)
    _audit(tool, actor="system", action="mcp tool changed", was=tool.verdict)
    _tell(
        tool.server,
        f"changed {tool.lent_name} {fields['fingerprint']}",
        f"The MCP server {tool.server.name} has changed what its tool {tool.lent_name} says of itself. "
        + ("It stays denied." if denied else "Calls of it are asked about again."),
    )


def _problems(server: McpServer, listing: Listing) -> str:
    unfit = list(server.tools.filter(active=True).exclude(problem="").values_list("name", "problem"))
    found = [f"The tool {name} can't be used: {problem}" for name, problem in unfit[:5]]
    found += [f"And {len(unfit) - 5} more."] if len(unfit) > 5 else []
    found += [f"It has more than {len(listing.tools)} tools; the rest is left out."] if listing.cut else []
    return " ".join(found)


def _settle(server: McpServer, *, state: str, **fields: object) -> None:
    now = timezone.now()
    since = {} if server.state == state and server.state_since else {"state_since": now}
    values = {"state": state, "checked_at": now, **since, **fields}
    McpServer.objects.filter(pk=server.pk).update(**values)
    for name, value in values.items():
        setattr(server, name, value)


def _tell(server: McpServer, key: str, text: str) -> None:
    notice(kind="mcp", key=f"{server.pk} {key}"[:200], severity=Notice.Severity.WARNING, text=text)


def _audit(tool: McpTool, *, actor: str, action: str, was: str) -> None:
    audit.record(actor=actor, action=action, subject=f"mcp_tool:{tool.pk}", detail={"tool": tool.lent_name, "was": was})
