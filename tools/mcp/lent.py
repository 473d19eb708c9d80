"""The tools of connected servers as the registry and the gate see them. Reads rows, connects to nothing."""

from functools import partial
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from tools.base import Effect, Tool, ToolContext, ToolResult
from tools.mcp import schemas
from tools.models import McpTool

SEPARATOR = "__"
Verdict = McpTool.Verdict


def lent_tools() -> list[Tool]:
    """Every tool that a call may name, in a stable order. Asked before each turn of a model: cheap without servers."""
    with connection.cursor() as cursor:  # the ORM's building of the query below takes longer than this
        cursor.execute("SELECT 1 FROM tools_mcpserver WHERE enabled LIMIT 1")
        if cursor.fetchone() is None:
            return []
    return [_tool(row) for row in _rows().order_by("lent_name")]


def lent_tool(name: str) -> Tool | None:
    """One of them. A name without `__` is none, and costs no query."""
    row = _rows().filter(lent_name=name).first() if SEPARATOR in name else None
    return _tool(row) if row is not None else None


def _rows() -> QuerySet[McpTool]:
    return McpTool.objects.filter(active=True, problem="", server__enabled=True).select_related("server")


def _tool(row: McpTool) -> Tool:
    verdict = Verdict(row.verdict)
    return Tool(
        name=row.lent_name,
        description=row.description or f"{row.name} of the MCP server {row.server.name}.",
        effect=Effect.READ if verdict is Verdict.READ else Effect.WRITE,
        run=partial(_run, row.pk, row.fingerprint),
        input_schema=row.input_schema,
        verdict=verdict.decision,
        outside=True,
        untrusted=not row.server.trusted,
    )


def _run(tool_id: int, fingerprint: str, context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    from tools.mcp import calls

    return calls.tool_call(tool_id, fingerprint, context, arguments)


def complaint(tool: Tool, arguments: object) -> tuple[str, str] | None:
    """Where and what is wrong with the arguments, by the server's own schema."""
    return schemas.arguments_complaint(tool.input_schema, arguments)
