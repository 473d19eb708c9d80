"""The names of the owner's secrets, so that a call can name one. Their values are read nowhere but at a call's edge."""

from typing import Any

from ops.models import Secret
from tools.base import Effect, Tool, ToolContext, ToolResult


def secret_list(context: ToolContext, arguments: dict[str, Any]) -> ToolResult:
    """A line for each: its name, and the hosts that it may be sent to."""
    lines = [f"{name}: {', '.join(hosts) or 'no host'}" for name, hosts in Secret.objects.values_list("name", "hosts")]
    return ToolResult(output="\n".join(lines) or "There is no secret. The owner can add one in the admin.")


TOOLS = [
    Tool(
        name="secret_list",
        description="Secrets that http_request fills in for {{secret:name}}.",
        effect=Effect.READ,
        run=secret_list,
    ),
]
