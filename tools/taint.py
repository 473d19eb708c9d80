"""Which tool calls bring text of outsiders: what somebody else wrote may be meant to steer the model.

What a run has read of it is remembered in the run, and the gate then turns into questions what it would allow to act.
"""

from urllib.parse import urlsplit

from tools import levels, outside_files, registry
from tools.models import Decision, ToolExecution
from tools.sandbox import Level
from tools.shell import parser


def outsiders_text(execution: ToolExecution) -> str:
    """Whose text the output of a call is, in words; empty where it is of this machine and its owner."""
    if not execution.output or execution.decision in ("", Decision.DENY):
        return ""
    if execution.name == "http_request":
        return f"the answer of {urlsplit(str(execution.arguments.get('url', ''))).hostname or 'a web server'}"
    if found := outside_files.text_read(execution):
        return found
    if execution.name == "shell":
        return _brought_by_command(execution)
    tool = registry.tool_named(execution.name)
    return f"the output of {execution.name}" if tool is None or tool.untrusted else ""


def _brought_by_command(execution: ToolExecution) -> str:
    """A command that could reach the net may have printed what it found there."""
    went_beyond = execution.decision == Decision.ASK or execution.rule.startswith("rule:")
    level = levels.level_of(execution.arguments, approved=went_beyond)
    if level is Level.NET:
        return "what a command brought from the internet"
    if level is not Level.HOST:
        return ""
    command = str(execution.arguments.get("command", ""))
    programs = {each.name for each in parser.parse(command).commands}
    return "what a command brought from the internet" if programs & levels.OF_THE_NET else ""
