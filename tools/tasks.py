"""What the clusters run for tools. Each is a hint that a row wants attention, and safe to repeat."""

from common import queue
from common.queue import Lane, task
from tools.mcp import catalog
from tools.models import McpServer
from tools.snapshots import snapshot_prune
from tools.trash import trash_prune


@task("mcp.check", lane=Lane.WORK)
def mcp_check(server_id: int) -> None:
    """Connect to a server and list its tools."""
    server = McpServer.objects.filter(pk=server_id, enabled=True).first()
    if server is not None:
        catalog.server_check(server)


def prune() -> int:
    """Scheduled: what is kept for /undo is bounded in age and size. How much was let go."""
    return trash_prune() + snapshot_prune()


def mcp_sweep() -> None:
    """Scheduled: have the servers looked at that are due. One query where there are none."""
    for server_id in catalog.servers_claim():
        queue.enqueue("mcp.check", server_id)
