"""Is it well: what confines commands, and the MCP servers that the owner wants connected."""

from ops.health import Level, Result, register
from tools import sandbox
from tools.models import McpServer


@register("sandbox")
def confinement() -> Result:
    """Asked of the system once per process."""
    force = sandbox.in_force()
    level = Level.DEGRADED if force.better else Level.OK
    return Result(level=level, reason=force.holds, better=force.better)


@register("mcp servers")
def mcp_servers() -> Result:
    """A server that is down takes its own tools away, and nothing else."""
    unwell = McpServer.objects.filter(enabled=True, state__in=[McpServer.State.DOWN, McpServer.State.DEGRADED])
    reasons = [f"{server.name} is {server.state}: {server.last_error}" for server in unwell]
    return Result(level=Level.DEGRADED if reasons else Level.OK, reason=" ".join(reasons)[:1000])
