"""Every tool that agents are given: the built-in ones, what apps lend in their `tools.py`, those of MCP servers."""

import functools
import sys
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from jsonschema import Draft202012Validator

from common import discovery
from tools.base import Tool
from tools.builtin import files, http, secrets, shell
from tools.errors import ToolProblem
from tools.mcp import lent, schemas
from tools.models import Decision


@functools.cache
def all_tools() -> dict[str, Tool]:
    """Name to tool, less those of MCP servers, which are rows and may change: see `tool_named`."""
    found = {tool.name: tool for tool in (*shell.TOOLS, *files.TOOLS, *http.TOOLS, *secrets.TOOLS)}
    for tool in _lent():
        if tool.name in found:
            raise ToolProblem(f"Two tools are called {tool.name}.")
        found[tool.name] = tool
    return found


def tool_named(name: str) -> Tool | None:
    """The tool that a call names, if there is one. Costs a query only where it can be a server's."""
    return all_tools().get(name) or lent.lent_tool(name)


def names() -> list[str]:
    """What the model may call."""
    return [tool["name"] for tool in model_tools()]


def model_tools() -> list[dict[str, Any]]:
    """The tools as the Messages API wants them, in a stable order: they stand at the head of every prompt, and the
    cache hangs on it. What a server offers and the owner has denied is left out."""
    theirs = [tool for tool in lent.lent_tools() if tool.verdict is not Decision.DENY]
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": schemas.for_the_model(tool.input_schema) if tool.outside else tool.input_schema,
        }
        for tool in (*all_tools().values(), *theirs)
    ]


def complaint(tool: Tool, arguments: object) -> str:
    """What is wrong with the arguments, as a sentence for the model; empty when nothing is."""
    found = lent.complaint(tool, arguments) if tool.outside else _found(tool, arguments)
    if found is None:
        return ""
    where, what = found
    return f"Bad arguments for {tool.name}{f' ({where})' if where else ''}: {what[:300]}."


def _found(tool: Tool, arguments: object) -> tuple[str, str] | None:
    error = next(iter(_validator(tool.name).iter_errors(arguments)), None)
    return None if error is None else (".".join(str(part) for part in error.absolute_path), error.message)


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    # Said here, not in the schema: there it would cost tokens in every prompt.
    return Draft202012Validator({**all_tools()[name].input_schema, "additionalProperties": False})


def _lent() -> Iterator[Tool]:
    discovery.load("tools")
    for config in sorted(apps.get_app_configs(), key=lambda config: config.name):
        module = sys.modules.get(f"{config.name}.tools")
        yield from getattr(module, "TOOLS", [])
