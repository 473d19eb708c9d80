"""The gate's own rules: what a call is by itself, before the owner's rows are looked at.

Code decides, on parsed input; the model has no say. Allowed by itself is only what reads inside of bounds. What is not
understood is asked about.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from ops import secrets
from tools import addresses, paths, registry
from tools.base import Effect, Tool, ToolCall
from tools.models import Decision
from tools.paths import Zone
from tools.shell import disasters, parser, reading
from tools.shell.parser import Script
from tools.verdicts import Verdict, allow, ask, deny

MAX_COMMAND = 20_000
SAFE_METHODS = ("GET", "HEAD")


def judge(call: ToolCall) -> Verdict:
    """The verdict by the call alone. Has no effect, asks no name server; may raise only by a fault of its own."""
    special = _JUDGES.get(call.name)
    return special(call.arguments) if special else _judge_lent(call.name)


def read_script(command: str) -> tuple[Script, str]:
    """The parsed command line, and why it can't be judged (empty where it can)."""
    script = parser.parse(command, home=str(paths.workspace()))
    # Where bash and the grammar might split words differently, no judgement is sound.
    odd = "\\\n" in command or not command.replace("\n", "").replace("\t", "").isprintable()
    return script, "shell.syntax" if script.broken or odd else "shell.construct" if script.surprises else ""


def _judge_shell(arguments: Mapping[str, Any]) -> Verdict:
    command = str(arguments.get("command", ""))
    if len(command) > MAX_COMMAND:
        return deny("shell.too_long", f"The command is longer than {MAX_COMMAND:,} characters: put it into a file.")
    script, trouble = read_script(command)
    try:
        disasters.check_line(command, script)
    except disasters.DisasterError as disaster:
        return deny(disaster.rule, disaster.reason)
    if trouble == "shell.syntax":
        return ask(trouble, "The command line could not be read with certainty.")
    if trouble:
        return ask(trouble, f"It uses a construct that isn't judged here: {script.surprises[0]}.")
    try:
        reading.check_script(script)
    except reading.DoubtError as doubt:
        return ask(doubt.rule, doubt.reason)
    if not script.commands:
        return ask("shell.empty", "There is no command in it.")
    return allow("shell.read_only", "It only reads, inside of bounds.")


def _protected(path: str) -> Verdict:
    reason = f"“{path}” holds secrets or belongs to this service itself."
    overridden = "path.protected" in settings.TOOL_DENY_OVERRIDES
    return ask("path.protected", reason) if overridden else deny("path.protected", reason)


def _judge_file_read(arguments: Mapping[str, Any]) -> Verdict:
    path = str(arguments.get("path", "") or ".")
    zone = paths.zone_of(path)
    if zone is Zone.PROTECTED:
        return _protected(path)
    if zone is Zone.OUTSIDE:
        return ask("path.outside", f"“{path}” lies outside of the workspace.", read_only=True)
    return allow("file.read", "It reads a file inside of bounds.")


def _judge_file_search(arguments: Mapping[str, Any]) -> Verdict:
    """As reading, of all that lies below."""
    path = str(arguments.get("path", "") or ".")
    verdict = _judge_file_read(arguments)
    if verdict.decision is Decision.ALLOW and (found := paths.secrets_below(path)) is not None:
        return ask("path.secrets_below", f"Below “{path}” there may be secrets: {found[-80:]}.", read_only=True)
    return verdict


def _judge_file_change(arguments: Mapping[str, Any]) -> Verdict:
    path = str(arguments.get("path", ""))
    zone = paths.zone_of(path)
    if zone is Zone.PROTECTED:
        return _protected(path)
    if paths.is_code(path) and "path.code" not in settings.TOOL_DENY_OVERRIDES:
        return deny("path.code", f"“{path}” belongs to this service's own code.")
    if zone is Zone.WORKSPACE:
        return ask("file.change", f"It changes “{path}” in the workspace.")
    return ask("path.outside", f"It changes “{path}”, which lies outside of the workspace.")


def _judge_http(arguments: Mapping[str, Any]) -> Verdict:
    method, url = str(arguments.get("method", "GET")).upper(), str(arguments.get("url", ""))
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return deny("http.url", "This is no valid web address.")
    if parts.scheme not in ("http", "https") or not host:
        return deny("http.url", "Only web addresses that begin with http:// or https:// can be called.")
    if (refusal := addresses.refusal(host)) is not None:
        overridden = "http.private" in settings.TOOL_DENY_OVERRIDES
        return ask("http.private", refusal) if overridden else deny("http.private", refusal)
    named = sorted(secrets.names_in(json.dumps([url, arguments.get("headers"), arguments.get("body")], default=str)))
    reading = method in SAFE_METHODS and not arguments.get("body") and not named
    reason = f"It sends a {method} request to {host}{' with the secret ' + ', '.join(named) if named else ''}."
    return ask("http.read" if reading else "http.send", reason, read_only=reading)


def _judge_lent(name: str) -> Verdict:
    """A tool that another app lends: its own declared effect counts."""
    tool = registry.tool_named(name)
    if tool is None:
        return ask("tool.unlisted", f"No tool is called “{name}”.")
    if tool.verdict is not None:
        return _judge_server(tool, tool.verdict)
    if tool.effect is Effect.READ:
        return allow("tool.read", f"{name} only reads.")
    return ask("tool.write", f"{name} changes something.")


def _judge_server(tool: Tool, verdict: Decision) -> Verdict:
    """A tool of an MCP server: what the owner has said of it. What the server says of it counts for nothing."""
    reasons = {
        Decision.ALLOW: f"You have allowed {tool.name}.",
        Decision.ASK: f"{tool.name} belongs to an MCP server, and you have not allowed it.",
        Decision.DENY: f"You have denied {tool.name}.",
    }
    reading = tool.effect is Effect.READ
    return Verdict(decision=verdict, rule=f"mcp.{verdict}", reason=reasons[verdict], read_only=reading)


_JUDGES: dict[str, Callable[[Mapping[str, Any]], Verdict]] = {
    "shell": _judge_shell,
    "file_read": _judge_file_read,
    "file_list": _judge_file_read,
    "file_search": _judge_file_search,
    "file_write": _judge_file_change,
    "file_delete": _judge_file_change,
    "http_request": _judge_http,
}
