"""The gate: what a tool call may do without asking, what a person must be asked, what is never done.

Code decides, on parsed input; the model has no say. Allowed by itself is only what reads inside of bounds. What is not
understood is asked about.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tools import addresses, paths, registry, sandbox, shell_disasters, shell_parser, shell_reading
from tools.base import Effect, Tool, ToolCall
from tools.models import Decision as Decision
from tools.paths import Zone

log = logging.getLogger(__name__)

MAX_COMMAND = 20_000
SAFE_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`reason` is a sentence for a person; `rule` the id of the rule that decided.

    `read_only`: the call changes nothing, so it may be repeated after a crash.
    """

    decision: Decision
    reason: str
    rule: str
    read_only: bool = False


def decide(call: ToolCall) -> Verdict:
    """Judges one call. Never raises, has no effect, asks no name server; a fault of its own counts as ask."""
    try:
        judge = _JUDGES.get(call.name)
        verdict = judge(call.arguments) if judge else _judge_lent(call.name)
        if verdict.decision is Decision.ALLOW and not sandbox.available():
            return _ask("sandbox.missing", "Without bubblewrap nothing runs here without asking.", verdict.read_only)
        return verdict
    except Exception:
        log.exception("The gate could not judge a call of %s", call.name)
        return _ask("gate.error", "The gate could not judge this call.")


def _allow(rule: str, reason: str) -> Verdict:
    return Verdict(decision=Decision.ALLOW, rule=rule, reason=reason, read_only=True)


def _ask(rule: str, reason: str, read_only: bool = False) -> Verdict:
    return Verdict(decision=Decision.ASK, rule=rule, reason=reason, read_only=read_only)


def _deny(rule: str, reason: str) -> Verdict:
    return Verdict(decision=Decision.DENY, rule=rule, reason=reason)


def _judge_shell(arguments: Mapping[str, Any]) -> Verdict:
    command = str(arguments.get("command", ""))
    # Where bash and the grammar might split words differently, no judgement is sound.
    odd = "\\\n" in command or not command.replace("\n", "").replace("\t", "").isprintable()
    if len(command) > MAX_COMMAND:
        return _deny("shell.too_long", f"The command is longer than {MAX_COMMAND:,} characters: put it into a file.")
    script = shell_parser.parse(command, home=str(paths.workspace()))
    try:
        shell_disasters.check_line(command, script)
    except shell_disasters.DisasterError as disaster:
        return _deny(disaster.rule, disaster.reason)
    if script.broken or odd:
        return _ask("shell.syntax", "The command line could not be read with certainty.")
    return _judge_script(script)


def _judge_script(script: shell_parser.Script) -> Verdict:
    if script.surprises:
        return _ask("shell.construct", f"It uses a construct that isn't judged here: {script.surprises[0]}.")
    try:
        shell_reading.check_script(script)
    except shell_reading.DoubtError as doubt:
        return _ask(doubt.rule, doubt.reason)
    if not script.commands:
        return _ask("shell.empty", "There is no command in it.")
    return _allow("shell.read_only", "It only reads, inside of bounds.")


def _judge_file_read(arguments: Mapping[str, Any]) -> Verdict:
    path = str(arguments.get("path", "") or ".")
    zone = paths.zone_of(path)
    if zone is Zone.PROTECTED:
        return _deny("path.protected", f"“{path}” holds secrets or belongs to this service itself.")
    if zone is Zone.OUTSIDE:
        return _ask("path.outside", f"“{path}” lies outside of the workspace.", read_only=True)
    return _allow("file.read", "It reads a file inside of bounds.")


def _judge_file_change(arguments: Mapping[str, Any]) -> Verdict:
    path = str(arguments.get("path", ""))
    zone = paths.zone_of(path)
    if zone is Zone.PROTECTED:
        return _deny("path.protected", f"“{path}” holds secrets or belongs to this service itself.")
    if zone is Zone.WORKSPACE:
        return _ask("file.change", f"It changes “{path}” in the workspace.")
    return _ask("path.outside", f"It changes “{path}”, which lies outside of the workspace.")


def _judge_http(arguments: Mapping[str, Any]) -> Verdict:
    method, url = str(arguments.get("method", "GET")).upper(), str(arguments.get("url", ""))
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return _deny("http.url", "This is no valid web address.")
    if parts.scheme not in ("http", "https") or not host:
        return _deny("http.url", "Only web addresses that begin with http:// or https:// can be called.")
    if (refusal := addresses.refusal(host)) is not None:
        return _deny("http.private", refusal)
    reading = method in SAFE_METHODS
    return _ask("http.read" if reading else "http.send", f"It sends a {method} request to {host}.", read_only=reading)


def _judge_lent(name: str) -> Verdict:
    """A tool that another app lends: its own declared effect counts."""
    tool = registry.tool_named(name)
    if tool is None:
        return _ask("tool.unlisted", f"No tool is called “{name}”.")
    if tool.verdict is not None:
        return _judge_server(tool, tool.verdict)
    if tool.effect is Effect.READ:
        return _allow("tool.read", f"{name} only reads.")
    return _ask("tool.write", f"{name} changes something.")


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
    "file_search": _judge_file_read,
    "file_write": _judge_file_change,
    "file_delete": _judge_file_change,
    "http_request": _judge_http,
}
