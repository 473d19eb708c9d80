"""`manage.py mcp_servers`: the MCP servers and their tools; --check connects to each now."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tools.mcp import catalog
from tools.models import McpServer


class Command(BaseCommand):
    help = "Lists the MCP servers with their tools and verdicts. --check connects to each first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="", help="only this server")
        parser.add_argument("--check", action="store_true", help="connect and list the tools anew")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, name: str = "", check: bool = False, **options: Any) -> None:
        servers = McpServer.objects.filter(**({"name": name} if name else {}))
        found = [_told(catalog.server_check(server) if check and server.enabled else server) for server in servers]
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=1))
            return
        if not found:
            self.stdout.write("No MCP server. Add one in the admin, under System, MCP servers.")
        for server in found:
            self._show(server)

    def _show(self, server: dict[str, Any]) -> None:
        since = f" since {server['since']}" if server["since"] else ""
        self.stdout.write(f"{server['name']}: {server['state']}{since} {server['version']}".rstrip())
        if server["error"]:
            self.stdout.write(f"  {server['error']}")
        for tool in server["tools"]:
            problem = f"  ({tool['problem']})" if tool["problem"] else ""
            self.stdout.write(f"  {tool['verdict']:6} {tool['name']}{problem}")


def _told(server: McpServer) -> dict[str, Any]:
    return {
        "name": server.name,
        "enabled": server.enabled,
        "trusted": server.trusted,
        "state": server.state if server.enabled else "switched off",
        "since": server.state_since.strftime("%Y-%m-%d %H:%M UTC") if server.state_since else "",
        "version": server.version,
        "protocol": server.protocol,
        "error": server.last_error,
        "tools": [
            {"name": tool.lent_name, "verdict": tool.verdict, "problem": tool.problem}
            for tool in server.tools.filter(active=True)
        ],
    }
