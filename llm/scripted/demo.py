"""The demo model: it knows a table of sentences, works with the real tools, and never pretends to understand the rest.

Every answer says that it is a demo.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.scripted import reading
from llm.scripted.replies import Reply, call_tools, json_answer, say

SAYS_SO = "Demo model (no key is set, nothing here is from Claude)."
TABLE = """\
I know only these sentences:
• hello
• what is the uptime of this machine?
• run `uptime` (or any other command)
• list the files
• write notes.txt: some text
• read notes.txt
• delete notes.txt
• fetch http://example.com/
For everything else set ANTHROPIC_API_KEY in .env and restart."""
HARMLESS = {"uptime", "date", "whoami", "pwd", "ls", "df", "free", "uname", "hostname", "id"}
MAX_QUOTED = 3000


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a sentence of the table comes to: a tool call. `changes`: a person should look at it first."""

    tool: str
    arguments: dict[str, Any]
    summary: str
    changes: bool = False


def demo_script(request: dict[str, Any]) -> Reply:
    """Answers one request: a classification when a schema is asked for, else a turn of work."""
    schema = reading.wanted_schema(request)
    texts = reading.new_messages(request)
    if schema is not None:
        return json_answer(reading.fit(_classified(texts), schema))
    if results := reading.tool_results(request):
        return say(_told(results))
    if not request.get("tools") and "</card>" in reading.last_text(request):
        return say(f"{SAYS_SO} I can't judge a plan. Its card says exactly what would be done, and how it is undone.")
    steps = [step for text in texts if (step := understood(text)) is not None]
    lent = {tool.get("name") for tool in request.get("tools", [])}
    if missing := sorted({step.tool for step in steps} - lent):
        return say(f"{SAYS_SO} I would need the tool {', '.join(missing)}, and was not given it.")
    if steps:
        return call_tools([(step.tool, step.arguments) for step in steps], text=SAYS_SO)
    greeted = any(GREETING.fullmatch(text.strip()) for text in texts)
    return say(f"{SAYS_SO} Hello! {TABLE}" if greeted else f"{SAYS_SO} {TABLE}")


def understood(text: str) -> Step | None:
    """The step that a sentence of the table asks for; None for anything else."""
    for pattern, make in SENTENCES:
        if match := pattern.fullmatch(text.strip()):
            return make(match)
    return None


def _shell(match: re.Match[str]) -> Step:
    command = match["command"].strip()
    plain = command in HARMLESS
    return Step(tool="shell", arguments={"command": command}, summary=f"Run `{command}`", changes=not plain)


def _uptime(match: re.Match[str]) -> Step:
    return Step(tool="shell", arguments={"command": "uptime"}, summary="Run `uptime` and tell what it says")


def _list(match: re.Match[str]) -> Step:
    return Step(tool="file_list", arguments={"path": "."}, summary="List the files of the workspace")


def _write(match: re.Match[str]) -> Step:
    arguments = {"path": match["path"], "content": match["content"].strip() + "\n"}
    return Step(tool="file_write", arguments=arguments, summary=f"Write {match['path']}", changes=True)


def _read(match: re.Match[str]) -> Step:
    return Step(tool="file_read", arguments={"path": match["path"]}, summary=f"Read {match['path']}")


def _delete(match: re.Match[str]) -> Step:
    return Step(tool="file_delete", arguments={"path": match["path"]}, summary=f"Delete {match['path']}", changes=True)


def _fetch(match: re.Match[str]) -> Step:
    arguments = {"method": "GET", "url": match["url"]}
    return Step(tool="http_request", arguments=arguments, summary=f"Fetch {match['url']}", changes=True)


def _sentence(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


GREETING = _sentence(r"(hello|hi|hey|good (morning|evening)|/start)\b[^\n]{0,20}")
SENTENCES: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Step]]] = [
    (_sentence(r"what(?:'s|’s| is) the uptime(?: of this (?:machine|server|computer))?\s*[?.]?"), _uptime),
    (_sentence(r"run `(?P<command>[^`]+)`\s*[.!]?"), _shell),
    (_sentence(r"run (?P<command>[^`\n]+)"), _shell),
    (_sentence(r"list (?:the |all )?files(?: in (?:the|my) workspace)?\s*[.!?]?"), _list),
    (_sentence(r"write (?P<path>[^\s:]+)\s*:\s*(?P<content>.+)"), _write),
    (_sentence(r"read (?P<path>\S+?)\s*[.!]?"), _read),
    (_sentence(r"delete (?P<path>\S+?)\s*[.!]?"), _delete),
    (_sentence(r"fetch (?P<url>https?://\S+)"), _fetch),
]


def _classified(texts: list[str]) -> dict[str, Any]:
    steps = [step for text in texts if (step := understood(text)) is not None]
    summary = "; ".join(step.summary for step in steps) or "Say what the demo model knows"
    return {
        "intent": "command" if steps else "chat",
        "summary": f"(demo) {summary}",
        "plan": [step.summary for step in steps] or ["Answer with the table of sentences that the demo model knows"],
        "commands": [step.arguments["command"] for step in steps if step.tool == "shell"],
        "needs_confirmation": any(step.changes for step in steps),
        "confidence": 1.0,
    }


def _told(results: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    parts = [_one_result(use, reading.result_text(result), bool(result.get("is_error"))) for use, result in results]
    return "\n\n".join([SAYS_SO, *parts])


def _one_result(use: dict[str, Any], output: str, failed: bool) -> str:
    arguments = use["input"]
    what = arguments.get("command") or arguments.get("url") or f"{use['name']} {arguments.get('path', '')}".strip()
    quoted = output.strip()[:MAX_QUOTED] or "(no output)"
    return f"`{what}` {'did not work' if failed else 'gave'}:\n```\n{quoted}\n```"
