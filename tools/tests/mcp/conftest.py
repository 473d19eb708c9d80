"""Servers for the tests: rows, a wayward one of our own, and real ones from npm."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tools.mcp import connections
from tools.mcp.values import Listing, Offered
from tools.models import McpServer, McpTool

# Tests run in several processes, and must not take each other's servers for their own.
MARK = f"wayward-of-{os.getpid()}"
WAYWARD = Path(__file__).with_name("wayward.py")
REAL = {
    "everything": "@modelcontextprotocol/server-everything@2026.8.31",
    "filesystem": "@modelcontextprotocol/server-filesystem@2026.8.31",
    "memory": "@modelcontextprotocol/server-memory@2026.8.31",
}
# Where the interpreter and its packages lie, should that be hidden from what is confined.
SEEN = sorted({sys.prefix, sys.base_prefix, str(WAYWARD.parent)} - {"/usr", "/usr/local"})


@pytest.fixture
def server(db: None) -> Callable[..., McpServer]:
    """A row; by default of the wayward server."""

    def made(name: str = "wayward", *args: str, **fields: object) -> McpServer:
        given: dict[str, object] = {
            "command": sys.executable,
            "args": ["-I", "-S", str(WAYWARD), MARK, *args],
            "readable": [folder for folder in SEEN if folder.startswith(("/root", "/tmp"))],
        }
        return McpServer.objects.create(name=name, **(given | fields))

    return made


@pytest.fixture
def tool(server: Callable[..., McpServer]) -> Callable[..., McpTool]:
    """A tool of the wayward server as it was listed, with the owner's verdict."""

    def made(name: str, verdict: str = "allow", **fields: object) -> McpTool:
        from tools.mcp import catalog

        row = McpServer.objects.filter(name="wayward").first() or server(**fields)
        if not row.tools.exists():
            row = catalog.server_check(row)
            assert row.state == "connected", row.last_error
        row.tools.filter(name=name).update(verdict=verdict)
        return row.tools.get(name=name)

    return made


def offered(name: str = "echo", **fields: object) -> Offered:
    return Offered(**{"name": name, "description": "Says it.", "input_schema": {"type": "object"}, **fields})


def listing(*tools: Offered, **fields: object) -> Listing:
    return Listing(**{"protocol": "2025-11-25", "version": "w 1", "tools": tools, **fields})


@pytest.fixture
def connected() -> Iterator[None]:
    """Ends what the test has connected to."""
    yield
    connections.close_all()


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder of the real servers, installed once in a checkout."""
    folder = Path(settings.BASE_DIR) / "var" / "test-npm" / "2026.8.31"
    try:
        _install(folder)
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the real MCP servers can't be installed (apt-get install nodejs npm; a registry): {error}")
    return folder / "node_modules" / ".bin"


def _install(folder: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise OSError("node and npm are not here")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            command = ["npm", "install", "--prefix", str(folder), *options, *REAL.values()]
            subprocess.run(command, check=True, capture_output=True, timeout=180)
            (folder / "done").touch()
