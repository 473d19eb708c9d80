"""Every tool that agents are given: the built-in ones, and what apps lend in their `tools.py`."""

import functools
import sys
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from jsonschema import Draft202012Validator

from common import discovery
from tools.base import Tool
from tools.builtin import files, http, shell
from tools.errors import ToolProblem


@functools.cache
def all_tools() -> dict[str, Tool]:
    """Name to tool, in a stable order: the list stands at the head of every prompt, and the cache hangs on it."""
    found = {tool.name: tool for tool in (*shell.TOOLS, *files.TOOLS, *http.TOOLS)}
    for tool in _lent():
        if tool.name in found:
            raise ToolProblem(f"Two tools are called {tool.name}.")
        found[tool.name] = tool
    return found


def model_tools() -> list[dict[str, Any]]:
    """The tools as the Messages API wants them."""
    return [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in all_tools().values()
    ]


def complaint(tool: Tool, arguments: object) -> str:
    """What is wrong with the arguments, as a sentence for the model; empty when nothing is."""
    error = next(iter(_validator(tool.name).iter_errors(arguments)), None)
    if error is None:
        return ""
    where = ".".join(str(part) for part in error.absolute_path)
    return f"Bad arguments for {tool.name}{f' ({where})' if where else ''}: {error.message[:300]}."


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    # Said here, not in the schema: there it would cost tokens in every prompt.
    return Draft202012Validator({**all_tools()[name].input_schema, "additionalProperties": False})


def _lent() -> Iterator[Tool]:
    discovery.load("tools")
    for config in sorted(apps.get_app_configs(), key=lambda config: config.name):
        module = sys.modules.get(f"{config.name}.tools")
        yield from getattr(module, "TOOLS", [])
